"""Adoption of the original service's table: converts its column types and keeps its rows."""

import re
from collections.abc import Mapping
from typing import Final

from kalshi_markets.columns import COLUMNS_BY_NAME, Column, Kind
from kalshi_markets.database import Database, StatementError
from migrator.catalog import MigrationError, StoredColumn, columns_of, has_unique_ticker, kind_of_relation

_INTEGERS: Final = ("smallint", "integer", "bigint")
_NUMBERS: Final = (*_INTEGERS, "numeric", "real", "double precision")
_STRINGS: Final = ("text", "character varying", "character")

_CONVERTIBLE: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.STRING: _STRINGS,
    Kind.NUMBER: _NUMBERS,
    Kind.TIME: ("timestamp with time zone", "timestamp without time zone", "date", *_STRINGS),
    Kind.BOOLEAN: ("boolean",),
    Kind.JSON: ("json", "jsonb", *_STRINGS),
}


def adopt_legacy_table(database: Database) -> None:
    """Convert an existing markets table in place, so that the migrations can complete it.

    It does nothing if there is no such table. Raises MigrationError with the reason if the table cannot be converted.
    """
    table = database.settings.table
    relation = kind_of_relation(database)
    if relation is None:
        return
    columns = columns_of(database)
    if relation != "r" or "ticker" not in columns:
        raise _cannot_adopt(table, "has no ticker column or is not a table")
    for name, column in columns.items():
        if name not in COLUMNS_BY_NAME and column.not_null and not column.has_default:
            raise _cannot_adopt(table, f"requires a value in column {name}, which the exchange does not have")
    try:
        if changes := _column_changes(table, columns):
            database.execute_script(f"ALTER TABLE {table} {', '.join(changes)}")
        if not has_unique_ticker(database):
            database.execute_script(f"ALTER TABLE {table} ALTER COLUMN ticker SET NOT NULL, ADD UNIQUE (ticker)")
    except StatementError as error:
        raise _cannot_adopt(table, f"cannot be converted ({error})") from error


def _cannot_adopt(table: str, reason: str) -> MigrationError:
    return MigrationError(f"{table} exists and {reason}: set MARKETS_TABLE to another name to keep it unchanged.")


def _column_changes(table: str, columns: Mapping[str, StoredColumn]) -> list[str]:
    changes = []
    for name, stored in columns.items():
        column = COLUMNS_BY_NAME.get(name)
        if column is None:
            continue
        if stored.not_null and name != "ticker":
            changes.append(f"ALTER COLUMN {name} DROP NOT NULL")
        # Remove trailing zeros here, once: the crawler does not rewrite 0.2900 as 0.29, because they are equal.
        if stored.sql_type != column.sql_type or stored.sql_type == "numeric":
            using = _conversion(table, column, re.sub(r"\([0-9,]+\)| COLLATE.*", "", stored.sql_type))
            changes.append(f"ALTER COLUMN {name} DROP DEFAULT")
            changes.append(f"ALTER COLUMN {name} TYPE {column.sql_type} USING {using}")
    return changes


def _conversion(table: str, column: Column, stored_type: str) -> str:
    if stored_type not in _CONVERTIBLE[column.kind]:
        raise _cannot_adopt(
            table, f"its column {column.name} is {stored_type}, which cannot be converted to {column.sql_type}"
        )
    if column.name == "settlement_value" and stored_type in _INTEGERS:
        return "trim_scale(settlement_value / 100.0)"  # the original service stored cents
    if column.sql_type == "numeric":
        return f"trim_scale({column.name}::numeric)"
    if column.kind is Kind.TIME:
        return f"nullif({column.name}::text, '')::timestamptz"  # the session's time zone is UTC
    return f"{column.name}::{column.sql_type}"
