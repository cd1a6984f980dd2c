"""Trades of one tier of the exchange: the pages of a listing as complete parts of a time span, newest first."""

from collections.abc import AsyncGenerator
from typing import Final, NamedTuple, Protocol

from kalshi_markets.exchange import InvalidResponse, Trade, TradePage

MAX_REPEATS: Final = 3
"""Consecutive pages with a repeated cursor, after which the listing fails. A repeated cursor may be a single fault."""


class Span(NamedTuple):
    """Time span in microseconds since the epoch, both ends included. It is empty if its start is after its end."""

    start: int
    end: int

    @property
    def is_empty(self) -> bool:
        """Return whether the span has no instant."""
        return self.start > self.end


class Part(NamedTuple):
    """Trades of the end of a span, newest first. They are complete from `start` on, in microseconds since the epoch."""

    trades: list[Trade]
    start: int


class TradeSource(Protocol):
    """Source of one market's trades, for one response. Every method raises ExchangeError."""

    @property
    def known_cutoff(self) -> int:
        """The last known cutoff; 0 if none is known. The present one may be later, never earlier."""

    async def page(self, span: Span, cursor: str | None, limit: int, *, archived: bool) -> TradePage:
        """Return a page of the trades of a span in one tier, newest first. The page may have trades around the span."""

    async def cutoff(self) -> int:
        """Return the exchange's present cutoff, in microseconds since the epoch.

        Older trades are complete in the archive only, later trades in the live tier only.
        """


async def read_parts(source: TradeSource, span: Span, limit: int, *, archived: bool) -> AsyncGenerator[Part]:
    """Yield the trades of a span as consecutive parts, one for each page. The last part starts with the span.

    limit: maximum of trades on a page.
    The trades of an instant are in one part, sorted by their ID.
    Raises ExchangeError.
    """
    unread = span.end + 1
    pending: list[Trade] = []
    async for trades in _pages(source, span, limit, archived=archived):
        pending += [trade for trade in trades if span.start <= trade.created <= span.end]
        if any(trade.created >= unread for trade in pending):
            raise InvalidResponse("the exchange's trades are not sorted by time.")
        oldest = min((trade.created for trade in trades), default=unread)
        if oldest >= unread:
            continue
        # The next page may have more trades of the last instant.
        unread = max(span.start, oldest + 1)
        yield Part(sorted((trade for trade in pending if trade.created >= unread), reverse=True), unread)
        pending = [trade for trade in pending if trade.created < unread]
        if oldest < span.start:
            return
    yield Part(sorted(pending, reverse=True), span.start)


async def _pages(source: TradeSource, span: Span, limit: int, *, archived: bool) -> AsyncGenerator[list[Trade]]:
    """Yield the new trades of each page of a listing, until its end. Raises ExchangeError."""
    cursor: str | None = None
    used: set[str | None] = {None}
    seen: set[str] = set()
    repeats = 0
    while True:
        page = await source.page(span, cursor, limit, archived=archived)
        new = [trade for trade in page.trades if trade.trade_id not in seen]
        seen.update(trade.trade_id for trade in new)
        yield new
        if page.cursor is None:
            return
        repeats = repeats + 1 if page.cursor in used else 0
        if repeats > MAX_REPEATS:
            raise InvalidResponse("the exchange's pagination of trades does not end: a cursor repeats.")
        cursor = page.cursor
        used.add(cursor)
