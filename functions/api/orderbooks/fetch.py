"""Order books from the exchange, with an error for each ticker that has none."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from api.candlesticks.result import DEADLINE, INVALID_TICKER, TICKER, ResultError
from api.concurrency import run_all
from kalshi_markets.exchange import (
    BATCH_TICKERS,
    AuthenticationFailed,
    ExchangeClient,
    ExchangeClientError,
    ExchangeError,
    ExchangeUnavailable,
    OrderBook,
)

MAX_REJECTIONS: Final = 16
"""Rejected calls of one request after which rejected batches are not split any further.

The search for one invalid ticker in a batch of 100 takes 8 rejections.
"""
NOT_FOUND: Final = 404
UNKNOWN_TICKER: Final = ResultError("unknown_ticker", "The exchange has no order book for this ticker.")


@dataclass(slots=True)
class OrderbookResult:
    """Order book of one ticker, or the error instead."""

    ticker: str
    orderbook: OrderBook | None = None
    error: ResultError | None = None

    @property
    def retryable(self) -> bool:
        """Return whether the same request may succeed later."""
        return self.error is not None and self.error.retryable

    def fail(self, error: ResultError) -> None:
        """Set the error and drop the order book."""
        self.error, self.orderbook = error, None


async def fetch_one(ticker: str, exchange: ExchangeClient, depth: int, *, deadline: float) -> OrderbookResult:
    """Return the order book of one market.

    deadline: time.monotonic() value by which calls to the exchange must end.
    Raises the errors of the rate limiter.
    """
    result = OrderbookResult(ticker)
    if not TICKER.fullmatch(ticker):
        result.fail(INVALID_TICKER)
        return result
    try:
        _set(result, await exchange.orderbook(ticker, depth, deadline=deadline), depth)
    except ExchangeError as error:
        result.fail(_result_error(error, deadline))
    return result


async def fetch(
    tickers: Sequence[str], exchange: ExchangeClient, depth: int, *, deadline: float
) -> list[OrderbookResult]:
    """Return a result for each distinct ticker, in the order of the request.

    deadline: time.monotonic() value by which calls to the exchange must end.
    Raises the errors of the rate limiter.
    """
    results = [OrderbookResult(ticker) for ticker in dict.fromkeys(tickers)]
    for result in results:
        if not TICKER.fullmatch(result.ticker):
            result.fail(INVALID_TICKER)
    valid = [result for result in results if result.error is None]
    batches = _Batches(exchange, depth, deadline)
    groups = [valid[start : start + BATCH_TICKERS] for start in range(0, len(valid), BATCH_TICKERS)]
    await run_all(map(batches.fetch, groups))
    return results


class _Batches:
    """Batch calls of one request, each for many order books."""

    def __init__(self, exchange: ExchangeClient, depth: int, deadline: float) -> None:
        self._exchange = exchange
        self._depth = depth
        self._deadline = deadline
        self._rejections = 0

    async def fetch(self, results: Sequence[OrderbookResult]) -> None:
        """Set the order book or the error of each result. Split a rejected batch: the exchange names no ticker."""
        try:
            orderbooks = await self._exchange.orderbooks([result.ticker for result in results], deadline=self._deadline)
        except ExchangeClientError as error:
            self._rejections += 1
            if len(results) > 1 and self._rejections <= MAX_REJECTIONS and not isinstance(error, AuthenticationFailed):
                middle = len(results) // 2
                await self.fetch(results[:middle])
                await self.fetch(results[middle:])
            else:
                self._fail(results, error)
        except ExchangeError as error:
            self._fail(results, error)
        else:
            for result in results:
                _set(result, orderbooks.get(result.ticker), self._depth)

    def _fail(self, results: Sequence[OrderbookResult], error: ExchangeError) -> None:
        for result in results:
            result.fail(_result_error(error, self._deadline))


def _set(result: OrderbookResult, orderbook: OrderBook | None, depth: int) -> None:
    if orderbook is None:
        result.fail(UNKNOWN_TICKER)
    else:
        result.orderbook = orderbook.top(depth)


def _result_error(error: ExchangeError, deadline: float) -> ResultError:
    if isinstance(error, ExchangeClientError) and error.status == NOT_FOUND:
        return UNKNOWN_TICKER
    unavailable = isinstance(error, ExchangeUnavailable)
    if unavailable and time.monotonic() >= deadline:
        return DEADLINE
    return ResultError("exchange_error", f"The exchange returned no order book: {error}", unavailable)
