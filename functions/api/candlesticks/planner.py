"""Planner of calls to the exchange: as few as possible within its two limits, tickers and candles per call.

The exchange limits the requested range, tickers × periods, not the candles in the response (observed on production,
2026-08).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from api.candlesticks.time_ranges import TimeRange, count_periods, grid_seconds, split
from kalshi_markets.exchange import BATCH_TICKERS, MAX_ARCHIVE_CANDLES, MAX_BATCH_CANDLES

MAX_BATCH_PERIODS: Final = MAX_BATCH_CANDLES * 99 // 100
MAX_ARCHIVE_PERIODS: Final = MAX_ARCHIVE_CANDLES * 98 // 100
"""Maximum periods per call, with a margin: the exchange's method of counting periods is undocumented."""


@dataclass(frozen=True, slots=True)
class MissingRange:
    """Range of one ticker's candles that must be fetched.

    index: the index of the ticker's result.
    archived: the range is requested from the archive, not from the live tier.
    """

    index: int
    ticker: str
    range: TimeRange
    archived: bool


@dataclass(frozen=True, slots=True)
class Call:
    """Request to the exchange: one range for several tickers. A call to the archive has exactly one ticker."""

    missing: tuple[MissingRange, ...]
    range: TimeRange


def plan_calls(needs: Sequence[MissingRange], period: int) -> Iterator[Call]:
    """Yield calls that cover every missing range once, in the order of the request: first tickers complete first."""
    batches = [[need] for need in needs if need.archived] + _batches(
        sorted((need for need in needs if not need.archived), key=lambda need: (need.range, need.index)), period
    )
    batches.sort(key=lambda batch: min(need.index for need in batch))
    for batch in batches:
        yield from _calls(batch, period)


def calls_needed(need: MissingRange, period: int) -> int:
    """Return the number of calls for one missing range, without planning them: centuries take millions of calls."""
    return -(-count_periods(need.range, period) // (MAX_ARCHIVE_PERIODS if need.archived else MAX_BATCH_PERIODS))


def _batches(needs: Sequence[MissingRange], period: int) -> list[list[MissingRange]]:
    """Group missing ranges that share calls. needs: sorted by range."""
    batches: list[list[MissingRange]] = []
    hull = TimeRange(0, 0)
    for need in needs:
        joined = TimeRange(hull.start, max(hull.end, need.range.end))
        if batches and _joins(len(batches[-1]) + 1, joined, period, same_range=need.range == hull):
            batches[-1].append(need)
            hull = joined
        else:
            batches.append([need])
            hull = need.range
    return batches


def _joins(tickers: int, hull: TimeRange, period: int, *, same_range: bool) -> bool:
    """Return whether this number of tickers may be one batch.

    Tickers with the same range are batched as long as that saves calls, others only if one call has room for all.
    """
    length = count_periods(hull, period)
    return tickers <= BATCH_TICKERS and (
        tickers * length <= MAX_BATCH_PERIODS or (same_range and tickers <= _best_batch(length))
    )


@lru_cache(maxsize=64)
def _best_batch(length: int) -> int:
    """Return the number of tickers per batch with the fewest calls per ticker. length: periods of each ticker."""
    return min(
        range(1, BATCH_TICKERS + 1),
        key=lambda tickers: (-(-length // (MAX_BATCH_PERIODS // tickers)) / tickers, -tickers),
    )


def _calls(batch: Sequence[MissingRange], period: int) -> Iterator[Call]:
    hull = TimeRange(min(need.range.start for need in batch), max(need.range.end for need in batch))
    maximum = MAX_ARCHIVE_PERIODS if batch[0].archived else MAX_BATCH_PERIODS // len(batch)
    if count_periods(hull, period) <= maximum:
        yield Call(tuple(batch), hull)
        return
    for span in split(hull, maximum * period * 60, grid_seconds(period)):
        yield Call(tuple(batch), span)
