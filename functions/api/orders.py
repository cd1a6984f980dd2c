"""What a listing can be ordered by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kalshi_markets.columns import BY_NAME, COLUMNS, Kind, Part


@dataclass(frozen=True)
class Order:
    """key: the column of the tables that sorts; present: the one whose rows without a value come last; where both are
    the ticker, no row is without one."""

    key: str
    present: str
    kind: Kind
    part: Part

    @property
    def is_ticker(self) -> bool:
        """Whether the ticker alone orders."""
        return self.key == "ticker"


def _order(name: str) -> Order:
    column = BY_NAME[name]
    # Where there is a close_time, `recent` is the same: one index serves both.
    key = "recent" if name == "close_time" else name
    return Order(key, name, column.kind, column.part)


ORDERS: Final[Mapping[str, Order]] = {
    "recent": Order("recent", "recent", Kind.TIME, Part.BOTH),
    **{column.name: _order(column.name) for column in COLUMNS if column.orderable},
}
"""By the word of `order_by`."""

CHANGES: Final = _order("change_number")
"""The order of `changed_since`."""
