"""Row formats: JSON, NDJSON and CSV. PostgreSQL renders the rows as text, so Python never decodes them."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from starlette.requests import Request

from api.query_string import Parameter, enum_schema, one_of
from kalshi_markets.columns import Column, Kind


class Format(NamedTuple):
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
FORMAT_PARAMETER: Final = Parameter(
    "format",
    one_of([*FORMATS]),
    "Format of the response body. Default: the format of the Accept header, else JSON.",
    NDJSON.name,
    enum_schema([*FORMATS]),
)
_ACCEPTED: Final = {
    "application/json": JSON,
    "application/x-ndjson": NDJSON,
    "text/csv": CSV,
    "application/*": JSON,
    "text/*": CSV,
    "*/*": JSON,
}


def negotiate_format(request: Request, name: str | None) -> Format:
    """Return the format of a response (RFC 9110, 12.5.1): JSON if the Accept header has no supported format.

    name: the value of the parameter `format`, which takes precedence; None: it is missing.
    """
    if name is not None:
        return FORMATS[name]
    best, chosen = 0.0, JSON
    for part in request.headers.get("accept", "").lower().split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            continue
        if media_type in _ACCEPTED and weight > best:
            best, chosen = weight, _ACCEPTED[media_type]
    return chosen


def header_line(format_: Format, columns: Sequence[Column]) -> str:
    """Return the CSV header line with its terminator; an empty string for other formats."""
    return ",".join(column.name for column in columns) + format_.terminator if format_ is CSV else ""


@lru_cache(maxsize=64)
def row_text_sql(format_: Format, columns: tuple[Column, ...]) -> str:
    """Return an SQL expression for the text of a row r with these columns."""
    return " || ',' || ".join(_csv_cell_sql(column) for column in columns) if format_ is CSV else "row_to_json(r)::text"


def rfc3339_sql(name: str) -> str:
    """Return an SQL expression that formats a timestamptz as RFC 3339."""
    # The text of a timestamptz in a UTC session is `2026-07-02 21:31:13.7931+00`.
    return f"replace(replace({name}::text, ' ', 'T'), '+00', 'Z')"


def output_sql(column: Column, source: str) -> str:
    """Return an SQL expression for a column in a SELECT list. source: the alias of a relation that has the column."""
    name = f"{source}.{column.name}"
    return f"{rfc3339_sql(name)} AS {column.name}" if column.kind is Kind.TIME else name


def _csv_cell_sql(column: Column) -> str:
    """Return an SQL expression for the CSV cell (RFC 4180) of a column of the row r.

    NULL is an empty cell. Strings are quoted, so an empty string is "" and differs from NULL.
    """
    value = f"r.{column.name}::text"
    if column.kind in (Kind.STRING, Kind.JSON):
        value = f"""'"' || replace({value}, '"', '""') || '"'"""
    return f"coalesce({value}, '')"
