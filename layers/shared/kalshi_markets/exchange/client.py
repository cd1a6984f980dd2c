"""Client of the exchange, for the API and the crawler."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Self
from urllib.parse import quote

import httpx

from kalshi_markets.exchange.account import AccountLimits, Costs, fetch_costs, fetch_limits
from kalshi_markets.exchange.candles import Candle, parse_archived, parse_batch
from kalshi_markets.exchange.errors import ExchangeClientError
from kalshi_markets.exchange.listings import BATCH_TICKERS, Listings
from kalshi_markets.exchange.orderbooks import OrderBook, parse_orderbook, parse_orderbooks
from kalshi_markets.exchange.rate_limiter import RateLimiter
from kalshi_markets.exchange.trades import TradePage, TradeQuery, parse_trades
from kalshi_markets.exchange.transport import Transport
from kalshi_markets.settings import ExchangeSettings

MAX_BATCH_CANDLES: Final = 10_000
"""Maximum of tickers × periods in one batch request (docs.kalshi.com, Batch Get Market Candlesticks)."""
MAX_ARCHIVE_CANDLES: Final = 5_000
"""Maximum of periods in one request to the archive (observed on production, 2026-08; not documented)."""
_BATCH_PATH: Final = "/markets/candlesticks"
_ORDERBOOKS_PATH: Final = "/markets/orderbooks"


@dataclass(frozen=True)
class CandleQuery:
    """Query for the candles whose periods end within [start, end], in Unix seconds.

    period: length of a candle in minutes: 1, 60 or 1440.
    """

    start: int
    end: int
    period: int

    def parameters(self) -> dict[str, str | int]:
        """Return the query parameters of the exchange."""
        return {"start_ts": self.start, "end_ts": self.end, "period_interval": self.period}


class ExchangeClient:
    """Client of the exchange. Methods that send requests raise ExchangeError and the errors of the rate limiter.

    transport: replaces the transport that is created from the settings.

    Parameters of the methods:
    deadline: value of time.monotonic().
    priority: lower runs first.
    """

    def __init__(self, settings: ExchangeSettings, limiter: RateLimiter, transport: Transport | None = None) -> None:
        self._transport = transport or Transport(settings, limiter)
        self._limiter = limiter

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections and the rate limiter."""
        await self._transport.aclose()

    @property
    def requests(self) -> int:
        """Number of requests sent."""
        return self._transport.requests

    @property
    def rate_limited(self) -> int:
        """Number of responses with the status 429."""
        return self._transport.rate_limited

    @property
    def bytes_received(self) -> int:
        """Compressed size of all responses."""
        return self._transport.bytes_received

    @property
    def is_signed(self) -> bool:
        """Return whether requests are signed with an API key."""
        return self._transport.is_signed

    def now(self) -> float:
        """Return the exchange's time, in Unix seconds."""
        return self._transport.now()

    def listings(self, *, deadline: float, priority: float = 0.0, combos: bool = False) -> Listings:
        """Return the listings for one job or request. combos: whether combos are listed too."""
        return Listings(self._transport, deadline, priority, combos)

    async def costs(self, *, deadline: float, priority: float = 0.0) -> Costs:
        """Return the costs of requests, or the documented default if the exchange rejects the request."""
        return await fetch_costs(self._transport, deadline=deadline, priority=priority)

    async def account_limits(self, costs: Costs, *, deadline: float, priority: float = 0.0) -> AccountLimits:
        """Return the rate limits of the API key's account, in requests of the default cost."""
        return await fetch_limits(self._transport, costs, deadline=deadline, priority=priority)

    async def rate(self) -> float:
        """Return the permitted requests per second of all processes together."""
        return await self._limiter.rate()

    async def candlesticks(
        self, tickers: Sequence[str], query: CandleQuery, *, deadline: float, priority: float = 0.0
    ) -> dict[str, list[Candle]]:
        """Return the candles of markets, by ticker. Unknown and archived tickers are missing from the result.

        tickers: at most BATCH_TICKERS, and at most MAX_BATCH_CANDLES tickers × periods. None contains a comma.
        The method sends several requests if the token bucket is too small for one request with all tickers.
        """
        candles: dict[str, list[Candle]] = {}
        size = await self._limiter.batch_size(_BATCH_PATH, BATCH_TICKERS)
        for start in range(0, len(tickers), size):
            batch = tickers[start : start + size]
            parameters = {"market_tickers": ",".join(batch)} | query.parameters()
            candles |= await self._transport.get(
                _BATCH_PATH, parameters, deadline=deadline, priority=priority, parse=parse_batch
            )
        return candles

    async def archived_candlesticks(
        self, ticker: str, query: CandleQuery, *, deadline: float, priority: float = 0.0
    ) -> list[Candle] | None:
        """Return the candles of an archived market, or None if the archive does not have it.

        It accepts at most MAX_ARCHIVE_CANDLES periods.
        """
        path = f"/historical/markets/{quote(ticker, safe='')}/candlesticks"
        try:
            answer = await self._transport.get(
                path, query.parameters(), deadline=deadline, priority=priority, parse=parse_archived
            )
        except ExchangeClientError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise
        candles: list[Candle] = answer["candlesticks"]
        return candles

    async def trades(
        self, query: TradeQuery, cursor: str | None, *, archived: bool, deadline: float, priority: float = 0.0
    ) -> TradePage:
        """Return a page of the trades of one market in one tier, newest first. An unknown market has none."""
        path = "/historical/trades" if archived else "/markets/trades"
        parse = partial(parse_trades, ticker=query.ticker)
        try:
            parameters = query.parameters(cursor)
            return await self._transport.fetch(path, parameters, parse, deadline=deadline, priority=priority)
        except ExchangeClientError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return TradePage([], None)
            raise

    async def trade_cutoff(self, *, deadline: float) -> datetime:
        """Return the instant before which trades are in the archive."""
        return await self.listings(deadline=deadline).trade_cutoff()

    async def orderbook(self, ticker: str, depth: int, *, deadline: float, priority: float = 0.0) -> OrderBook | None:
        """Return the order book of a market, or None if there is no such market.

        depth: maximum of levels of each side; 0: all levels.
        """
        path = f"/markets/{quote(ticker, safe='')}/orderbook"
        try:
            return await self._transport.fetch(
                path, {"depth": depth}, parse_orderbook, deadline=deadline, priority=priority
            )
        except ExchangeClientError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    async def orderbooks(
        self, tickers: Sequence[str], *, deadline: float, priority: float = 0.0
    ) -> dict[str, OrderBook]:
        """Return the order books of at most BATCH_TICKERS markets, by ticker. Unknown tickers are missing."""
        orderbooks: dict[str, OrderBook] = {}
        size = await self._limiter.batch_size(_ORDERBOOKS_PATH, BATCH_TICKERS)
        for start in range(0, len(tickers), size):
            parameters = {"tickers": tickers[start : start + size]}
            orderbooks |= await self._transport.fetch(
                _ORDERBOOKS_PATH, parameters, parse_orderbooks, deadline=deadline, priority=priority
            )
        return orderbooks

    async def has_market(self, ticker: str, *, deadline: float) -> bool:
        """Return whether a market is live or in the archive."""
        listings = self.listings(deadline=deadline)
        return bool(await listings.by_ticker([ticker]) or await listings.by_ticker([ticker], archived=True))

    async def find_archived(self, tickers: Sequence[str], *, deadline: float) -> set[str]:
        """Return which of at most BATCH_TICKERS tickers are in the archive."""
        markets = await self.listings(deadline=deadline).by_ticker(tickers, archived=True)
        return {market.ticker for market in markets if market.ticker}

    async def cutoff(self, *, deadline: float) -> datetime:
        """Return the instant before which settled markets are only in the archive."""
        return await self.listings(deadline=deadline).cutoff()
