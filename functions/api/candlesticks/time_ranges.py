"""Time ranges of candles, defined by the ends of their periods."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class TimeRange(NamedTuple):
    """Range of candle ends in Unix seconds, both included. Both are possible ends of a candle."""

    start: int
    end: int

    def intersection(self, other: "TimeRange") -> "TimeRange | None":
        """Return the common part of two ranges; None if they do not overlap."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return TimeRange(start, end) if start <= end else None


def grid_seconds(period: int) -> int:
    """Return the grid in seconds: every end of a candle of `period` minutes is a multiple of it.

    Minutes and hours are multiples from the Unix epoch. Days end at midnight in New York, which is a full hour in UTC
    (observed on production, 2026-08).
    """
    return min(period, 60) * 60


def aligned(start: int, end: int, period: int) -> TimeRange | None:
    """Return the range between two Unix times, both included; None if no candle can end between them."""
    grid = grid_seconds(period)
    span = TimeRange(-(-start // grid) * grid, end // grid * grid)
    return span if span.start <= span.end else None


def count_periods(span: TimeRange, period: int) -> int:
    """Return an upper bound of the periods in a range. The exchange's rounding is undocumented."""
    return (span.end - span.start) // (period * 60) + 1


def split(span: TimeRange, seconds: int, grid: int) -> Iterator[TimeRange]:
    """Yield consecutive parts of a range, each `seconds` long, without overlaps or gaps."""
    for start in range(span.start, span.end + 1, seconds):
        yield TimeRange(start, min(start + seconds - grid, span.end))


def missing_ranges(span: TimeRange, covered: Iterable[TimeRange], grid: int) -> Sequence[TimeRange]:
    """Return the parts of a range that are not covered. covered: ranges sorted by start."""
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
