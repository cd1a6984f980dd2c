"""The fewest calls to the exchange that answer what is needed, within its two caps: tickers, and candles a call.

What is capped is the requested range, whatever is in it: tickers × periods (observed on production, 2026-08).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from api.candlesticks.time_ranges import TimeRange, count_periods, grid_seconds, split
from kalshi_markets.exchange.client import MAX_ARCHIVE_CANDLES, MAX_BATCH_CANDLES
from kalshi_markets.exchange.listings import BATCH_TICKERS

MAX_BATCH_PERIODS: Final = MAX_BATCH_CANDLES * 99 // 100
MAX_ARCHIVE_PERIODS: Final = MAX_ARCHIVE_CANDLES * 98 // 100
"""The exchange counts periods its own way; these stay clear of the edge."""


@dataclass(frozen=True, slots=True)
class MissingRange:
    """A span of one ticker's candles. place: of the ticker in the question; archived: behind the cutoff."""

    index: int
    ticker: str
    range: TimeRange
    archived: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One request: a span of the candles that some needs have in common. To the archive there is one need a call."""

    missing: tuple[MissingRange, ...]
    range: TimeRange


def plan_calls(needs: Sequence[MissingRange], period: int) -> Iterator[Call]:
    """Calls whose spans cover every need once; in the order asked, so that the first tickers are complete first."""
    batches = [[need] for need in needs if need.archived] + _batches(
        sorted((need for need in needs if not need.archived), key=lambda need: (need.range, need.index)), period
    )
    batches.sort(key=lambda batch: min(need.index for need in batch))
    for batch in batches:
        yield from _calls(batch, period)


def calls_needed(need: MissingRange, period: int) -> int:
    """How many calls one need takes by itself. Counted, not made: a range of centuries has millions."""
    return -(-count_periods(need.range, period) // (MAX_ARCHIVE_PERIODS if need.archived else MAX_BATCH_PERIODS))


def _batches(needs: Sequence[MissingRange], period: int) -> list[list[MissingRange]]:
    """Needs that are asked for together; needs: by their spans."""
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
    """Whether so many tickers are one batch: those of the same span as long as that saves calls, others while one call
    has room for all."""
    length = count_periods(hull, period)
    return tickers <= BATCH_TICKERS and (
        tickers * length <= MAX_BATCH_PERIODS or (same_range and tickers <= _best_batch(length))
    )


@lru_cache(maxsize=64)
def _best_batch(length: int) -> int:
    """How many tickers to ask for at once so that a ticker costs least, each of them so many periods long."""
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
