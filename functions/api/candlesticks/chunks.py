"""Chunks of a ticker's candles: compressed JSON text, as it is written into a response."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from api.candlesticks.gzip_body import Deflated
from api.candlesticks.time_ranges import TimeRange
from kalshi_markets.exchange import Candle

SEPARATOR: Final = ",\n"
"""Text between two candles. The text of a candle has no line break."""
BLOCK_SECONDS: Final = {1: 6 * 3600, 60: 4 * 86_400, 1440: 128 * 86_400}
"""Length of a block by period: 360 candles of a minute, 96 of an hour, 128 of a day. A chunk is within one block."""
_END: Final = re.compile(r'\{"end_period_ts":(-?\d+)')


class CandleChunk(NamedTuple):
    """Compressed candles of a range within one block.

    data: None if the range has no candles.
    fetched: the chunk is from the exchange, not from the cache.
    """

    range: TimeRange
    data: Deflated | None
    fetched: bool = True

    @property
    def size(self) -> int:
        """Compressed size in bytes."""
        return len(self.data.data) if self.data else 0

    def candles(self) -> list[Candle]:
        """Return the decompressed candles. Raises zlib.error if the data is corrupt."""
        texts = self.data.decompress().split(SEPARATOR) if self.data else []
        return [Candle(int(match[1]), text) for text in texts if (match := _END.match(text))]

    def trim(self, span: TimeRange) -> "CandleChunk | None":
        """Return the part of the chunk that is in a range; None if they do not overlap."""
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
    """Split the candles of a range into chunks, at the ends of blocks and at the last closed period.

    candles: oldest first.
    closed: the end of the last closed period. Later periods are not cached.
    grid: the result of grid_seconds.
    """
    chunks, start = [], span.start
    while start <= span.end:
        last = (start // BLOCK_SECONDS[period] + 1) * BLOCK_SECONDS[period] - grid
        end = min(span.end, last, closed if start <= closed else last)
        first, after = bisect_left(candles, start, key=_end), bisect_right(candles, end, key=_end)
        chunks.append(CandleChunk(TimeRange(start, end), _compress(candles[first:after])))
        start = end + grid
    return chunks


def merge_chunks(chunks: Iterable[CandleChunk], period: int, closed: int, grid: int) -> list[CandleChunk]:
    """Merge adjacent chunks of the same block. Return them oldest first.

    Chunks before and after `closed`, the end of the last closed period, are not merged.
    """
    merged: list[CandleChunk] = []
    ordered = sorted(chunks, key=lambda chunk: chunk.range)
    for _, group in groupby(
        ordered, lambda chunk: (chunk.range.start // BLOCK_SECONDS[period], chunk.range.end > closed)
    ):
        run: list[CandleChunk] = []
        for chunk in group:
            if run and chunk.range.start > run[-1].range.end + grid:
                merged.append(_joined(run))
                run = []
            run.append(chunk)
        merged.append(_joined(run))
    return merged


def _joined(run: Sequence[CandleChunk]) -> CandleChunk:
    if len(run) == 1:
        return run[0]
    span = TimeRange(run[0].range.start, max(chunk.range.end for chunk in run))
    texts = {candle.end: candle.text for chunk in run for candle in chunk.candles()}
    return CandleChunk(span, _compress(Candle(end, texts[end]) for end in sorted(texts)))


def _compress(candles: Iterable[Candle]) -> Deflated | None:
    text = SEPARATOR.join(candle.text for candle in candles)
    return Deflated.compress(text) if text else None
