"""A ticker's candles, kept compressed: text as it stands in an answer."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from api.candlesticks.gzip_body import Deflated
from api.candlesticks.time_ranges import TimeRange
from kalshi_markets.exchange import Candle

SEPARATOR: Final = ",\n"
"""Between candles; within one there is no line break."""
BLOCK_SECONDS: Final = {1: 6 * 3600, 60: 4 * 86_400, 1440: 128 * 86_400}
"""By period, what is kept together at most: a hundred candles to some hundreds."""
_END: Final = re.compile(r'\{"end_period_ts":(-?\d+)')


class CandleChunk(NamedTuple):
    """All candles of a span, which lies within one block. fetched: it is not from the cache."""

    range: TimeRange
    data: Deflated | None
    fetched: bool = True

    @property
    def size(self) -> int:
        """Bytes as compressed."""
        return len(self.data.data) if self.data else 0

    def candles(self) -> list[Candle]:
        """Unpacked. Raises zlib.error where they are damaged."""
        texts = self.data.decompress().split(SEPARATOR) if self.data else []
        return [Candle(int(match[1]), text) for text in texts if (match := _END.match(text))]

    def trim(self, span: TimeRange) -> "CandleChunk | None":
        """Those of a span; None where the two have nothing in common."""
        if span.start <= self.range.start and self.range.end <= span.end:
            return self
        overlap = self.range.intersection(span)
        if overlap is None:
            return None
        return CandleChunk(
            overlap,
            _compress(candle for candle in self.candles() if overlap.start <= candle.end <= overlap.end),
            self.fetched,
        )


def _end(candle: Candle) -> int:
    return candle.end


def split_into_chunks(
    candles: Sequence[Candle], span: TimeRange, period: int, closed: int, grid: int
) -> list[CandleChunk]:
    """Those of a span, cut at the ends of blocks and at the last closed period, behind which nothing is for keeps.

    candles: oldest first.
    """
    packed, start = [], span.start
    while start <= span.end:
        last = (start // BLOCK_SECONDS[period] + 1) * BLOCK_SECONDS[period] - grid
        end = min(span.end, last, closed if start <= closed else last)
        first, behind = bisect_left(candles, start, key=_end), bisect_right(candles, end, key=_end)
        packed.append(CandleChunk(TimeRange(start, end), _compress(candles[first:behind])))
        start = end + grid
    return packed


def merge_chunks(pieces: Iterable[CandleChunk], period: int, closed: int, grid: int) -> list[CandleChunk]:
    """In order, those of one block that follow one another made one; none is merged over the last closed period."""
    chunks: list[CandleChunk] = []
    ordered = sorted(pieces, key=lambda piece: piece.range)
    for _, group in groupby(
        ordered, lambda piece: (piece.range.start // BLOCK_SECONDS[period], piece.range.end > closed)
    ):
        run: list[CandleChunk] = []
        for piece in group:
            if run and piece.range.start > run[-1].range.end + grid:
                chunks.append(_joined(run))
                run = []
            run.append(piece)
        chunks.append(_joined(run))
    return chunks


def _joined(run: Sequence[CandleChunk]) -> CandleChunk:
    if len(run) == 1:
        return run[0]
    span = TimeRange(run[0].range.start, max(piece.range.end for piece in run))
    texts = {candle.end: candle.text for piece in run for candle in piece.candles()}
    return CandleChunk(span, _compress(Candle(end, texts[end]) for end in sorted(texts)))


def _compress(candles: Iterable[Candle]) -> Deflated | None:
    text = SEPARATOR.join(candle.text for candle in candles)
    return Deflated.compress(text) if text else None
