"""Trades of the markets' tapes, as /markets/trades and /historical/trades list them: newest first.

A trade belongs to a tier by its own time, not by that of its market. An open market therefore has its oldest trades in
the archive.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter
from uuid import UUID

from local.exchange.catalogue import Exchange, Market, to_json
from local.exchange.clock import DAY, HOUR, rfc3339
from local.exchange.cursor import Position
from local.exchange.generated.quotes import DOLLARS, format_contracts
from local.exchange.tape import Tape

TIER_OVERLAP = (
    DAY  # age of the trades before the cutoff that are in both tiers (overlap observed, 2026-08; not its length)
)
BLOCK_TRADE_RATE = 40  # one trade in this many is a block trade
FIRST_SPAN = HOUR


@dataclass(frozen=True, slots=True)
class Trade:
    """Trade with a number of a tape.

    `at`: instant of the trade.
    `draw`: eighteen pseudorandom bytes.
    """

    ticker: str
    tape: Tape
    number: int
    at: int
    draw: bytes

    @property
    def id(self) -> str:
        return str(UUID(bytes=self.draw[:16], version=4))

    @property
    def position(self) -> Position:
        return Position(self.at, self.id)

    @property
    def is_block(self) -> bool:
        return self.draw[16] % BLOCK_TRADE_RATE == 0

    @property
    def json(self) -> bytes:
        """Trade object of the response. `taker_side` is deprecated but still sent."""
        price = self.tape.price(self.number)
        side, book_side = ("yes", "bid") if self.draw[17] % 2 else ("no", "ask")
        return to_json(
            {
                "trade_id": self.id,
                "ticker": self.ticker,
                "count_fp": format_contracts(self.tape.size(self.number)),
                "yes_price_dollars": DOLLARS[price],
                "no_price_dollars": DOLLARS[1000 - price],
                "taker_side": side,
                "taker_outcome_side": side,
                "taker_book_side": book_side,
                "created_time": rfc3339(self.at),
                "is_block_trade": self.is_block,
            }
        )


@dataclass(frozen=True, slots=True)
class TradeFilter:
    """Filter of a trade listing. `first` and `last` are instants, both inclusive; None means unbounded."""

    ticker: str | None = None
    first: int | None = None
    last: int | None = None
    is_block: bool | None = None
    archived: bool = False


def trades_after(exchange: Exchange, after: Position | None, filter_: TradeFilter) -> Iterator[tuple[Position, Trade]]:
    """Yield the matching trades after a position, newest first."""
    first, last = _bounds(exchange, after, filter_)
    trades = (
        _trades_of_all(exchange, first, last)
        if filter_.ticker is None
        else _trades_of(_find_market(exchange, filter_.ticker), first, last)
    )
    for trade in trades:
        position = trade.position
        if (after is None or position < after) and filter_.is_block in (None, trade.is_block):
            yield position, trade


def _bounds(exchange: Exchange, after: Position | None, filter_: TradeFilter) -> tuple[int, int]:
    """Return the first and the last instant of the trades that the tier, the filter and the cursor permit."""
    now, cutoff = exchange.clock.now(), exchange.cutoff
    firsts = [exchange.first_opening if filter_.archived else cutoff - TIER_OVERLAP, filter_.first]
    lasts = [cutoff - 1 if filter_.archived else now, filter_.last, None if after is None else after.at]
    return max(first for first in firsts if first is not None), min(last for last in lasts if last is not None)


def _find_market(exchange: Exchange, ticker: str) -> Market | None:
    return exchange.market(ticker) or exchange.market(ticker, archived=True)


def _trades_of(market: Market | None, first: int, last: int) -> Iterator[Trade]:
    """Yield the trades of a market between two instants, both inclusive, newest first; none if there is no market."""
    if market is None:
        return
    ticker, tape = market.ticker, market.tape
    for number in reversed(range(tape.count(first - 1), tape.count(last))):
        draw = blake2b(f"{ticker}/{number}".encode(), digest_size=18).digest()
        yield Trade(ticker, tape, number, tape.time(number), draw)


def _trades_of_all(exchange: Exchange, first: int, last: int) -> Iterator[Trade]:
    """Yield the trades of all markets between two instants, newest first."""
    for start, end in _spans(max(first, exchange.first_opening), last):
        streams = [_trades_of(market, start, end) for market in exchange.traded_markets(start, end)]
        yield from heapq.merge(*streams, key=attrgetter("position"), reverse=True)


def _spans(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield consecutive spans of time from `last` back to `first`, each twice as long as the one before."""
    length = FIRST_SPAN
    while last >= first:
        start = max(first, last - length)
        yield start, last
        last = start - 1
        length *= 2
