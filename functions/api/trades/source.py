"""Trades of one market from the exchange, for one response."""

from typing import Final

from api.trades.tier import Span
from kalshi_markets.exchange import ExchangeClient, TradePage, TradeQuery, to_microseconds

CUTOFF_RESERVE_SECONDS: Final = 2.0
"""Seconds before the deadline in which no more trades are requested. Those of the live tier require the cutoff."""


class CutoffMemory:
    """Memory of a process: the latest cutoff that the exchange has returned, in microseconds since the epoch.

    latest: 0 if there was none yet.
    """

    def __init__(self) -> None:
        self.latest = 0


class ExchangeTrades:
    """Source of the trades of one market. Methods raise ExchangeError and the errors of the rate limiter.

    deadline: time.monotonic() value by which calls to the exchange must end.
    """

    def __init__(self, exchange: ExchangeClient, cutoffs: CutoffMemory, ticker: str, deadline: float) -> None:
        self._exchange = exchange
        self._cutoffs = cutoffs
        self._ticker = ticker
        self._deadline = deadline

    @property
    def known_cutoff(self) -> int:
        """The latest cutoff that any request of this process has seen."""
        return self._cutoffs.latest

    async def page(self, span: Span, cursor: str | None, limit: int, *, archived: bool) -> TradePage:
        """Return a page of the trades of a span in one tier, newest first."""
        query = TradeQuery(self._ticker, *span, limit)
        deadline = self._deadline - CUTOFF_RESERVE_SECONDS
        return await self._exchange.trades(query, cursor, archived=archived, deadline=deadline)

    async def cutoff(self) -> int:
        """Return the exchange's present cutoff. It never moves back: an earlier one is an older response of a cache."""
        instant = await self._exchange.trade_cutoff(deadline=self._deadline)
        self._cutoffs.latest = max(self._cutoffs.latest, to_microseconds(instant))
        return self._cutoffs.latest
