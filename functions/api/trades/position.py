"""Positions in a listing of trades, between two trades."""

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from kalshi_markets.exchange import Trade

Order = Literal["newest", "oldest"]


class Position(NamedTuple):
    """Position after the trade with this time and ID.

    created: microseconds since the epoch.
    trade_id: empty if the position is before all trades of the instant, in ascending order.
    window: length of the next window in microseconds, for an ascending listing; 0: unknown.
    """

    created: int
    trade_id: str
    window: int = 0


def is_after(trade: "Trade", position: Position | None, order: Order) -> bool:
    """Return whether a trade is listed after a position. None is the beginning of the listing."""
    if position is None:
        return True
    key, bound = (trade.created, trade.trade_id), (position.created, position.trade_id)
    return key > bound if order == "oldest" else key < bound
