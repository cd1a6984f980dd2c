"""The questions that we ask the exchange."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from kalshi_markets.exchange.errors import AnswerUnreadable
from kalshi_markets.exchange.transport import Transport
from kalshi_markets.settings import ExchangeSettings

PAGE_LIMIT: Final = 1000
"""Markets on a page at most (docs.kalshi.com, Get Markets)."""
BATCH_TICKERS: Final = 100
BATCH_CANDLES: Final = 10_000
"""What one batch call may ask for: tickers, and tickers × periods (docs.kalshi.com, Batch Get Market Candlesticks)."""
LIVE_FILTERS: Final = ("unopened", "open", "paused", "closed")
"""The `status` filters that together list every market that is not settled. They are not the words of `status`."""

Market = Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """A page of a listing. cursor: where the next one begins; None at the end. A page may be empty before the end."""

    markets: Sequence[Market]
    cursor: str | None


@dataclass(frozen=True)
class CandleQuery:
    """Candles of `period` minutes (1, 60 or 1440) whose periods end within [start, end], Unix seconds."""

    start: int
    end: int
    period: int


class ExchangeClient:
    """Kalshi's market data. Every method raises ExchangeError; `deadline` is on time.monotonic()'s clock."""

    def __init__(self, settings: ExchangeSettings) -> None:
        self._transport = Transport(settings)
        self.rate = settings.rate

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._transport.aclose()

    def now(self) -> float:
        """The exchange's time, in seconds since 1970: ours, mended where its answers showed that ours is wrong."""
        return self._transport.now()

    @property
    def requests(self) -> int:
        """How many have been sent."""
        return self._transport.requests

    async def markets(self, status: str, cursor: str | None, *, deadline: float) -> Page:
        """A page of the live markets that a status filter lists, combos left out, newest first."""
        return await self._page({"status": status}, cursor, deadline)

    async def settled(self, after: int, before: int, cursor: str | None, *, deadline: float) -> Page:
        """A page of the markets settled after and before two Unix seconds, both exclusive, latest first."""
        return await self._page({"min_settled_ts": after, "max_settled_ts": before}, cursor, deadline)

    async def settled_cutoff(self, *, deadline: float) -> datetime:
        """Markets settled before this instant are in the archive only."""
        answer = await self._transport.get("/historical/cutoff", {}, deadline=deadline)
        try:
            cutoff = datetime.fromisoformat(answer["market_settled_ts"])
        except (KeyError, TypeError, ValueError) as error:
            raise AnswerUnreadable("the exchange's cutoff cannot be read.") from error
        return cutoff if cutoff.tzinfo else cutoff.replace(tzinfo=UTC)

    async def candlesticks(
        self, tickers: Sequence[str], query: CandleQuery, *, deadline: float
    ) -> dict[str, list[dict[str, Any]]]:
        """Candles by ticker, as the exchange words them. It leaves out the tickers that it does not know.

        At most BATCH_TICKERS tickers, without commas, and BATCH_CANDLES tickers × periods.
        """
        parameters: dict[str, str | int] = {
            "market_tickers": ",".join(tickers),
            "start_ts": query.start,
            "end_ts": query.end,
            "period_interval": query.period,
        }
        answer = await self._transport.get("/markets/candlesticks", parameters, deadline=deadline)
        try:
            found = {market["market_ticker"]: list(market["candlesticks"] or []) for market in answer["markets"]}
        except (KeyError, TypeError) as error:
            raise AnswerUnreadable("the exchange's candlesticks cannot be read.") from error
        if not all(isinstance(candle, dict) for candles in found.values() for candle in candles):
            raise AnswerUnreadable("the exchange's candlesticks cannot be read.")
        return found

    async def _page(self, filters: Mapping[str, str | int], cursor: str | None, deadline: float) -> Page:
        query: dict[str, str | int] = {"limit": PAGE_LIMIT, "mve_filter": "exclude", **filters}
        if cursor:
            query["cursor"] = cursor
        answer = await self._transport.get("/markets", query, deadline=deadline)
        markets, following = answer.get("markets"), answer.get("cursor")
        if not isinstance(markets, list) or not isinstance(following, str | None):
            raise AnswerUnreadable("the exchange's page of markets cannot be read.")
        if following and following == cursor:
            raise AnswerUnreadable("the exchange repeated a cursor: the listing would never end.")
        return Page(markets, following or None)
