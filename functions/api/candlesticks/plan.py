"""The fewest calls to the exchange that answer what is needed, within its two caps: tickers, and candles a call.

What is capped is the requested range, whatever is in it: tickers × periods (observed on production, 2026-08).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from api.candlesticks.spans import Span, periods, pieces, step
from kalshi_markets.exchange.client import ARCHIVE_CANDLES, BATCH_CANDLES
from kalshi_markets.exchange.listings import BATCH_TICKERS

_BATCH: Final = BATCH_CANDLES * 99 // 100
_ARCHIVE: Final = ARCHIVE_CANDLES * 98 // 100
"""The exchange counts periods its own way; these stay clear of the edge."""


@dataclass(frozen=True, slots=True)
class Need:
    """A span of one ticker's candles. place: of the ticker in the question; archived: behind the cutoff."""

    place: int
    ticker: str
    span: Span
    archived: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One request: a span of the candles that some needs have in common. To the archive there is one need a call."""

    needs: tuple[Need, ...]
    span: Span


def plan(needs: Sequence[Need], period: int) -> Iterator[Call]:
    """Calls whose spans cover every need once; in the order asked, so that the first tickers are complete first."""
    batches = [[need] for need in needs if need.archived] + _batches(
        sorted((need for need in needs if not need.archived), key=lambda need: (need.span, need.place)), period
    )
    batches.sort(key=lambda batch: min(need.place for need in batch))
    for batch in batches:
        yield from _calls(batch, period)


def calls_of_one(need: Need, period: int) -> int:
    """How many calls one need takes by itself. Counted, not made: a range of centuries has millions."""
    return -(-periods(need.span, period) // (_ARCHIVE if need.archived else _BATCH))


def _batches(needs: Sequence[Need], period: int) -> list[list[Need]]:
    """Needs that are asked for together; needs: by their spans."""
    batches: list[list[Need]] = []
    hull = Span(0, 0)
    for need in needs:
        joined = Span(hull.start, max(hull.end, need.span.end))
        if batches and _joins(len(batches[-1]) + 1, joined, period, alike=need.span == hull):
            batches[-1].append(need)
            hull = joined
        else:
            batches.append([need])
            hull = need.span
    return batches


def _joins(tickers: int, hull: Span, period: int, *, alike: bool) -> bool:
    """Whether so many tickers are one batch: those of the same span as long as that saves calls, others while one call
    has room for all."""
    length = periods(hull, period)
    return tickers <= BATCH_TICKERS and (tickers * length <= _BATCH or (alike and tickers <= _best_batch(length)))


@lru_cache(maxsize=64)
def _best_batch(length: int) -> int:
    """How many tickers to ask for at once so that a ticker costs least, each of them so many periods long."""
    return min(range(1, BATCH_TICKERS + 1), key=lambda tickers: (-(-length // (_BATCH // tickers)) / tickers, -tickers))


def _calls(batch: Sequence[Need], period: int) -> Iterator[Call]:
    hull = Span(min(need.span.start for need in batch), max(need.span.end for need in batch))
    most = _ARCHIVE if batch[0].archived else _BATCH // len(batch)
    if periods(hull, period) <= most:
        yield Call(tuple(batch), hull)
        return
    for span in pieces(hull, most * period * 60, step(period)):
        yield Call(tuple(batch), span)
