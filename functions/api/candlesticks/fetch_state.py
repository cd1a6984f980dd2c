"""State of one candlestick request: its results and its limits."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from api.candlesticks.cache import CacheClass, CacheEntry
from api.candlesticks.chunks import CandleChunk, merge_chunks, split_into_chunks
from api.candlesticks.derivation import Derivation
from api.candlesticks.lifetimes import Lifetime
from api.candlesticks.planner import MissingRange
from api.candlesticks.request import CandlesticksRequest
from api.candlesticks.result import DEADLINE, RESULT_TOO_LARGE, Result, ResultError, exchange_error
from api.candlesticks.time_ranges import TimeRange, aligned, grid_seconds, missing_ranges
from api.responses import MAX_LAMBDA_RESPONSE, RESPONSE_OVERHEAD
from kalshi_markets.exchange import Candle, ExchangeClient, ExchangeError, ExchangeUnavailable

MAX_RESPONSE_BYTES: Final = (MAX_LAMBDA_RESPONSE - RESPONSE_OVERHEAD) * 3 // 4
"""Bytes of compressed candles that exceed every response: base64 makes them larger by a third."""
MAX_FETCHED_BYTES: Final = 16 << 20
"""Bytes of compressed candles that one request may load. Several responses' worth: later requests find them cached."""
CLOSE_DELAY_SECONDS: Final = 60
"""Seconds after the end of a period until it is closed. The exchange's responses may come from its cache, 15 s old."""


@dataclass
class FetchState:
    """State of one candlestick request.

    deadline: time.monotonic() value by which calls to the exchange must end.
    derivation: the derivation of the candles from the exchange's; None if they are the exchange's own.
    results: one for each distinct ticker, in the order of the request.
    fetched_bytes: size of all candles in memory, compressed.
    max_complete_bytes: size of the exchange's candles that exceed every response.
    rejections: number of rejected calls by range, since the last successful call of the range.
    """

    request: CandlesticksRequest
    exchange: ExchangeClient
    deadline: float
    derivation: Derivation | None = None
    results: list[Result] = field(default_factory=list)
    fetched_bytes: int = 0
    rejections: Counter[TimeRange] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        if self.derivation:
            self.period, self.range = self.derivation.source, self.derivation.range
        else:
            self.period = self.request.period_interval
            self.range = aligned(*self.request.time_range(self.exchange.now()), self.period)
        self.grid_seconds = grid_seconds(self.period)
        # Candles of longer periods take less space than those from which they are merged.
        is_resampled = self.derivation is not None and self.derivation.is_resampled
        self.max_complete_bytes = MAX_FETCHED_BYTES if is_resampled else MAX_RESPONSE_BYTES
        self.results = [Result(ticker) for ticker in dict.fromkeys(self.request.tickers)]

    @cached_property
    def last_closed_end(self) -> int:
        """End of the newest period that may be cached, in Unix seconds.

        It uses the exchange's clock, so it must be read only after a response.
        """
        return int(self.exchange.now() - CLOSE_DELAY_SECONDS) // self.grid_seconds * self.grid_seconds

    @property
    def exhausted(self) -> bool:
        """Return whether the deadline or the size limit permits no further call."""
        return time.monotonic() >= self.deadline or self.fetched_bytes > MAX_FETCHED_BYTES

    def missing(self, result: Result) -> Sequence[TimeRange]:
        """Return the ranges of a result that have no candles yet; none if it failed."""
        if result.range is None or result.error:
            return []
        return missing_ranges(result.range, [chunk.range for chunk in result.ordered()], self.grid_seconds)

    def set_lifetime(self, result: Result, lifetime: Lifetime | None) -> None:
        """Set the range and the cache class of a result. lifetime: None if the market is not in the table."""
        result.range = self.range
        if lifetime and self.range:
            result.range, result.cache_class = lifetime.trimmed(self.range, self.period), lifetime.cache_class

    def add_cached(self, result: Result, chunks: Sequence[CandleChunk]) -> Sequence[TimeRange]:
        """Add cached chunks to a result. Return the ranges that are still missing.

        A complete result is trimmed to its range.
        """
        result.chunks += chunks
        missing = self.missing(result)
        if not missing:
            result.chunks = result.trimmed()
        self.fetched_bytes += result.size
        return missing

    def add_fetched(self, need: MissingRange, span: TimeRange, candles: Sequence[Candle]) -> None:
        """Add the candles of a call to the result. span: the range of the call, which may exceed the missing range."""
        result, part = self.results[need.index], need.range.intersection(span)
        if result.error or part is None:
            return
        fresh = split_into_chunks(candles, part, self.period, self.last_closed_end, self.grid_seconds)
        result.chunks += fresh
        self.fetched_bytes += sum(chunk.size for chunk in fresh)
        if result.size > self.max_complete_bytes:
            self.fail(result, RESULT_TOO_LARGE)

    def fail(self, result: Result, error: ResultError) -> None:
        """Set the error of a result and drop its candles."""
        self.fetched_bytes -= result.size
        result.fail(error)

    def exchange_failed(self, indexes: Iterable[int], error: ExchangeError) -> None:
        """Set the error of a failed call for several results; DEADLINE if the deadline passed during the call."""
        unavailable = isinstance(error, ExchangeUnavailable)
        is_late = unavailable and time.monotonic() >= self.deadline
        reason = DEADLINE if is_late else exchange_error(str(error), retryable=unavailable)
        for index in indexes:
            self.fail(self.results[index], reason)

    def take_cacheable(self, results: Iterable[Result]) -> list[CacheEntry]:
        """Return the fetched chunks of closed periods, merged by block, and mark them as cached."""
        entries = []
        for result in results:
            if any(chunk.fetched for chunk in result.chunks):
                result.chunks = merge_chunks(result.chunks, self.period, self.last_closed_end, self.grid_seconds)
            if result.cache_class is CacheClass.NOT_CACHED:
                continue
            is_settled = result.cache_class is CacheClass.SETTLED
            for index, chunk in enumerate(result.chunks):
                if chunk.fetched and chunk.range.end <= self.last_closed_end:
                    entries.append(CacheEntry(result.ticker, self.period, is_settled, chunk))
                    result.chunks[index] = chunk._replace(fetched=False)
        return entries
