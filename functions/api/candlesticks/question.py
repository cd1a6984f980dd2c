"""One question for candlesticks, and what is known of its answer so far."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from api.body import ENVELOPE, LAMBDA_LIMIT
from api.candlesticks.cache import Entry
from api.candlesticks.markets import Life
from api.candlesticks.pieces import Piece, merged, pack
from api.candlesticks.plan import Need
from api.candlesticks.request import DAY, CandlesticksRequest
from api.candlesticks.result import TOO_LARGE, Result
from api.candlesticks.spans import Span, between, gaps, step
from kalshi_markets.exchange import Candle, ExchangeClient, ExchangeError, ExchangeUnavailable

ANSWER_BYTES: Final = (LAMBDA_LIMIT - ENVELOPE) * 3 // 4
"""Compressed candles that no answer has room for."""
HELD_BYTES: Final = 16 << 20
"""Compressed candles that one question may bring: some answers' worth, which the cache keeps for the next ones."""
GRACE_SECONDS: Final = 60
"""An answer may come from the exchange's own cache, 15 s old: a period counts as closed so long after its end."""


@dataclass
class Question:
    """deadline: on time.monotonic()'s clock, for calls to the exchange; held: bytes of candles, as compressed;
    refusals: of calls by their span, since one was answered."""

    asked: CandlesticksRequest
    exchange: ExchangeClient
    deadline: float
    found: list[Result] = field(default_factory=list)
    held: int = 0
    refusals: Counter[Span] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.period = self.asked.period_interval
        self.grid = step(self.period)
        start, end = self.asked.bounds()
        # A period may be under way, and the clocks may differ; later ones have no candles.
        self.span = between(start, min(end, int(self.exchange.now()) + self.period * 60 + DAY), self.period)
        self.found = [Result(ticker) for ticker in dict.fromkeys(self.asked.tickers)]

    @cached_property
    def closed(self) -> int:
        """The last end of a period that is for keeps; by the exchange's clock, so not before that was heard."""
        return int(self.exchange.now() - GRACE_SECONDS) // self.grid * self.grid

    @property
    def is_over(self) -> bool:
        """Whether there is no time, or no room, for another call."""
        return time.monotonic() >= self.deadline or self.held > HELD_BYTES

    def gaps(self, result: Result) -> Sequence[Span]:
        """What a ticker still lacks."""
        if result.span is None or result.error:
            return []
        return gaps(result.span, [piece.span for piece in result.ordered()], self.grid)

    def know(self, result: Result, life: Life | None) -> None:
        """In which span a ticker can have candles, and how they are kept. life: its market's, if the table knows it."""
        result.span = self.span
        if life and self.span:
            result.span, result.settled = life.trimmed(self.span, self.period), life.kept_as

    def take_kept(self, result: Result, pieces: Sequence[Piece]) -> Sequence[Span]:
        """Adds what the cache has, in order; where nothing is lacking then, no more of it than is asked for. Returns
        what is lacking."""
        result.pieces += pieces
        lacking = self.gaps(result)
        if not lacking:
            result.pieces = result.cut()
        self.held += result.size
        return lacking

    def take(self, need: Need, span: Span, candles: Sequence[Candle]) -> None:
        """Adds the candles that a call for a span brought for a need."""
        result, part = self.found[need.place], need.span.within(span)
        if result.error or part is None:
            return
        fresh = pack(candles, part, self.period, self.closed, self.grid)
        result.pieces += fresh
        self.held += sum(piece.size for piece in fresh)
        if result.size > ANSWER_BYTES:
            self.fail(result, TOO_LARGE)

    def fail(self, result: Result, error: str, *, again: bool = False) -> None:
        """A ticker has no candles, but this error."""
        self.held -= result.size
        result.fail(error, again=again)

    def exchange_failed(self, places: Iterable[int], error: ExchangeError) -> None:
        """The exchange's error, told of each ticker."""
        for place in places:
            again = isinstance(error, ExchangeUnavailable)
            self.fail(self.found[place], f"The exchange gave no candlesticks: {error}", again=again)

    def for_keeps(self, results: Iterable[Result]) -> list[Entry]:
        """What is new of closed periods, with the pieces of each block made one."""
        entries = []
        for result in results:
            if any(piece.fetched for piece in result.pieces):
                result.pieces = merged(result.pieces, self.period, self.closed, self.grid)
            for at, piece in enumerate(result.pieces):
                if piece.fetched and piece.span.end <= self.closed and result.settled is not None:
                    entries.append(Entry(result.ticker, self.period, result.settled, piece))
                    result.pieces[at] = piece._replace(fetched=False)
        return entries
