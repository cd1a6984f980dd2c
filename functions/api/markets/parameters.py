"""Parameters of GET /markets: filters, sort orders and the others."""

from collections.abc import Mapping
from typing import Final

from api.listing.filters import Filter, make_filters
from api.listing.parameters import output_parameters, page_parameters, sort_parameters
from api.listing.search_words import search_parameter
from api.listing.sorting import CASTS, SortOrder
from api.query_string import Parameter
from api.value_parsers import PARSERS, parse_number
from kalshi_markets.columns import COLUMNS_BY_NAME, MARKETS, Column, Kind, Table

EXCHANGE_STATUS_FILTERS: Final = {
    "open": "active",
    "unopened": "initialized",
    "paused": "inactive",
    "settled": "finalized",
}
"""Status words of the exchange's list filter, and the words that its market objects contain instead."""

FILTERS: Final[Mapping[str, Filter]] = make_filters(MARKETS.columns, MARKETS.name, {"status": EXCHANGE_STATUS_FILTERS})
"""Filters by parameter name."""

_INDEXED_KEYS: Final = {"close_time": "recent"}
"""`recent` is equal to close_time where there is one, so one index serves both."""
_UNSETTLED_ORDERS: Final = ("volume_24h", "price_change_24h_dollars")
"""Sort orders whose indexes contain only unsettled markets (migrator/indexes.py)."""


def _sort_order(column: Column) -> SortOrder:
    return SortOrder.by_column(
        column,
        _INDEXED_KEYS.get(column.name),
        is_id=column.name == MARKETS.key,
        only_unsettled=column.name in _UNSETTLED_ORDERS,
    )


SORT_ORDERS: Final[Mapping[str, SortOrder]] = {
    "recent": SortOrder("{alias}.recent", "{alias}.recent", Table.BOTH, CASTS[Kind.TIME], PARSERS[Kind.TIME]),
    **{column.name: _sort_order(column) for column in MARKETS.columns if column.orderable},
}
"""Sort orders by value of `order_by`. The first is the default."""

CHANGE_ORDER: Final = SortOrder.by_column(COLUMNS_BY_NAME["change_number"])
"""Sort order of a query with `changed_since`."""

LISTING_PARAMETERS: Final[Mapping[str, Parameter]] = {
    parameter.name: parameter
    for parameter in (
        *page_parameters(MARKETS.name),
        *sort_parameters(
            MARKETS.name,
            MARKETS.key,
            SORT_ORDERS,
            f"`recent` is close_time, else open_time. {' and '.join(f'`{name}`' for name in _UNSETTLED_ORDERS)} require"
            " `status` or `status__in` without finalized, or a series or an event",
        ),
        search_parameter(MARKETS.name, MARKETS.searched),
        Parameter(
            "min_duration_minutes",
            parse_number,
            "Minimum number of minutes from open_time to close_time; fractions are allowed.",
            "15",
            {"type": "number"},
        ),
        Parameter(
            "max_duration_minutes",
            parse_number,
            "Maximum number of minutes from open_time to close_time; fractions are allowed.",
            "60",
            {"type": "number"},
        ),
        *output_parameters(MARKETS.name, MARKETS.columns, MARKETS.default_columns, "default,last_price_dollars"),
    )
}
"""Parameters other than filters, by name."""
