"""Stretches of time that candles end in."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class TimeRange(NamedTuple):
    """Candles that end from `start` to `end`: Unix seconds, both included, and both where a candle may end."""

    start: int
    end: int

    def intersection(self, other: "TimeRange") -> "TimeRange | None":
        """What both have."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return TimeRange(start, end) if start <= end else None


def grid_seconds(period: int) -> int:
    """Seconds of which every end of a candle of `period` minutes is a multiple.

    Minutes and hours are counted from the epoch; days end at midnight in New York, which is a whole hour in UTC
    (observed on production, 2026-08).
    """
    return min(period, 60) * 60


def aligned(start: int, end: int, period: int) -> TimeRange | None:
    """The span between two Unix seconds, both included; None where no candle can end between them."""
    grid = grid_seconds(period)
    span = TimeRange(-(-start // grid) * grid, end // grid * grid)
    return span if span.start <= span.end else None


def count_periods(span: TimeRange, period: int) -> int:
    """As many as the exchange may count, however it rounds."""
    return (span.end - span.start) // (period * 60) + 1


def split(span: TimeRange, seconds: int, grid: int) -> Iterator[TimeRange]:
    """The span in parts of so many seconds, in order, without doubles or holes."""
    for start in range(span.start, span.end + 1, seconds):
        yield TimeRange(start, min(start + seconds - grid, span.end))


def missing_ranges(span: TimeRange, covered: Iterable[TimeRange], grid: int) -> Sequence[TimeRange]:
    """What is left of a span. covered: in order."""
    left, at = [], span.start
    for part in covered:
        if part.start > at:
            left.append(TimeRange(at, min(part.start - grid, span.end)))
        at = max(at, part.end + grid)
        if at > span.end:
            break
    if at <= span.end:
        left.append(TimeRange(at, span.end))
    return [gap for gap in left if gap.start <= gap.end]
