"""One ticker's part of an answer."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from api.body import Deflated
from api.candlesticks.pieces import Piece
from api.candlesticks.spans import Span

TICKER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
NO_TICKER: Final = (
    "A ticker has only letters, digits, dots, dashes and underscores, and begins with one of the first two."
)
UNKNOWN: Final = "The exchange has no market of this ticker, neither live nor in its archive."
NO_CANDLES: Final = "It has no candlesticks in this range."
NOT_REACHED: Final = "It was not reached before the deadline; ask for it again."
NO_ROOM: Final = "There was no room for it in this answer; ask for it again."
TOO_LARGE: Final = "Its candlesticks do not fit into one answer; ask for a shorter range, and accept gzip."

_quoted: Final = json.JSONEncoder().encode
_span: Final = attrgetter("span")


@dataclass(slots=True)
class Result:
    """span: in which it can have candles, None for none; settled: whether candles of it are kept as a settled market's,
    None: not kept at all; again: whether the same question might be answered next time."""

    ticker: str
    span: Span | None = None
    settled: bool | None = None
    pieces: list[Piece] = field(default_factory=list)
    error: str | None = None
    again: bool = False

    @property
    def size(self) -> int:
        """Bytes of its candles as they are held."""
        return sum(piece.size for piece in self.pieces)

    def ordered(self) -> list[Piece]:
        """Its pieces, oldest first."""
        return sorted(self.pieces, key=_span) if len(self.pieces) > 1 else self.pieces

    def fail(self, error: str, *, again: bool = False) -> None:
        """It has this error, and no candles."""
        self.error, self.again, self.pieces = error, again, []

    def cut(self) -> list[Piece]:
        """What its pieces have of its span, oldest first."""
        span = self.span
        return [part for piece in self.ordered() if (part := piece.cut(span))] if span else []

    def candles(self) -> Sequence[Deflated]:
        """Those to be answered, in order, to be joined by SEPARATOR; without any it fails."""
        found = [piece.packed for piece in self.cut() if piece.packed]
        if not found and self.error is None:
            self.fail(NO_CANDLES)
        return found

    def begin(self) -> str:
        """Its JSON before the candles."""
        return f'{{"ticker":{_quoted(self.ticker)},"candlesticks":['

    def end(self) -> str:
        """Its JSON behind them."""
        return f'],"error":{_quoted(self.error)}}}' if self.error else '],"error":null}'
