"""Brings the database to the newest migration. Safe to run at any time, and twice at once."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from kalshi_markets.database import Database
from kalshi_markets.settings import DatabaseSettings, MigratorSettings
from migrator.migrate import migrate

logger = Logger(service="migrator")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Returns {"applied": [names of the migrations applied now], "table": …}.

    Raises MigrationRefused, DatabaseError, SettingsError.
    """
    settings = DatabaseSettings.read()
    database = Database(settings, application_name="migrator", timeout=600)
    try:
        applied = migrate(database, MigratorSettings.read())
    finally:
        database.close()
    logger.info("migrations applied", extra={"applied": applied, "table": settings.table})
    return {"applied": applied, "table": settings.table}
