"""Conversion of the exchange's Event and Series objects to rows.

A member that is missing or invalid is null. An object without its tickers is no row.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kalshi_markets.columns import Column, Kind
from kalshi_markets.event_columns import EVENT_COLUMNS, SERIES_COLUMNS
from kalshi_markets.exchange.column_values import Row, SqlText, sql_text
from kalshi_markets.text import MAX_TICKER_LENGTH, is_valid_pg_text

_TYPES: Final[Mapping[Kind, type | tuple[type, ...]]] = {Kind.STRING: str, Kind.JSON: (dict, list)}
"""Types of values, for the kinds that could hold values of every type."""
_EMPTY_IS_A_VALUE: Final = "collateral_return_type"
"""Text column where an empty text is a value: no netting (docs.kalshi.com, EventData)."""

NOT_STORED: Final[Mapping[str, str]] = {
    "markets": "only sent on request: GET /markets lists them",
    "exchange_index": "each market of the event has it",
    "category": "deprecated: the series holds it",
}
"""Members of an Event object without a column, each with the reason."""
SERIES_NOT_STORED: Final[Mapping[str, str]] = {
    "product_metadata": "only sent on request: the exchange calls it internal",
    "volume_fp": "only sent on request: market_counts has the volume of a day",
    "additional_prohibitions": "legal text for traders: contract_terms_url leads to it",
}
"""Members of a Series object without a column, each with the reason."""


def event_row(event: object) -> Row | None:
    """Return the row of an Event object, or None if its ticker or that of its series is missing or invalid."""
    return _row(event, EVENT_COLUMNS, ("event_ticker", "series_ticker"))


def series_row(series: object) -> Row | None:
    """Return the row of a Series object, or None if its ticker is missing or invalid."""
    return _row(series, SERIES_COLUMNS, ("series_ticker",))


def _row(fields: object, columns: Iterable[Column], tickers: Iterable[str]) -> Row | None:
    if not isinstance(fields, Mapping):
        return None
    row = {column.name: _value(column, fields.get(column.source_field)) for column in columns}
    return row if all(_is_ticker(row[name]) for name in tickers) else None


def _value(column: Column, value: Any) -> SqlText:
    if not isinstance(value, _TYPES.get(column.kind, object)) or (value == "" and column.name != _EMPTY_IS_A_VALUE):
        return None
    try:
        return sql_text(column, value)
    except ValueError:
        return None


def _is_ticker(value: SqlText) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TICKER_LENGTH and is_valid_pg_text(value)
