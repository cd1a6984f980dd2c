"""Statements of infra/lake.yaml, translated from Athena's SQL for another engine."""

from datetime import date
from typing import Any, Final

import sqlglot
from sqlglot import exp

from local.tools.lake_sql import CHANGES_DAYS, TABLES, WINDOW_DAYS, backlog_sql, create_sql, insert_sql, named

_ATHENA_ONLY: Final = ("table_type", "format", "write_compression")
"""Properties of tables that only Athena has."""


def translate(sql: str, engine: str, today: date) -> str:
    """Return a statement in the SQL of an engine. today: replaces the current date.

    Raises sqlglot.ParseError, and UnsupportedError if the engine cannot express it.
    """
    statement = sqlglot.parse_one(sql, read="athena").transform(_replaced, today)
    if isinstance(statement, exp.Create):
        properties = statement.args["properties"]
        portable = [item for item in properties.expressions if item.name not in _ATHENA_ONLY]
        properties.set("expressions", [exp.FileFormatProperty(this=exp.var("iceberg")), *portable])
    translated: str = statement.sql(dialect=engine, unsupported_level=sqlglot.ErrorLevel.RAISE)
    return translated


def _replaced(node: Any, today: date) -> Any:
    return exp.cast(exp.Literal.string(today.isoformat()), "date") if isinstance(node, exp.CurrentDate) else node


def create_statements(bucket: str) -> list[str]:
    """Return the statements that create the tables."""
    return [create_sql(table, f"s3://{bucket}/tables/{table.name}/") for table in TABLES]


def nightly_statements() -> list[str]:
    """Return the statements of the nightly schedules."""
    return [insert_sql(table, WINDOW_DAYS) for table in TABLES]


def catch_up_statements() -> list[str]:
    """Return the statements that insert whatever the tables lack."""
    return [insert_sql(table, CHANGES_DAYS) for table in TABLES]


def backlog_statements() -> list[str]:
    """Return the statements that insert the backlog."""
    return [backlog_sql(table) for table in TABLES]


def queries() -> dict[str, str]:
    """Return the named queries that only read, by name."""
    return {name: sql for name, _, sql in named() if sql.startswith(("SELECT", "WITH"))}
