"""The questions that we ask the exchange."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from kalshi_markets.exchange.errors import AnswerUnreadable, ExchangeError
from kalshi_markets.exchange.limiter import Limiter
from kalshi_markets.exchange.transport import Transport
from kalshi_markets.settings import MAX_RATE, MIN_RATE, ExchangeSettings

BATCH_CANDLES: Final = 10_000
"""What one batch call may ask for, tickers × periods (docs.kalshi.com, Batch Get Market Candlesticks)."""
DEFAULT_COST: Final = 10.0
"""Tokens (docs.kalshi.com, Rate Limits and Tiers)."""


@dataclass(frozen=True)
class CandleQuery:
    """Candles of `period` minutes (1, 60 or 1440) whose periods end within [start, end], Unix seconds."""

    start: int
    end: int
    period: int


class ExchangeClient:
    """Kalshi's market data. Every method raises ExchangeError, and what the limiter does.

    deadline: on time.monotonic()'s clock. urgency: of those who wait for the limiter, the least goes first.
    """

    def __init__(self, settings: ExchangeSettings, limiter: Limiter) -> None:
        self.transport = Transport(settings, limiter)
        self._limiter = limiter

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections, and the limiter."""
        await self.transport.aclose()

    @property
    def requests(self) -> int:
        """How many have been sent."""
        return self.transport.requests

    async def rate(self) -> float:
        """Requests a second that are permitted in all."""
        return await self._limiter.rate()

    async def account_rate(self, *, deadline: float, urgency: float = 0.0) -> float:
        """Requests a second that the exchange permits this account: its tokens a second by what a request costs."""
        limits = await self.transport.get("/account/limits", {}, deadline=deadline, urgency=urgency)
        cost = await self._cost(deadline, urgency)
        try:
            rate = float(limits["read"]["refill_rate"]) / cost
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise AnswerUnreadable("the account's rate cannot be read.") from error
        if not MIN_RATE <= rate <= MAX_RATE:
            raise AnswerUnreadable("the account's rate is none.")
        return rate

    async def candlesticks(
        self, tickers: Sequence[str], query: CandleQuery, *, deadline: float, urgency: float = 0.0
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
        answer = await self.transport.get("/markets/candlesticks", parameters, deadline=deadline, urgency=urgency)
        try:
            found = {market["market_ticker"]: list(market["candlesticks"] or []) for market in answer["markets"]}
        except (KeyError, TypeError) as error:
            raise AnswerUnreadable("the exchange's candlesticks cannot be read.") from error
        if not all(isinstance(candle, dict) for candles in found.values() for candle in candles):
            raise AnswerUnreadable("the exchange's candlesticks cannot be read.")
        return found

    async def _cost(self, deadline: float, urgency: float) -> float:
        """Tokens that a request costs: as documented where the exchange does not tell."""
        try:
            costs = await self.transport.get("/account/endpoint_costs", {}, deadline=deadline, urgency=urgency)
            return float(costs["default_cost"])
        except (ExchangeError, KeyError, TypeError, ValueError, OverflowError):
            return DEFAULT_COST
