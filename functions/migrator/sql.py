"""Statements of operators: one at a time, as the database's owner.

The database is reachable only in its VPC, in which this function runs.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from kalshi_markets.database import Database, DatabaseError, DatabaseUnavailable, Result, StatementTimeout
from kalshi_markets.logs import make_logger
from kalshi_markets.settings import DatabaseSettings

STATEMENT_SECONDS: Final = 50
"""Statement timeout. `aws lambda invoke` waits 60 s for a response."""
MAX_ROWS: Final = 1_000
MAX_BYTES: Final = 5_000_000
"""Maximum size of the rows as JSON. Lambda's limit of a response is 6 MB."""

logger = make_logger("migrator")


@logger.inject_lambda_context
def run_sql(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Run the statement `sql` and return {"columns": […], "rows": [[…]], "affected": …, "truncated": …}.

    It runs in a read-only transaction, unless `write` is true. A failure is a result, {"error": a sentence, "sqlstate":
    …}: Lambda would log an exception, and PostgreSQL's messages quote values. The statement is not logged either.
    Raises SettingsError, SecretUnavailable.
    """
    sql, write = event["sql"], event.get("write", False)
    if not isinstance(sql, str) or not sql.strip() or not isinstance(write, bool):
        return {"error": "sql must be the text of one statement, and write true or false.", "sqlstate": ""}
    database = _database(write=write)
    try:
        with database.transaction():
            result = database.execute_for_json(sql, MAX_ROWS + 1)
    except DatabaseError as error:
        logger.info("statement failed", extra={"characters": len(sql), "write": write, "sqlstate": error.sqlstate})
        return {"error": _sentence(error), "sqlstate": error.sqlstate}
    finally:
        database.close()
    rows = _rows_that_fit(result)
    logger.info("statement completed", extra={"characters": len(sql), "write": write, "rows": len(rows)})
    truncated = len(rows) < len(result.rows)
    return {"columns": result.columns, "rows": rows, "affected": result.affected, "truncated": truncated}


def _database(*, write: bool) -> Database:
    parameters = {
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "default_transaction_read_only": "off" if write else "on",
    }
    settings = DatabaseSettings.from_env()
    return Database(settings, application_name="sql", parameters=parameters, timeout=STATEMENT_SECONDS + 5)


def _rows_that_fit(result: Result) -> list[list[Any]]:
    """Return the first rows, within the limits of rows and bytes."""
    rows, size = [], 0
    for row in result.rows[:MAX_ROWS]:
        size += len(json.dumps(row)) + 2
        if size > MAX_BYTES:
            break
        rows.append(row)
    return rows


def _sentence(error: DatabaseError) -> str:
    match error:
        case StatementTimeout():
            return f"The statement was canceled; it may run {STATEMENT_SECONDS} s (SQLSTATE {error.sqlstate})."
        case DatabaseUnavailable(sqlstate=""):
            return f"The database is unavailable: {error}."
        case DatabaseUnavailable(sqlstate="25006"):
            return f"The database rejected the statement: {error}; set write to change data (SQLSTATE 25006)."
        case _:
            return f"The database rejected the statement: {error} (SQLSTATE {error.sqlstate})."
