"""Pages of a listing of trades: those after a position, up to a limit."""

from typing import NamedTuple, Protocol

from api.trades.position import Order, Position, is_after
from api.trades.reading import Run, reader
from api.trades.tier import Span, TradeSource
from kalshi_markets.exchange import ExchangeUnavailable, Trade


class Page(NamedTuple):
    """Trades in the requested order. position: position after them; None at the end of the listing."""

    trades: list[Trade]
    position: Position | None


class RunCache(Protocol):
    """Cache of the trades of one settled market, which never change."""

    async def get(self, span: Span, order: Order, wanted: int) -> Run:
        """Return cached trades from the beginning of a listing on; an empty run if they are not cached.

        wanted: number of trades that suffice. There may be fewer, even if more are cached.
        """

    async def store(self, run: Run) -> None:
        """Store all trades of a span."""


async def read_page(
    source: TradeSource,
    span: Span,
    order: Order,
    limit: int,
    after: Position | None,
    cache: RunCache | None = None,
) -> Page:
    """Return the first trades of a span after a position.

    cache: None if the trades of the market may change.
    If the exchange becomes unavailable, the page has the trades that are complete.
    Raises ExchangeError if there are none, and for any other failure.
    """
    span = _rest(span, order, after)
    wanted, window = limit + 1, 0  # one more shows that there is a next page
    done = await _read_cache(cache, span, order, wanted, after) if cache else Run.empty(span, order)
    rest, lacking = done.rest(span, order), wanted - _count(done, order, after)
    if lacking > 0 and not rest.is_empty:
        listing = reader(source, rest, order, lacking, after)
        try:
            await listing.read()
        except ExchangeUnavailable:
            if listing.done.span.is_empty and done.span.is_empty:
                raise
        if cache and not listing.done.span.is_empty:
            await cache.store(listing.done)
        done, window = done.joined(listing.done), listing.window
    return _page(done, done.rest(span, order).is_empty, order, limit, after, window)


def _rest(span: Span, order: Order, after: Position | None) -> Span:
    """Return the part of a span that may have trades after a position."""
    if after is None:
        return span
    if order == "oldest":
        return Span(max(span.start, after.created), span.end)
    return Span(span.start, min(span.end, after.created if after.trade_id else after.created - 1))


async def _read_cache(cache: RunCache, span: Span, order: Order, wanted: int, after: Position | None) -> Run:
    done = Run.empty(span, order)
    while (lacking := wanted - _count(done, order, after)) > 0 and not (rest := done.rest(span, order)).is_empty:
        run = await cache.get(rest, order, lacking)
        if run.span.is_empty:
            break
        done = done.joined(run)
    return done


def _count(run: Run, order: Order, after: Position | None) -> int:
    return sum(is_after(trade, after, order) for trade in run.trades)


def _page(done: Run, is_complete: bool, order: Order, limit: int, after: Position | None, window: int) -> Page:
    trades = [trade for trade in done.trades if is_after(trade, after, order)]
    if len(trades) > limit:
        last = trades[limit - 1]
        return Page(trades[:limit], Position(last.created, last.trade_id, window))
    if is_complete:
        return Page(trades, None)
    return Page(trades, Position(done.span.end + 1 if order == "oldest" else done.span.start, "", window))
