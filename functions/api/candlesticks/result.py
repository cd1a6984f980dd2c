"""One ticker's part of an answer."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from api.candlesticks.chunks import CandleChunk
from api.candlesticks.gzip_body import Deflated
from api.candlesticks.time_ranges import TimeRange

TICKER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
INVALID_TICKER: Final = (
    "A ticker has only letters, digits, dots, dashes and underscores, and begins with one of the first two."
)
UNKNOWN_TICKER: Final = "The exchange has no market of this ticker, neither live nor in its archive."
NO_CANDLES: Final = "It has no candlesticks in this range."
DEADLINE: Final = "It was not reached before the deadline; ask for it again."
RESPONSE_FULL: Final = "There was no room for it in this answer; ask for it again."
RESULT_TOO_LARGE: Final = "Its candlesticks do not fit into one answer; ask for a shorter range, and accept gzip."

_quoted: Final = json.JSONEncoder().encode
_range: Final = attrgetter("range")


@dataclass(slots=True)
class Result:
    """span: in which it can have candles, None for none; settled: whether candles of it are kept as a settled market's,
    None: not kept at all; again: whether the same question might be answered next time."""

    ticker: str
    range: TimeRange | None = None
    settled: bool | None = None
    chunks: list[CandleChunk] = field(default_factory=list)
    error: str | None = None
    retryable: bool = False

    @property
    def size(self) -> int:
        """Bytes of its candles as they are held."""
        return sum(piece.size for piece in self.chunks)

    def ordered(self) -> list[CandleChunk]:
        """Its pieces, oldest first."""
        return sorted(self.chunks, key=_range) if len(self.chunks) > 1 else self.chunks

    def fail(self, error: str, *, retryable: bool = False) -> None:
        """It has this error, and no candles."""
        self.error, self.retryable, self.chunks = error, retryable, []

    def trimmed(self) -> list[CandleChunk]:
        """What its pieces have of its span, oldest first."""
        span = self.range
        return [part for piece in self.ordered() if (part := piece.trim(span))] if span else []

    def candles(self) -> Sequence[Deflated]:
        """Those to be answered, in order, to be joined by SEPARATOR; without any it fails."""
        candles = [piece.data for piece in self.trimmed() if piece.data]
        if not candles and self.error is None:
            self.fail(NO_CANDLES)
        return candles

    def json_prefix(self) -> str:
        """Its JSON before the candles."""
        return f'{{"ticker":{_quoted(self.ticker)},"candlesticks":['

    def json_suffix(self) -> str:
        """Its JSON behind them."""
        return f'],"error":{_quoted(self.error)}}}' if self.error else '],"error":null}'
