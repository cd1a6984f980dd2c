"""One run of the migrator, ended in time even where the database would let it wait."""

from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from kalshi_markets.database import Database, DatabaseError, LoginRefused, StatementRefused
from kalshi_markets.logs import make_logger
from kalshi_markets.secrets import SecretUnavailable
from kalshi_markets.settings import DatabaseSettings, MigratorSettings
from migrator.custom_resource import ANSWER_SECONDS
from migrator.migrate import migrate

PAUSE_SECONDS: Final = 5.0
_PROBE_SECONDS: Final = 5.0
_SESSION: Final = {"client_connection_check_interval": "1s"}
"""A statement that was given up ends with its connection."""

logger = make_logger("migrator")


class OutOfTime(Exception):
    """The run was given up before Lambda would have ended it; the message says what it was at."""


@logger.inject_lambda_context
def run(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Returns {"applied": [names of the migrations applied now], "table": …}.

    At a deployment it waits for a database that is not there yet, or busy; by hand it does not.

    Raises OutOfTime, MigrationRefused, DatabaseError, SettingsError, SecretUnavailable.
    """
    seconds = max(0.0, context.get_remaining_time_in_millis() / 1000 - ANSWER_SECONDS)
    settings = DatabaseSettings.read()
    applied = _Run(settings, seconds, waits="ResponseURL" in event).applied()
    logger.info("migrations applied", extra={"applied": applied, "table": settings.table})
    return {"applied": applied, "table": settings.table}


class _Run:
    def __init__(self, settings: DatabaseSettings, seconds: float, *, waits: bool) -> None:
        self._settings = settings
        self._seconds = seconds
        self._waits = waits
        self._database = Database(settings, application_name="migrator", parameters=_SESSION, timeout=seconds + 1)
        self._over = Event()
        self._at = "beginning"

    def applied(self) -> list[str]:
        """In a thread of its own: neither a statement nor a name that is looked up can be told to end by itself."""
        thread = ThreadPoolExecutor(1)
        applied = thread.submit(self._migrate)
        thread.shutdown(wait=False)
        wait([applied], self._seconds)
        if not applied.done():
            message = f"the migrator was given up after {self._seconds:.0f} s, {self._at}."
            self._over.set()
            self._database.abort()
            raise OutOfTime(message)
        return applied.result()

    def _migrate(self) -> list[str]:
        while True:
            try:
                return self._attempt()
            except (DatabaseError, SecretUnavailable) as error:
                if not self._waits or not _passes(error):
                    raise
                self._at = f"waiting for the database ({error})"
                logger.info("waiting for the database", extra={"reason": str(error)})
                if self._over.wait(PAUSE_SECONDS):
                    raise
            finally:
                self._database.close()

    def _attempt(self) -> list[str]:
        # Read each time: Secrets Manager may be out of reach as long as the database is.
        settings = MigratorSettings.read()
        # The migrations' own connection would wait as long as their statements may take.
        probe = Database(self._settings, application_name="migrator", timeout=_PROBE_SECONDS)
        try:
            probe.read("SELECT 1")
        finally:
            probe.close()
        self._at = "migrating"
        return migrate(self._database, settings)


def _passes(error: DatabaseError | SecretUnavailable) -> bool:
    """Whether the same may work in a moment."""
    match error:
        case LoginRefused():
            return False
        case StatementRefused(sqlstate=sqlstate):
            return sqlstate in ("40P01", "55P03")  # a deadlock; a lock that others held too long
        case _:
            return True
