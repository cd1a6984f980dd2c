"""Trades of a request: the span in which the market can have traded, and the page of the request."""

import asyncio
import time
from typing import Final

from api.candlesticks.cache import CacheClass
from api.candlesticks.lifetimes import Lifetime
from api.candlesticks.result import TICKER
from api.errors import RETRY_HINT, ApiError, ErrorCode, market_not_found
from api.resources import Resources
from api.trades.cache import SettledTrades
from api.trades.page import Page, read_page
from api.trades.request import TradesRequest
from api.trades.source import ExchangeTrades
from api.trades.tier import Span
from kalshi_markets.exchange import MICROSECONDS_PER_SECOND, ExchangeError, ExchangeUnavailable

CLOCK_SLACK_SECONDS: Final = 86_400
"""Seconds after now until which trades are requested: clocks differ."""
CLOSE_SLACK_SECONDS: Final = 3_600
"""Seconds after the close of a settled market until which trades are requested."""
UNKNOWN: Final = Lifetime(None, None, None, None)


async def fetch(request: TradesRequest, service: Resources, *, deadline: float) -> Page:
    """Return the page of a request.

    deadline: time.monotonic() value by which calls to the exchange must end.
    Raises ApiError if there is no such market, or if the exchange returned nothing before the deadline. Raises
    DatabaseError and the errors of the rate limiter.
    """
    if not TICKER.fullmatch(request.ticker):
        raise market_not_found()
    exchange, ticker = service.exchange, request.ticker
    lifetime = (await asyncio.to_thread(service.market_lifetimes.by_ticker, [ticker])).get(ticker)
    is_settled = lifetime is not None and lifetime.cache_class is CacheClass.SETTLED
    cache = SettledTrades(service.candle_cache, ticker) if is_settled else None
    source = ExchangeTrades(exchange, service.trade_cutoffs, ticker, deadline)
    span = trading_span(request, lifetime or UNKNOWN, exchange.now())
    try:
        page = await read_page(source, span, request.order, request.limit, request.position, cache)
        if lifetime or page.trades or request.position or await exchange.has_market(ticker, deadline=deadline):
            return page
    except ExchangeError as error:
        raise _unavailable(error, deadline) from error
    raise market_not_found()


def trading_span(request: TradesRequest, lifetime: Lifetime, now: float) -> Span:
    """Return the part of the requested span in which the market can have traded."""
    first, last = lifetime.trading_bounds
    start = max(request.min_ts or 0, first or 0)
    ends = [int(now) + CLOCK_SLACK_SECONDS, request.max_ts, None if last is None else last + CLOSE_SLACK_SECONDS]
    return Span(start * MICROSECONDS_PER_SECOND, min(end for end in ends if end is not None) * MICROSECONDS_PER_SECOND)


def _unavailable(error: ExchangeError, deadline: float) -> ApiError:
    if isinstance(error, ExchangeUnavailable) and time.monotonic() >= deadline:
        return ApiError(ErrorCode.EXCHANGE_UNAVAILABLE, "The deadline passed before any trade was fetched.", RETRY_HINT)
    return ApiError(ErrorCode.EXCHANGE_UNAVAILABLE, f"The exchange returned no trades: {error}", RETRY_HINT)
