"""Rotation of a role's password, in the four steps that Secrets Manager invokes one after the other.

Reference: docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html. Every step may be
repeated: a rotation that failed is attempted again, with the same version of the secret.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from kalshi_markets.credentials import Credentials
from kalshi_markets.database import Database
from kalshi_markets.logs import make_logger
from kalshi_markets.secrets_manager import CURRENT, PENDING, SecretVersionMissing, client, fetch_version, get_secret
from kalshi_markets.settings import DatabaseSettings, MigratorSettings
from migrator.migrate import lock
from migrator.roles import set_password

_TIMEOUT_SECONDS: Final = 30
_SESSION: Final = {"lock_timeout": "20s"}
"""Session parameters. A migration at the same time may take longer: Secrets Manager then repeats the step."""
_PASSWORD_BYTES: Final = 32

logger = make_logger("migrator")


class RotationError(Exception):
    """Step of a rotation that cannot be run. The message is a sentence with the reason."""


@logger.inject_lambda_context
def rotate(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Run one step and return its name. Secrets Manager repeats a step that raises an error.

    Raises RotationError, DatabaseError, SettingsError, SecretUnavailable and botocore's errors.
    """
    arn, step = str(event["SecretId"]), str(event["Step"])
    if arn not in {role.secret_arn for role in MigratorSettings.from_env().roles.values()}:
        raise RotationError("the secret is not that of a role: set it as API_DB_SECRET_ARN or CRAWLER_DB_SECRET_ARN.")
    if step not in _STEPS:
        raise RotationError(f"the step is unknown; it must be one of {', '.join(_STEPS)}.")
    version = str(event["ClientRequestToken"])
    _STEPS[step](_Rotation(DatabaseSettings.from_env(), arn, version))
    logger.info("rotation step completed", extra={"step": step, "secret": arn, "version": version})
    return {"step": step}


@dataclass(frozen=True)
class _Rotation:
    """Rotation of one secret. version: id of the new version, which the label AWSPENDING names."""

    database: DatabaseSettings
    arn: str
    version: str

    def create_secret(self) -> None:
        """Store a new password as the pending version, unless it is there."""
        try:
            self._pending()
        except SecretVersionMissing:
            current = get_secret(self.arn, fresh=True)
            if not current.get("username"):
                # The pending version would be as useless, and its label would stay.
                raise RotationError("the secret has no username: write it by hand (docs/operations.md).") from None
            value = {**current, "password": secrets.token_hex(_PASSWORD_BYTES)}
            client().put_secret_value(
                SecretId=self.arn,
                ClientRequestToken=self.version,
                SecretString=json.dumps(value),
                VersionStages=[PENDING],
            )

    def set_secret(self) -> None:
        """Change the password of the role to the pending one."""
        database = Database(self.database, application_name="migrator", parameters=_SESSION, timeout=_TIMEOUT_SECONDS)
        try:
            with database.transaction():
                lock(database)
                set_password(database, self._pending())
        finally:
            database.close()

    def test_secret(self) -> None:
        """Log in with the pending password. Raises LoginFailed."""
        login = self._pending()
        settings = replace(self.database, user=login.username, password=login.secret, secret_arn=None)
        database = Database(settings, application_name="migrator", timeout=_TIMEOUT_SECONDS)
        try:
            database.query("SELECT 1")
        finally:
            database.close()

    def finish_secret(self) -> None:
        """Make the pending version the current one, and remove its label AWSPENDING."""
        stages = client().describe_secret(SecretId=self.arn)["VersionIdsToStages"]
        own = stages.get(self.version, [])
        if CURRENT not in own:
            if PENDING not in own:
                raise RotationError("the version is neither pending nor current: start the rotation again.")
            [current] = [version for version, labels in stages.items() if CURRENT in labels]
            self._move(CURRENT, MoveToVersionId=self.version, RemoveFromVersionId=current)
        if PENDING in own:
            # A label that stayed would name an old password after the next change by hand.
            self._move(PENDING, RemoveFromVersionId=self.version)

    def _pending(self) -> Credentials:
        value = fetch_version(self.arn, VersionId=self.version, VersionStage=PENDING)
        return Credentials(str(value["username"]), str(value["password"]))

    def _move(self, label: str, **versions: str) -> None:
        client().update_secret_version_stage(SecretId=self.arn, VersionStage=label, **versions)


_STEPS: Final[Mapping[str, Callable[[_Rotation], None]]] = {
    "createSecret": _Rotation.create_secret,
    "setSecret": _Rotation.set_secret,
    "testSecret": _Rotation.test_secret,
    "finishSecret": _Rotation.finish_secret,
}
