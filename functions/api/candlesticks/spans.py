"""Stretches of time that candles end in."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """Candles that end from `start` to `end`: Unix seconds, both included, and both where a candle may end."""

    start: int
    end: int

    def within(self, other: "Span") -> "Span | None":
        """What both have."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Span(start, end) if start <= end else None


def step(period: int) -> int:
    """Seconds of which every end of a candle of `period` minutes is a multiple.

    Minutes and hours are counted from the epoch; days end at midnight in New York, which is a whole hour in UTC
    (observed on production, 2026-08).
    """
    return min(period, 60) * 60


def between(start: int, end: int, period: int) -> Span | None:
    """The span between two Unix seconds, both included; None where no candle can end between them."""
    grid = step(period)
    span = Span(-(-start // grid) * grid, end // grid * grid)
    return span if span.start <= span.end else None


def periods(span: Span, period: int) -> int:
    """As many as the exchange may count, however it rounds."""
    return (span.end - span.start) // (period * 60) + 1


def pieces(span: Span, seconds: int, grid: int) -> Iterator[Span]:
    """The span in parts of so many seconds, in order, without doubles or holes."""
    for start in range(span.start, span.end + 1, seconds):
        yield Span(start, min(start + seconds - grid, span.end))


def gaps(span: Span, covered: Iterable[Span], grid: int) -> Sequence[Span]:
    """What is left of a span. covered: in order."""
    left, at = [], span.start
    for part in covered:
        if part.start > at:
            left.append(Span(at, min(part.start - grid, span.end)))
        at = max(at, part.end + grid)
        if at > span.end:
            break
    if at <= span.end:
        left.append(Span(at, span.end))
    return [gap for gap in left if gap.start <= gap.end]
