"""Trades of a time span from both tiers of the exchange, in either order.

The archive is complete before the exchange's cutoff, the live tier from the cutoff on. The cutoff moves, so trades of
the live tier count only if they are not older than a cutoff that was requested after them.
"""

from contextlib import aclosing
from typing import Final, NamedTuple, Protocol

from api.trades.position import Order, Position, is_after
from api.trades.tier import Part, Span, TradeSource, read_parts
from kalshi_markets.exchange import MAX_TRADES, MICROSECONDS_PER_SECOND, ExchangeUnavailable, Trade

SPARE_TRADES: Final = 20
"""Additional trades that are requested for a page.

A page may end between trades of one instant. Those are incomplete and are not returned.
"""
MIN_WINDOW_TRADES: Final = 500
MAX_WINDOW_TRADES: Final = 3 * MAX_TRADES
"""Bounds of the intended number of trades in a window. Each page of a window is requested with MAX_TRADES."""
MIN_WINDOW: Final = MICROSECONDS_PER_SECOND
"""Minimum length of a window in microseconds. The bounds of the exchange are seconds."""
MAX_GROWTH: Final = 4
"""Maximum factor from the length of a window to that of the next one."""


class Run(NamedTuple):
    """All trades of a span, in the order of the listing."""

    span: Span
    trades: list[Trade]

    @classmethod
    def empty(cls, span: Span, order: Order) -> "Run":
        """Return an empty run at the beginning of the listing of a span."""
        start, end = span
        return cls(Span(start, start - 1) if order == "oldest" else Span(end + 1, end), [])

    def rest(self, span: Span, order: Order) -> Span:
        """Return the part of a span that is listed after this run, which is at its beginning."""
        return Span(self.span.end + 1, span.end) if order == "oldest" else Span(span.start, self.span.start - 1)

    def joined(self, other: "Run") -> "Run":
        """Return this run and the one that is listed after it."""
        span = Span(min(self.span.start, other.span.start), max(self.span.end, other.span.end))
        return Run(span, self.trades + other.trades)


class Reader(Protocol):
    """Reader of a listing of trades. It may have read a part only.

    done: the part of the span that has been read, at the beginning of the listing.
    window: length of the next window in microseconds; 0: unknown.
    """

    window: int

    @property
    def done(self) -> Run: ...

    async def read(self) -> None:
        """Read until `done` has the wanted number of trades or covers the span.

        Raises ExchangeError. After ExchangeUnavailable, `done` has the trades that are complete.
        """


def reader(source: TradeSource, span: Span, order: Order, wanted: int, after: Position | None) -> Reader:
    """Return a reader of the trades of a span. wanted: number of trades after the position that suffice."""
    return (_NewestFirst if order == "newest" else _OldestFirst)(source, span, wanted, after)


class _NewestFirst:
    """Reader of a descending listing."""

    def __init__(self, source: TradeSource, span: Span, wanted: int, after: Position | None) -> None:
        self.window = 0
        self._source, self._span, self._wanted, self._after = source, span, wanted, after
        self._start = span.end + 1
        """Instant from which the trades are complete."""
        self._trades: list[Trade] = []

    @property
    def done(self) -> Run:
        """The part of the span that has been read."""
        return Run(Span(self._start, self._span.end), self._trades)

    async def read(self) -> None:
        """Read until enough trades are complete. Raises ExchangeError."""
        if not self._is_done and self._span.end >= self._source.known_cutoff:
            await self._read_live()
        if not self._is_done:
            await self._extend(archived=True)

    async def _read_live(self) -> None:
        """Read the live tier, and keep the trades from the cutoff on. Raises ExchangeError."""
        error: ExchangeUnavailable | None = None
        try:
            await self._extend(archived=False)
        except ExchangeUnavailable as failure:
            error = failure
        live, start = self._trades, self._start
        self._trades, self._start = [], self._span.end + 1
        cutoff = await self._source.cutoff()
        self._trades = [trade for trade in live if trade.created >= cutoff]
        self._start = min(self._start, max(start, cutoff))
        if error and start > cutoff:
            raise error

    async def _extend(self, *, archived: bool) -> None:
        rest = Span(self._span.start, self._start - 1)
        page_limit = min(MAX_TRADES, self._lacking + SPARE_TRADES)
        async with aclosing(read_parts(self._source, rest, page_limit, archived=archived)) as parts:
            async for part in parts:
                self._trades += part.trades
                self._start = part.start
                if self._is_done:
                    return

    @property
    def _lacking(self) -> int:
        return self._wanted - sum(is_after(trade, self._after, "newest") for trade in self._trades)

    @property
    def _is_done(self) -> bool:
        return self._start <= self._span.start or self._lacking <= 0


class _OldestFirst:
    """Reader of an ascending listing. It reads windows of time, because the exchange lists trades only newest first."""

    def __init__(self, source: TradeSource, span: Span, wanted: int, after: Position | None) -> None:
        self.window = (after and after.window) or max(1, span.end - span.start + 1)
        self._source, self._span, self._wanted, self._after = source, span, wanted, after
        self._window_trades = min(MAX_WINDOW_TRADES, max(MIN_WINDOW_TRADES, wanted))
        self._at = span.start
        """Instant up to which the trades are complete, exclusive."""
        self._trades: list[Trade] = []
        self._crowded_end = -1
        self._crowded_window = 0
        """End of the last window that had too many trades, and the length that replaced its own."""

    @property
    def done(self) -> Run:
        """The part of the span that has been read."""
        return Run(Span(self._span.start, self._at - 1), self._trades)

    async def read(self) -> None:
        """Read until enough trades are complete. Raises ExchangeError."""
        if not self._is_done and not self._source.known_cutoff:
            await self._source.cutoff()
        while not self._is_done:
            await self._read_archive()
            await self._read_live()

    @property
    def _is_done(self) -> bool:
        enough = sum(is_after(trade, self._after, "oldest") for trade in self._trades) >= self._wanted
        return enough or self._at > self._span.end

    async def _read_archive(self) -> None:
        """Read windows before the known cutoff. Raises ExchangeError."""
        end = min(self._span.end, self._source.known_cutoff - 1)
        while not self._is_done and self._at <= end:
            await self._read_window(end, archived=True)

    async def _read_live(self) -> None:
        """Read windows of the live tier, and keep them unless the cutoff has moved past their start.

        Raises ExchangeError.
        """
        if self._is_done:
            return
        start, count = self._at, len(self._trades)
        error: ExchangeUnavailable | None = None
        try:
            while not self._is_done:
                await self._read_window(self._span.end, archived=False)
        except ExchangeUnavailable as failure:
            error = failure
        end, self._at = self._at, start
        live, self._trades[count:] = self._trades[count:], []
        if await self._source.cutoff() > start:
            return  # these trades are in the archive now
        self._at = end
        self._trades += live
        if error:
            raise error

    async def _read_window(self, end: int, *, archived: bool) -> None:
        """Read the next window, at most up to `end`. If it has too many trades, make it shorter instead.

        Raises ExchangeError.
        """
        window = Span(self._at, min(end, self._at + self.window - 1))
        length = window.end - window.start + 1
        trades: list[Trade] = []
        async with aclosing(read_parts(self._source, window, MAX_TRADES, archived=archived)) as parts:
            async for part in parts:
                trades += part.trades
                estimate = _estimate(Part(trades, part.start), window)
                if estimate > 2 * self._window_trades and length > MIN_WINDOW and part.start > window.start:
                    self.window = max(MIN_WINDOW, int(length * self._window_trades / estimate))
                    self._crowded_end, self._crowded_window = window.end, self.window
                    return
        self._trades += reversed(trades)
        self._at = window.end + 1
        self._adapt(length, len(trades))

    def _adapt(self, length: int, count: int) -> None:
        """Adapt the length of the next window to the number of trades of the last one."""
        growth = self._window_trades / max(1, count)
        if growth < 1:
            self.window = max(MIN_WINDOW, int(length * growth))
            return
        self.window = max(self.window, int(length * min(MAX_GROWTH, growth)))
        if self._at <= self._crowded_end:
            # Stop halfway before a window that had too many trades. Otherwise each long window would be read in vain.
            self.window = min(self.window, max(self._crowded_window, (self._crowded_end - self._at) // 2))


def _estimate(part: Part, window: Span) -> float:
    """Return the estimated number of trades in a window. It assumes that the unread trades are as dense as `part`."""
    if not part.trades:
        return 0
    newest = part.trades[0].created
    return len(part.trades) * (newest - window.start) / max(1, newest - part.start)
