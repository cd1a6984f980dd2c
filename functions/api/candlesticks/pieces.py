"""A ticker's candles, kept compressed: text as it stands in an answer."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from api.body import Deflated
from api.candlesticks.spans import Span
from kalshi_markets.exchange import Candle

SEPARATOR: Final = ",\n"
"""Between candles; within one there is no line break."""
BLOCK_SECONDS: Final = {1: 6 * 3600, 60: 4 * 86_400, 1440: 128 * 86_400}
"""By period, what is kept together at most: a hundred candles to some hundreds."""
_END: Final = re.compile(r'\{"end_period_ts":(-?\d+)')


class Piece(NamedTuple):
    """All candles of a span, which lies within one block. fetched: it is not from the cache."""

    span: Span
    packed: Deflated | None
    fetched: bool = True

    @property
    def size(self) -> int:
        """Bytes as compressed."""
        return len(self.packed.data) if self.packed else 0

    def candles(self) -> list[Candle]:
        """Unpacked. Raises zlib.error where they are damaged."""
        texts = self.packed.text().split(SEPARATOR) if self.packed else []
        return [Candle(int(found[1]), text) for text in texts if (found := _END.match(text))]

    def cut(self, span: Span) -> "Piece | None":
        """Those of a span; None where the two have nothing in common."""
        if span.start <= self.span.start and self.span.end <= span.end:
            return self
        part = self.span.within(span)
        if part is None:
            return None
        return Piece(part, _packed(one for one in self.candles() if part.start <= one.end <= part.end), self.fetched)


def _end(candle: Candle) -> int:
    return candle.end


def pack(candles: Sequence[Candle], span: Span, period: int, closed: int, grid: int) -> list[Piece]:
    """Those of a span, cut at the ends of blocks and at the last closed period, behind which nothing is for keeps.

    candles: oldest first.
    """
    packed, start = [], span.start
    while start <= span.end:
        last = (start // BLOCK_SECONDS[period] + 1) * BLOCK_SECONDS[period] - grid
        end = min(span.end, last, closed if start <= closed else last)
        first, behind = bisect_left(candles, start, key=_end), bisect_right(candles, end, key=_end)
        packed.append(Piece(Span(start, end), _packed(candles[first:behind])))
        start = end + grid
    return packed


def merged(pieces: Iterable[Piece], period: int, closed: int, grid: int) -> list[Piece]:
    """In order, those of one block that follow one another made one; none is merged over the last closed period."""
    found: list[Piece] = []
    ordered = sorted(pieces, key=lambda piece: piece.span)
    for _, group in groupby(
        ordered, lambda piece: (piece.span.start // BLOCK_SECONDS[period], piece.span.end > closed)
    ):
        run: list[Piece] = []
        for piece in group:
            if run and piece.span.start > run[-1].span.end + grid:
                found.append(_joined(run))
                run = []
            run.append(piece)
        found.append(_joined(run))
    return found


def _joined(run: Sequence[Piece]) -> Piece:
    if len(run) == 1:
        return run[0]
    span = Span(run[0].span.start, max(piece.span.end for piece in run))
    texts = {candle.end: candle.text for piece in run for candle in piece.candles()}
    return Piece(span, _packed(Candle(end, texts[end]) for end in sorted(texts)))


def _packed(candles: Iterable[Candle]) -> Deflated | None:
    text = SEPARATOR.join(candle.text for candle in candles)
    return Deflated.of(text) if text else None
