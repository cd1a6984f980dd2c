"""Concurrent calls to the exchange for one request, until the deadline or the size limit."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from api.candlesticks.cache import CandleCache
from api.candlesticks.fetch_state import FetchState
from api.candlesticks.planner import Call, MissingRange, plan_calls
from api.candlesticks.result import UNKNOWN_TICKER
from api.candlesticks.time_ranges import count_periods
from api.concurrency import run_all
from kalshi_markets.exchange import (
    BATCH_TICKERS,
    MAX_BATCH_CANDLES,
    AuthenticationFailed,
    Candle,
    CandleQuery,
    ExchangeClientError,
    ExchangeError,
)

MAX_CONCURRENT_CALLS: Final = 20
"""Maximum of concurrent calls, equal to the client's connections. The rate limiter limits the rate."""
MAX_RANGE_REJECTIONS: Final = 16
"""Consecutive rejected calls of one range, after which the range is the cause, not a ticker.

The search for one invalid ticker in a batch of 100 takes 8 rejections.
"""
MAX_CANDLES_IN_FLIGHT: Final = 50_000
"""Maximum of candles in concurrent responses. They are in memory, uncompressed, until they are parsed."""


async def fetch_from_exchange(state: FetchState, cache: CandleCache, needs: Sequence[MissingRange]) -> None:
    """Fetch the missing ranges from the exchange and cache them. Raises the errors of the rate limiter."""
    left_out = await _run_calls(state, cache, needs)
    # A market may move to the archive before the table is updated, and some markets are not in the table. The live tier
    # also has some markets for a while after the cutoff (observed on production, 2026-08). So each range that a tier
    # does not return is requested from the other tier.
    live = [replace(need, archived=False) for need in left_out if need.archived]
    archived = await _in_archive(state, [need for need in left_out if not need.archived])
    for need in await _run_calls(state, cache, [*live, *archived]):
        state.fail(state.results[need.index], UNKNOWN_TICKER)


async def _run_calls(state: FetchState, cache: CandleCache, needs: Sequence[MissingRange]) -> list[MissingRange]:
    """Run the planned calls concurrently. Return the ranges whose tickers the responses do not contain."""
    calls = plan_calls(needs, state.period)
    left_out: dict[MissingRange, None] = {}

    async def worker() -> None:
        for call in calls:
            if state.exhausted:
                return
            wanted = tuple(need for need in call.missing if state.results[need.index].error is None)
            if wanted:
                left_out.update(dict.fromkeys(await _run_call(state, cache, replace(call, missing=wanted))))

    await run_all(worker() for _ in range(min(_max_concurrency(state, needs), len(needs))))
    return list(left_out)


def _max_concurrency(state: FetchState, needs: Sequence[MissingRange]) -> int:
    max_periods = max((count_periods(need.range, state.period) for need in needs), default=0)
    return max(
        1,
        min(MAX_CONCURRENT_CALLS, MAX_CANDLES_IN_FLIGHT // min(MAX_BATCH_CANDLES, max(1, max_periods) * BATCH_TICKERS)),
    )


async def _in_archive(state: FetchState, left_out: Sequence[MissingRange]) -> list[MissingRange]:
    """Return the ranges whose ticker is in the archive. The results of the other tickers fail."""
    index_by_ticker = {need.ticker: need.index for need in left_out}
    groups = iter([[*index_by_ticker][at : at + BATCH_TICKERS] for at in range(0, len(index_by_ticker), BATCH_TICKERS)])
    archived: set[str] = set()

    async def worker() -> None:
        for tickers in groups:
            if state.exhausted:
                return
            try:
                archived_tickers = await state.exchange.find_archived(tickers, deadline=state.deadline)
            except ExchangeError as error:
                state.exchange_failed([index_by_ticker[ticker] for ticker in tickers], error)
                continue
            archived.update(archived_tickers)
            for ticker in tickers:
                if ticker not in archived_tickers:
                    state.fail(state.results[index_by_ticker[ticker]], UNKNOWN_TICKER)

    await run_all(worker() for _ in range(min(MAX_CONCURRENT_CALLS, len(index_by_ticker))))
    return [replace(need, archived=True) for need in left_out if need.ticker in archived]


async def _run_call(state: FetchState, cache: CandleCache, call: Call) -> list[MissingRange]:
    """Run one call and store its candles. Return the ranges whose tickers the response does not contain."""
    try:
        candles = await _fetch_candles(state, call)
    except ExchangeClientError as error:
        return await _bisect(state, cache, call, error)
    except ExchangeError as error:
        state.exchange_failed([need.index for need in call.missing], error)
        return []
    state.rejections.pop(call.range, None)
    for need in call.missing:
        if need.ticker in candles:
            state.add_fetched(need, call.range, candles[need.ticker])
    complete = [state.results[need.index] for need in call.missing if need.range == need.range.intersection(call.range)]
    if entries := state.take_cacheable(complete):
        await asyncio.to_thread(cache.store, entries)
    return [need for need in call.missing if need.ticker not in candles]


async def _bisect(state: FetchState, cache: CandleCache, call: Call, error: ExchangeClientError) -> list[MissingRange]:
    """Split a rejected call into two halves, until the invalid ticker is alone: the exchange does not name it."""
    state.rejections[call.range] += 1
    is_range = state.rejections[call.range] > MAX_RANGE_REJECTIONS
    if len(call.missing) == 1 or is_range or isinstance(error, AuthenticationFailed):
        state.exchange_failed([need.index for need in call.missing], error)
        return []
    left_out, middle = [], len(call.missing) // 2
    for half in (call.missing[:middle], call.missing[middle:]):
        if not state.exhausted:
            left_out += await _run_call(state, cache, replace(call, missing=half))
    return left_out


async def _fetch_candles(state: FetchState, call: Call) -> Mapping[str, Sequence[Candle]]:
    query = CandleQuery(*call.range, state.period)
    tickers = list(dict.fromkeys(need.ticker for need in call.missing))
    if not call.missing[0].archived:
        return await state.exchange.candlesticks(tickers, query, deadline=state.deadline)
    candles = await state.exchange.archived_candlesticks(tickers[0], query, deadline=state.deadline)
    return {} if candles is None else {tickers[0]: candles}
