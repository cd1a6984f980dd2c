"""One question for candlesticks, and what is known of its answer so far."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from api.candlesticks.cache import CacheEntry
from api.candlesticks.chunks import CandleChunk, merge_chunks, split_into_chunks
from api.candlesticks.gzip_body import MAX_LAMBDA_RESPONSE, RESPONSE_OVERHEAD
from api.candlesticks.lifetimes import Lifetime
from api.candlesticks.planner import MissingRange
from api.candlesticks.request import DAY, CandlesticksRequest
from api.candlesticks.result import DEADLINE, RESULT_TOO_LARGE, Result, ResultError, exchange_error
from api.candlesticks.time_ranges import TimeRange, aligned, grid_seconds, missing_ranges
from kalshi_markets.exchange import Candle, ExchangeClient, ExchangeError, ExchangeUnavailable

MAX_RESPONSE_BYTES: Final = (MAX_LAMBDA_RESPONSE - RESPONSE_OVERHEAD) * 3 // 4
"""Compressed candles that no answer has room for."""
MAX_FETCHED_BYTES: Final = 16 << 20
"""Compressed candles that one question may bring: some answers' worth, which the cache keeps for the next ones."""
CLOSE_DELAY_SECONDS: Final = 60
"""An answer may come from the exchange's own cache, 15 s old: a period counts as closed so long after its end."""


@dataclass
class FetchState:
    """deadline: on time.monotonic()'s clock, for calls to the exchange; held: bytes of candles, as compressed;
    refusals: of calls by their span, since one was answered."""

    request: CandlesticksRequest
    exchange: ExchangeClient
    deadline: float
    results: list[Result] = field(default_factory=list)
    fetched_bytes: int = 0
    rejections: Counter[TimeRange] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.period = self.request.period_interval
        self.grid_seconds = grid_seconds(self.period)
        start, end = self.request.time_range()
        # A period may be under way, and the clocks may differ; later ones have no candles.
        self.range = aligned(start, min(end, int(self.exchange.now()) + self.period * 60 + DAY), self.period)
        self.results = [Result(ticker) for ticker in dict.fromkeys(self.request.tickers)]

    @cached_property
    def last_closed_end(self) -> int:
        """The last end of a period that is for keeps; by the exchange's clock, so not before that was heard."""
        return int(self.exchange.now() - CLOSE_DELAY_SECONDS) // self.grid_seconds * self.grid_seconds

    @property
    def exhausted(self) -> bool:
        """Whether there is no time, or no room, for another call."""
        return time.monotonic() >= self.deadline or self.fetched_bytes > MAX_FETCHED_BYTES

    def missing(self, result: Result) -> Sequence[TimeRange]:
        """What a ticker still lacks."""
        if result.range is None or result.error:
            return []
        return missing_ranges(result.range, [piece.range for piece in result.ordered()], self.grid_seconds)

    def set_lifetime(self, result: Result, lifetime: Lifetime | None) -> None:
        """In which span a ticker can have candles, and how they are kept. life: its market's, if the table knows it."""
        result.range = self.range
        if lifetime and self.range:
            result.range, result.settled = lifetime.trimmed(self.range, self.period), lifetime.cached_as_settled

    def add_cached(self, result: Result, chunks: Sequence[CandleChunk]) -> Sequence[TimeRange]:
        """Adds what the cache has, in order; where nothing is lacking then, no more of it than is asked for. Returns
        what is lacking."""
        result.chunks += chunks
        missing = self.missing(result)
        if not missing:
            result.chunks = result.trimmed()
        self.fetched_bytes += result.size
        return missing

    def add_fetched(self, need: MissingRange, span: TimeRange, candles: Sequence[Candle]) -> None:
        """Adds the candles that a call for a span brought for a need."""
        result, part = self.results[need.index], need.range.intersection(span)
        if result.error or part is None:
            return
        fresh = split_into_chunks(candles, part, self.period, self.last_closed_end, self.grid_seconds)
        result.chunks += fresh
        self.fetched_bytes += sum(piece.size for piece in fresh)
        if result.size > MAX_RESPONSE_BYTES:
            self.fail(result, RESULT_TOO_LARGE)

    def fail(self, result: Result, error: ResultError) -> None:
        """A ticker has no candles, but this error."""
        self.fetched_bytes -= result.size
        result.fail(error)

    def exchange_failed(self, indexes: Iterable[int], error: ExchangeError) -> None:
        """Give tickers the error of a call; where time ran out during the call, that is the reason."""
        unavailable = isinstance(error, ExchangeUnavailable)
        is_late = unavailable and time.monotonic() >= self.deadline
        reason = DEADLINE if is_late else exchange_error(str(error), retryable=unavailable)
        for index in indexes:
            self.fail(self.results[index], reason)

    def take_cacheable(self, results: Iterable[Result]) -> list[CacheEntry]:
        """What is new of closed periods, with the pieces of each block made one."""
        entries = []
        for result in results:
            if any(piece.fetched for piece in result.chunks):
                result.chunks = merge_chunks(result.chunks, self.period, self.last_closed_end, self.grid_seconds)
            for at, piece in enumerate(result.chunks):
                if piece.fetched and piece.range.end <= self.last_closed_end and result.settled is not None:
                    entries.append(CacheEntry(result.ticker, self.period, result.settled, piece))
                    result.chunks[at] = piece._replace(fetched=False)
        return entries
