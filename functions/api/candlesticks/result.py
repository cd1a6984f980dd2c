"""Result of one ticker in a candlestick response."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final, NamedTuple

from api.candlesticks.cache import CacheClass
from api.candlesticks.chunks import CandleChunk
from api.candlesticks.gzip_body import Deflated
from api.candlesticks.time_ranges import TimeRange

TICKER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class ResultError(NamedTuple):
    """Reason why a ticker has no candlesticks. code: stable, for programs. retryable: the same request may succeed."""

    code: str
    message: str
    retryable: bool = False


INVALID_TICKER: Final = ResultError(
    "invalid_ticker",
    'Invalid ticker: use letters, digits, ".", "-" and "_", starting with a letter or digit.',
)
UNKNOWN_TICKER: Final = ResultError("unknown_ticker", "The exchange has no such market, neither live nor archived.")
DEADLINE: Final = ResultError(
    "deadline", "The deadline passed before this ticker was fetched; request it again.", retryable=True
)
RESPONSE_FULL: Final = ResultError(
    "response_full", "The response size limit was reached; request this ticker again.", retryable=True
)
RESULT_TOO_LARGE: Final = ResultError(
    "too_large", "These candlesticks exceed the response size limit; request a shorter range, and accept gzip."
)


def exchange_error(message: str, *, retryable: bool) -> ResultError:
    """Return the error of a ticker whose request to the exchange failed."""
    return ResultError("exchange_error", f"The exchange returned no candlesticks: {message}", retryable)


_quoted: Final = json.JSONEncoder().encode
_range: Final = attrgetter("range")


@dataclass(slots=True)
class Result:
    """Candlesticks of one ticker, or the error instead.

    range: the part of the requested range in which the market can have candlesticks; None if it has none.
    cache_class: the treatment of the candlesticks by the cache.
    """

    ticker: str
    range: TimeRange | None = None
    cache_class: CacheClass = CacheClass.NOT_CACHED
    chunks: list[CandleChunk] = field(default_factory=list)
    error: ResultError | None = None

    @property
    def size(self) -> int:
        """Size of all chunks in bytes, compressed."""
        return sum(chunk.size for chunk in self.chunks)

    def ordered(self) -> list[CandleChunk]:
        """Return the chunks, oldest first."""
        return sorted(self.chunks, key=_range) if len(self.chunks) > 1 else self.chunks

    @property
    def retryable(self) -> bool:
        """Return whether the same request may succeed later."""
        return self.error is not None and self.error.retryable

    def fail(self, error: ResultError) -> None:
        """Set the error and drop the candlesticks."""
        self.error, self.chunks = error, []

    def trimmed(self) -> list[CandleChunk]:
        """Return the chunks trimmed to the range, oldest first."""
        span = self.range
        return [part for chunk in self.ordered() if (part := chunk.trim(span))] if span else []

    def candles(self) -> Sequence[Deflated]:
        """Return the compressed candlesticks in order, to be joined by SEPARATOR."""
        return [chunk.data for chunk in self.trimmed() if chunk.data]

    def json_prefix(self) -> str:
        """Return the JSON text before the candlesticks."""
        return f'{{"ticker":{_quoted(self.ticker)},"candlesticks":['

    def json_suffix(self) -> str:
        """Return the JSON text after the candlesticks."""
        message, code = (self.error.message, self.error.code) if self.error else (None, None)
        return f'],"error":{_quoted(message)},"code":{_quoted(code)}}}'
