"""Parameters of GET /markets: filters, sort orders and the others."""

from collections.abc import Mapping
from typing import Any, Final

from api.listing.filters import Filter, make_filters
from api.listing.parameters import output_parameters, page_parameters, sort_parameters
from api.listing.sorting import SortOrder
from api.query_string import Parameter
from api.value_parsers import parse_number
from kalshi_markets.columns import COLUMNS, COLUMNS_BY_NAME, DEFAULT_COLUMNS, Column, Kind, Table

_ROWS: Final = "markets"
ID_COLUMN: Final = "ticker"

EXCHANGE_STATUS_FILTERS: Final = {
    "open": "active",
    "unopened": "initialized",
    "paused": "inactive",
    "settled": "finalized",
}
"""Status words of the exchange's list filter, and the words that its market objects contain instead."""

FILTERS: Final[Mapping[str, Filter]] = make_filters(COLUMNS, _ROWS, {"status": EXCHANGE_STATUS_FILTERS})
"""Filters by parameter name."""

_INDEXED_KEYS: Final = {"close_time": "recent"}
"""`recent` is equal to close_time where there is one, so one index serves both."""

SORT_ORDERS: Final[Mapping[str, SortOrder]] = {
    "recent": SortOrder("recent", "recent", Kind.TIME, Table.BOTH),
    **{
        column.name: SortOrder.by_column(column, _INDEXED_KEYS.get(column.name), is_id=column.name == ID_COLUMN)
        for column in COLUMNS
        if column.orderable
    },
}
"""Sort orders by value of `order_by`. The first is the default."""

CHANGE_ORDER: Final = SortOrder.by_column(COLUMNS_BY_NAME["change_number"])
"""Sort order of a query with `changed_since`."""

LISTING_PARAMETERS: Final[Mapping[str, Parameter]] = {
    parameter.name: parameter
    for parameter in (
        *page_parameters(_ROWS),
        *sort_parameters(_ROWS, ID_COLUMN, SORT_ORDERS, "`recent` is close_time, else open_time"),
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
        *output_parameters(_ROWS, COLUMNS, DEFAULT_COLUMNS, "default,last_price_dollars"),
    )
}
"""Parameters other than filters, by name."""


def describe_column(column: Column) -> dict[str, Any]:
    """Return the JSON object of a column, with all parameters that filter by it."""
    return {
        "name": column.name,
        "kind": column.kind.value,
        "default": column.in_default_response,
        "orderable": column.orderable,
        "values": list(column.allowed_values) or None,
        "filters": [name for name, filter_ in FILTERS.items() if filter_.column is column],
        "about": column.description,
    }
