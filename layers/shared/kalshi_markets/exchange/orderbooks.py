"""Parser of the exchange's order books: bids of both sides, and the asks that they imply."""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Any, Final, NamedTuple

import httpx

from kalshi_markets.exchange.errors import InvalidResponse
from kalshi_markets.exchange.parsing import parse_object
from kalshi_markets.exchange.values import parse_number

_EXACT: Final = Context(prec=64)
"""Context of prices. A number of the exchange has at most 60 digits."""
_SHAPE_ERRORS: Final = (KeyError, TypeError, ValueError, AttributeError)


class Level(NamedTuple):
    """Price level of an order book. price: dollars. size: contracts. Both are decimal text with all digits."""

    price: str
    size: str


class OrderBook(NamedTuple):
    """Order book of a market: the bids of both sides, best first."""

    yes_bids: Sequence[Level]
    no_bids: Sequence[Level]

    @property
    def yes_asks(self) -> list[Level]:
        """Asks of YES, best first. A bid of NO at a price is an ask of YES at one dollar minus this price."""
        return [_opposite(level) for level in self.no_bids]

    @property
    def no_asks(self) -> list[Level]:
        """Asks of NO, best first."""
        return [_opposite(level) for level in self.yes_bids]

    def top(self, depth: int) -> "OrderBook":
        """Return the best levels of both sides, at most `depth` of each; 0 is every level."""
        return OrderBook(self.yes_bids[:depth], self.no_bids[:depth]) if depth else self


def parse_orderbook(response: httpx.Response) -> OrderBook:
    """Return the order book of a single-market response. Raises InvalidResponse."""
    try:
        return _book(parse_object(response, parse_float=str))
    except _SHAPE_ERRORS as error:
        raise _invalid_response() from error


def parse_orderbooks(response: httpx.Response) -> dict[str, OrderBook]:
    """Return the order books of a batch response, by ticker. Raises InvalidResponse."""
    answer = parse_object(response, parse_float=str)
    try:
        return {fields["ticker"]: _book(fields) for fields in answer["orderbooks"] or []}
    except _SHAPE_ERRORS as error:
        raise _invalid_response() from error


def _book(fields: Mapping[str, Any]) -> OrderBook:
    sides = fields["orderbook_fp"]
    return OrderBook(_levels(sides["yes_dollars"]), _levels(sides["no_dollars"]))


def _levels(rows: Sequence[Sequence[object]] | None) -> list[Level]:
    """Return levels, best first, whatever their order in the response is."""
    levels = [Level(parse_number(price), parse_number(size)) for price, size in rows or []]
    return sorted(levels, key=_price, reverse=True)


def _price(level: Level) -> Decimal:
    return Decimal(level.price)


def _opposite(level: Level) -> Level:
    return Level(format(_EXACT.subtract(Decimal(1), Decimal(level.price)), "f"), level.size)


def _invalid_response() -> InvalidResponse:
    return InvalidResponse("the exchange returned an invalid order book.")
