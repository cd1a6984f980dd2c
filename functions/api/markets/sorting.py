"""What a listing can be ordered by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kalshi_markets.columns import COLUMNS, COLUMNS_BY_NAME, Kind, Table


@dataclass(frozen=True)
class SortOrder:
    """key: the column of the tables that sorts; present: the one whose rows without a value come last; where both are
    the ticker, no row is without one."""

    key: str
    null_column: str
    kind: Kind
    table: Table

    @property
    def by_ticker_only(self) -> bool:
        """Whether the ticker alone orders."""
        return self.key == "ticker"


def _sort_order(name: str) -> SortOrder:
    column = COLUMNS_BY_NAME[name]
    # Where there is a close_time, `recent` is the same: one index serves both.
    key = "recent" if name == "close_time" else name
    return SortOrder(key, name, column.kind, column.table)


SORT_ORDERS: Final[Mapping[str, SortOrder]] = {
    "recent": SortOrder("recent", "recent", Kind.TIME, Table.BOTH),
    **{column.name: _sort_order(column.name) for column in COLUMNS if column.orderable},
}
"""By the word of `order_by`."""

CHANGE_ORDER: Final = _sort_order("change_number")
"""The order of `changed_since`."""
