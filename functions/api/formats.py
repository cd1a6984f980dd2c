"""How a row is written: JSON, NDJSON or CSV text, by PostgreSQL, so that no row is decoded on its way."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from kalshi_markets.columns import Column, Kind, Table


@dataclass(frozen=True)
class Format:
    """A body's format. separator: between rows, as it stands in an SQL string; ends: what follows the last row."""

    name: str
    media_type: str
    separator: str
    terminator: str = ""


JSON: Final = Format("json", "application/json", ",\n")
NDJSON: Final = Format("ndjson", "application/x-ndjson", "\n", "\n")
CSV: Final = Format("csv", "text/csv; charset=utf-8; header=present", "\r\n", "\r\n")
FORMATS: Final = {format_.name: format_ for format_ in (JSON, NDJSON, CSV)}


def header_line(format_: Format, columns: Sequence[Column]) -> str:
    """What stands before the first row."""
    return ",".join(column.name for column in columns) + format_.terminator if format_ is CSV else ""


@lru_cache(maxsize=64)
def select_list(columns: tuple[Column, ...], source: str | None = None) -> str:
    """The SELECT list of a row r: from a source that has them all, or from the terms as t and the quotes as q."""
    both = "t" if any(column.table is Table.DETAILS for column in columns) else "q"
    alias = {Table.DETAILS: "t", Table.QUOTES: "q", Table.BOTH: both}
    return ", ".join(_output(column, f"{source or alias[column.table]}.{column.name}") for column in columns)


@lru_cache(maxsize=64)
def row_text_sql(format_: Format, columns: tuple[Column, ...]) -> str:
    """SQL of such a row's text."""
    return " || ',' || ".join(_cell(column) for column in columns) if format_ is CSV else "row_to_json(r)::text"


def rfc3339_sql(name: str) -> str:
    """SQL of a time as RFC 3339."""
    # In a UTC session its text is `2026-07-02 21:31:13.7931+00`.
    return f"replace(replace({name}::text, ' ', 'T'), '+00', 'Z')"


def _output(column: Column, name: str) -> str:
    return f"{rfc3339_sql(name)} AS {column.name}" if column.kind is Kind.TIME else name


def _cell(column: Column) -> str:
    """RFC 4180: strings are quoted, so that an empty one is told from a missing value."""
    value = f"r.{column.name}::text"
    if column.kind in (Kind.STRING, Kind.JSON):
        value = f"""'"' || replace({value}, '"', '""') || '"'"""
    return f"coalesce({value}, '')"
