"""Candles of each ticker of a request, from the cache and, for missing ranges, from the exchange."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from api.candlesticks.cache import CacheClass, CandleCache
from api.candlesticks.derivation import Derivation
from api.candlesticks.derived_results import derive_results
from api.candlesticks.exchange_calls import fetch_from_exchange
from api.candlesticks.fetch_state import MAX_FETCHED_BYTES, FetchState
from api.candlesticks.lifetimes import Lifetime, MarketLifetimes
from api.candlesticks.planner import MissingRange, calls_needed
from api.candlesticks.request import CandlesticksRequest
from api.candlesticks.result import DEADLINE, INVALID_TICKER, RESPONSE_FULL, TICKER, Result
from api.candlesticks.time_ranges import TimeRange, count_periods
from api.errors import ErrorCode, Problem, validation_error
from kalshi_markets.exchange import ExchangeClient

CANDLES_PER_READ: Final = 20_000
STORE_GRACE_SECONDS: Final = 1.0
"""Seconds after the deadline in which fetched candles are still cached."""


async def fetch(
    request: CandlesticksRequest,
    exchange: ExchangeClient,
    markets: MarketLifetimes,
    cache: CandleCache,
    *,
    deadline: float,
    derivation: Derivation | None = None,
) -> list[Result]:
    """Return a result for each distinct ticker, in the order of the request.

    deadline: time.monotonic() value by which calls to the exchange must end.
    derivation: the result of plan_derivation.
    Raises ApiError if a single ticker requires more calls than the exchange's rate limit permits before the deadline.
    Raises DatabaseError and the errors of the rate limiter.
    """
    state = FetchState(request, exchange, deadline, derivation)
    for result in state.results:
        if not TICKER.fullmatch(result.ticker):
            result.fail(INVALID_TICKER)
    lifetimes = await asyncio.to_thread(
        markets.by_ticker, [result.ticker for result in state.results if not result.error]
    )
    missing = await _read_cache(state, state.range, cache, lifetimes) if state.range else {}
    if needs := await _missing_ranges(state, markets, lifetimes, missing):
        await _reject_too_long(state, needs)
        await fetch_from_exchange(state, cache, needs)
        await _store_and_mark_missing(state, cache)
    if derivation and state.range:
        derive_results(state, derivation, lifetimes)
    return state.results


async def _read_cache(
    state: FetchState, span: TimeRange, cache: CandleCache, lifetimes: Mapping[str, Lifetime]
) -> Mapping[int, Sequence[TimeRange]]:
    """Read cached candles. Return the missing ranges by index of the result.

    After the size limit is reached, the remaining results fail with RESPONSE_FULL. The limit is that of a response as
    long as all results are complete, and MAX_FETCHED_BYTES otherwise.
    """
    missing: dict[int, Sequence[TimeRange]] = {}
    for slice_ in _slices(state, lifetimes):
        if state.fetched_bytes > (MAX_FETCHED_BYTES if missing else state.max_complete_bytes):
            for result in slice_.values():
                result.fail(RESPONSE_FULL)
            continue
        settled = {
            result.ticker: result.cache_class is CacheClass.SETTLED
            for result in slice_.values()
            if result.cache_class is not CacheClass.NOT_CACHED
        }
        cached = await asyncio.to_thread(cache.get, settled, state.period, span)
        for index, result in slice_.items():
            if gaps := state.add_cached(result, cached.get(result.ticker, [])):
                missing[index] = gaps
    return missing


def _slices(state: FetchState, lifetimes: Mapping[str, Lifetime]) -> Iterator[Mapping[int, Result]]:
    """Yield slices of the results, by index. A slice may have about CANDLES_PER_READ candles."""
    slice_: dict[int, Result] = {}
    candles = 0
    for index, result in enumerate(state.results):
        if not result.error:
            state.set_lifetime(result, lifetimes.get(result.ticker))
            slice_[index] = result
            candles += count_periods(result.range, state.period) if result.range else 0
        if candles >= CANDLES_PER_READ:
            yield slice_
            slice_, candles = {}, 0
    if slice_:
        yield slice_


async def _missing_ranges(
    state: FetchState,
    markets: MarketLifetimes,
    lifetimes: Mapping[str, Lifetime],
    missing: Mapping[int, Sequence[TimeRange]],
) -> list[MissingRange]:
    settled = {
        index: lifetime.settled_at for index in missing if (lifetime := lifetimes.get(state.results[index].ticker))
    }
    cutoff = 0.0
    if any(settled.values()):
        cutoff = await markets.cutoff(state.exchange, state.deadline)
    return [
        MissingRange(index, state.results[index].ticker, span, archived=(settled.get(index) or cutoff) < cutoff)
        for index, spans in missing.items()
        for span in spans
    ]


async def _reject_too_long(state: FetchState, needs: Iterable[MissingRange]) -> None:
    calls = max(calls_needed(need, state.period) for need in needs)
    if calls > 1 and calls > (rate := await state.exchange.rate()) * (state.deadline - time.monotonic()):
        message = f"one ticker requires {calls:,} calls to the exchange, which allows {rate:g} per second"
        hint = "Request a shorter range or a longer period_interval."
        raise validation_error([Problem(ErrorCode.TOO_MANY_CALLS, ("body",), message, hint)])


async def _store_and_mark_missing(state: FetchState, cache: CandleCache) -> None:
    """Cache the remaining candles until the grace time is over. Incomplete results fail."""
    is_full = state.fetched_bytes > MAX_FETCHED_BYTES
    for result in state.results:
        entries = state.take_cacheable([result])
        if entries and time.monotonic() < state.deadline + STORE_GRACE_SECONDS:
            await asyncio.to_thread(cache.store, entries)
        if state.missing(result):
            result.fail(RESPONSE_FULL if is_full else DEADLINE)
