"""Columns of the lake, and their types in SQL. They follow the columns of the database."""

from typing import Final

from kalshi_markets.columns import COLUMNS, Column, Kind, Table

_OF_EACH_VERSION: Final = ("ticker", "status")
"""Columns of the details that each version has. The others that the quotes repeat are for filters of the API only."""
LAKE_QUOTES: Final = tuple(
    column for column in COLUMNS if column.table is Table.QUOTES or column.name in _OF_EACH_VERSION
)
"""Columns of a version, the key `ticker` included."""
LAKE_DETAILS: Final = tuple(column for column in COLUMNS if column.table in (Table.DETAILS, Table.BOTH))
"""Columns of the member `details` of a version, the key included."""

_PRICE: Final = "decimal(12,6)"
_QUANTITY: Final = "decimal(18,2)"
_INTEGER: Final = "bigint"
_TYPES: Final = {Kind.STRING: "string", Kind.TIME: "timestamp", Kind.BOOLEAN: "boolean", Kind.JSON: "string"}
_NUMBERS: Final = {
    **dict.fromkeys(("volume", "open_interest", "volume_24h", "yes_bid_size", "yes_ask_size"), _QUANTITY),
    **dict.fromkeys(("liquidity", "change_number", "settlement_timer_seconds", "exchange_index"), _INTEGER),
    **dict.fromkeys(("floor_strike", "cap_strike"), "decimal(38,10)"),
}
"""Types of the numbers that are no prices."""


def lake_type(column: Column) -> str:
    """Return the type of a column in the tables of the lake, as Athena and Spark name it.

    Prices are decimals with six decimal places, quantities with two. JSON columns are JSON texts.
    """
    return _TYPES[column.kind] if column.kind in _TYPES else _NUMBERS.get(column.name, _PRICE)
