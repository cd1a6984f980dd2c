"""Row formats: JSON, NDJSON and CSV. PostgreSQL renders the rows as text, so Python never decodes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from kalshi_markets.columns import Column, Kind, Table


@dataclass(frozen=True)
class Format:
    """Format of a response body.

    separator: the text between two rows, as written in an SQL string.
    terminator: the text after the last row.
    """

    name: str
    media_type: str
    separator: str
    terminator: str = ""


JSON: Final = Format("json", "application/json", ",\n")
NDJSON: Final = Format("ndjson", "application/x-ndjson", "\n", "\n")
CSV: Final = Format("csv", "text/csv; charset=utf-8; header=present", "\r\n", "\r\n")
FORMATS: Final = {format_.name: format_ for format_ in (JSON, NDJSON, CSV)}


def header_line(format_: Format, columns: Sequence[Column]) -> str:
    """Return the CSV header line with its terminator; an empty string for other formats."""
    return ",".join(column.name for column in columns) + format_.terminator if format_ is CSV else ""


@lru_cache(maxsize=64)
def select_list(columns: tuple[Column, ...], source: str | None = None) -> str:
    """Return the SELECT list of the columns.

    source: the alias of a relation that has all columns. None: the details table has the alias t, the quotes table q.
    """
    both = "t" if any(column.table is Table.DETAILS for column in columns) else "q"
    alias = {Table.DETAILS: "t", Table.QUOTES: "q", Table.BOTH: both}
    return ", ".join(_output(column, f"{source or alias[column.table]}.{column.name}") for column in columns)


@lru_cache(maxsize=64)
def row_text_sql(format_: Format, columns: tuple[Column, ...]) -> str:
    """Return an SQL expression for the text of a row r with these columns."""
    return " || ',' || ".join(_cell(column) for column in columns) if format_ is CSV else "row_to_json(r)::text"


def rfc3339_sql(name: str) -> str:
    """Return an SQL expression that formats a timestamptz as RFC 3339."""
    # The text of a timestamptz in a UTC session is `2026-07-02 21:31:13.7931+00`.
    return f"replace(replace({name}::text, ' ', 'T'), '+00', 'Z')"


def _output(column: Column, name: str) -> str:
    return f"{rfc3339_sql(name)} AS {column.name}" if column.kind is Kind.TIME else name


def _cell(column: Column) -> str:
    """Return an SQL expression for a CSV cell (RFC 4180). Strings are quoted, so an empty string differs from NULL."""
    value = f"r.{column.name}::text"
    if column.kind in (Kind.STRING, Kind.JSON):
        value = f"""'"' || replace({value}, '"', '""') || '"'"""
    return f"coalesce({value}, '')"
