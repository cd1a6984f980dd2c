"""Run of the migrator, with a deadline that holds even if the database does not respond."""

from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from kalshi_markets.database import Database, DatabaseError, LoginFailed, StatementError
from kalshi_markets.logs import make_logger
from kalshi_markets.secrets_manager import SecretUnavailable
from kalshi_markets.settings import DatabaseSettings, MigratorSettings
from migrator.custom_resource import RESPONSE_SECONDS
from migrator.migrate import migrate

PAUSE_SECONDS: Final = 5.0
_PROBE_SECONDS: Final = 5.0
_SESSION: Final = {"client_connection_check_interval": "1s"}
"""Session parameters. The server ends an abandoned statement when its connection closes."""

logger = make_logger("migrator")


class DeadlineExceeded(Exception):
    """Run that was aborted before the Lambda timeout. The message names the stage that it had reached."""


@logger.inject_lambda_context
def run(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Apply the migrations and return {"applied": [names of the migrations applied now], "table": …}.

    An event of CloudFormation waits for a database that is unavailable or busy. A manual event does not.
    Raises DeadlineExceeded, MigrationError, DatabaseError, SettingsError, SecretUnavailable.
    """
    seconds = max(0.0, context.get_remaining_time_in_millis() / 1000 - RESPONSE_SECONDS)
    settings = DatabaseSettings.from_env()
    applied = _Run(settings, seconds, wait_for_database="ResponseURL" in event).run_with_deadline()
    logger.info("migrations applied", extra={"applied": applied, "table": settings.table})
    return {"applied": applied, "table": settings.table}


class _Run:
    def __init__(self, settings: DatabaseSettings, seconds: float, *, wait_for_database: bool) -> None:
        self._settings = settings
        self._seconds = seconds
        self._wait_for_database = wait_for_database
        self._database = Database(settings, application_name="migrator", parameters=_SESSION, timeout=seconds + 1)
        self._cancelled = Event()
        self._stage = "beginning"

    def run_with_deadline(self) -> list[str]:
        """Migrate in another thread and abort at the deadline. Raises DeadlineExceeded.

        A blocking statement or DNS lookup cannot be given a deadline itself.
        """
        thread = ThreadPoolExecutor(1)
        applied = thread.submit(self._migrate)
        thread.shutdown(wait=False)
        wait([applied], self._seconds)
        if not applied.done():
            message = f"the migrator was stopped after {self._seconds:.0f} s, {self._stage}."
            self._cancelled.set()
            self._database.abort()
            raise DeadlineExceeded(message)
        return applied.result()

    def _migrate(self) -> list[str]:
        while True:
            try:
                return self._attempt()
            except (DatabaseError, SecretUnavailable) as error:
                if not self._wait_for_database or not _is_transient(error):
                    raise
                self._stage = f"waiting for the database ({error})"
                logger.info("waiting for the database", extra={"reason": str(error)})
                if self._cancelled.wait(PAUSE_SECONDS):
                    raise
            finally:
                self._database.close()

    def _attempt(self) -> list[str]:
        # Read for each attempt: Secrets Manager may be unavailable too.
        settings = MigratorSettings.from_env()
        # A probe with a short timeout: the connection of the migrations waits as long as their statements may take.
        probe = Database(self._settings, application_name="migrator", timeout=_PROBE_SECONDS)
        try:
            probe.query("SELECT 1")
        finally:
            probe.close()
        self._stage = "migrating"
        return migrate(self._database, settings)


def _is_transient(error: DatabaseError | SecretUnavailable) -> bool:
    """Return whether a retry may succeed."""
    match error:
        case LoginFailed():
            return False
        case StatementError(sqlstate=sqlstate):
            return sqlstate in ("40P01", "55P03")  # deadlock_detected, lock_not_available
        case _:
            return True
