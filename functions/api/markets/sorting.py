"""Sort orders of the market listing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kalshi_markets.columns import COLUMNS, COLUMNS_BY_NAME, Kind, Table


@dataclass(frozen=True)
class SortOrder:
    """Sort order of a listing.

    key: the column to ORDER BY.
    null_column: rows where this column is NULL sort last. No row has a NULL ticker.
    kind: the kind of the key's values.
    table: the table that has the key.
    """

    key: str
    null_column: str
    kind: Kind
    table: Table

    @property
    def by_ticker_only(self) -> bool:
        """Return whether the ticker is the only sort key."""
        return self.key == "ticker"


def _sort_order(name: str) -> SortOrder:
    column = COLUMNS_BY_NAME[name]
    # `recent` is equal to close_time where there is one, so one index serves both.
    key = "recent" if name == "close_time" else name
    return SortOrder(key, name, column.kind, column.table)


SORT_ORDERS: Final[Mapping[str, SortOrder]] = {
    "recent": SortOrder("recent", "recent", Kind.TIME, Table.BOTH),
    **{column.name: _sort_order(column.name) for column in COLUMNS if column.orderable},
}
"""Sort orders by value of `order_by`."""

CHANGE_ORDER: Final = _sort_order("change_number")
"""Sort order of a query with `changed_since`."""
