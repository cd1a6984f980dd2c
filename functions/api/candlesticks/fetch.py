"""From a question to the candles of each ticker: what is kept already, and for the rest the exchange."""

import asyncio
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from api.body import ENVELOPE, LAMBDA_LIMIT
from api.candlesticks.cache import CandleCache, Entry
from api.candlesticks.markets import Life, Markets
from api.candlesticks.pieces import merged, pack
from api.candlesticks.plan import Call, Need, calls_of_one, plan
from api.candlesticks.request import DAY, CandlesticksRequest
from api.candlesticks.result import NO_ROOM, NO_TICKER, NOT_REACHED, TICKER, TOO_LARGE, UNKNOWN, Result
from api.candlesticks.spans import Span, between, gaps, periods, step
from api.errors import ApiError, Code, Problem, refusal
from kalshi_markets.exchange import (
    BATCH_TICKERS,
    Candle,
    CandleQuery,
    ExchangeClient,
    ExchangeError,
    ExchangeUnavailable,
)

CALLS_AT_ONCE: Final = 20
"""As many as the client has connections: the rate is the limiter's."""
HELD_BYTES: Final = 32 << 20
"""Compressed candles that one question may bring: some answers' worth, which the cache keeps for the next ones."""
GRACE_SECONDS: Final = 60
"""An answer may come from the exchange's own cache, 15 s old: a period counts as closed so long after its end."""
_ANSWER_BYTES: Final = (LAMBDA_LIMIT - ENVELOPE) * 3 // 4
"""Compressed candles that no answer has room for."""
_CANDLES_A_READ: Final = 50_000
_STORE_SECONDS: Final = 1.0
"""Beyond the deadline, for what is still to be kept."""


@dataclass
class Fetch:
    """One question on its way. deadline: on time.monotonic()'s clock, for calls to the exchange."""

    asked: CandlesticksRequest
    exchange: ExchangeClient
    markets: Markets
    cache: CandleCache
    deadline: float
    _found: list[Result] = field(default_factory=list)
    _held: int = 0

    def __post_init__(self) -> None:
        self._period = self.asked.period_interval
        self._grid = step(self._period)
        start, end = self.asked.bounds()
        # A period may be under way, and the clocks may differ; later ones have no candles.
        self._span = between(start, min(end, int(self.exchange.now()) + self._period * 60 + DAY), self._period)

    @cached_property
    def _closed(self) -> int:
        """The last end of a period that is for keeps; by the exchange's clock, so not before it was heard."""
        return int(self.exchange.now() - GRACE_SECONDS) // self._grid * self._grid

    async def results(self) -> list[Result]:
        """One for each distinct ticker, in the order asked.

        Raises ApiError where a ticker alone takes more calls than the exchange permits before the deadline,
        DatabaseError, and what the limiter raises.
        """
        self._found = [Result(ticker) for ticker in dict.fromkeys(self.asked.tickers)]
        tickers = [result.ticker for result in self._found if TICKER.fullmatch(result.ticker)]
        lives = await asyncio.to_thread(self.markets.lives, tickers)
        for result in self._found:
            self._begin(result, lives.get(result.ticker))
        await self._read()
        if needs := await self._needs(lives):
            await self._refuse_endless(needs)
            left_out = await self._ask(needs)
            # Markets move to the archive before the table knows, and some it does not know at all.
            await self._ask(await self._archived(left_out))
            await self._finish()
        return self._found

    def _begin(self, result: Result, life: Life | None) -> None:
        if not TICKER.fullmatch(result.ticker):
            result.fail(NO_TICKER)
            return
        result.span, result.settled = self._span, None
        if life and self._span:
            result.span, result.settled = life.trimmed(self._span, self._period), life.kept_as

    async def _read(self) -> None:
        """Takes what is kept, ticker by ticker, until what is complete fills an answer: the others have no room."""
        if self._span is None:
            return
        at_once = max(1, _CANDLES_A_READ // periods(self._span, self._period))
        asked = [result for result in self._found if result.span]
        complete = True
        for first in range(0, len(asked), at_once):
            part = {result.ticker: result for result in asked[first : first + at_once]}
            if self._held > (_ANSWER_BYTES if complete else HELD_BYTES):
                for result in asked[first:]:
                    result.fail(NO_ROOM, again=True)
                return
            kept = [result.ticker for result in part.values() if result.settled is not None]
            for entry in await asyncio.to_thread(self.cache.read, kept, self._period, self._span) if kept else []:
                result = part[entry.ticker]
                if entry.settled == result.settled:
                    result.pieces.append(entry.piece)
                    self._held += entry.piece.size
            complete = complete and not any(self._gaps(result) for result in part.values())

    def _gaps(self, result: Result) -> Sequence[Span]:
        if result.span is None or result.error:
            return []
        return gaps(result.span, [piece.span for piece in result.ordered()], self._grid)

    async def _needs(self, lives: Mapping[str, Life]) -> list[Need]:
        lacking = [(place, result, spans) for place, result in enumerate(self._found) if (spans := self._gaps(result))]
        settled = {result.ticker: life.settled for _, result, _ in lacking if (life := lives.get(result.ticker))}
        cutoff = 0.0
        if any(settled.values()):
            cutoff = await self.markets.cutoff(self.exchange, self.deadline)
        return [
            Need(place, result.ticker, span, archived=(settled.get(result.ticker) or cutoff) < cutoff)
            for place, result, spans in lacking
            for span in spans
        ]

    async def _refuse_endless(self, needs: Iterable[Need]) -> None:
        most = max(calls_of_one(need, self._period) for need in needs)
        if most > 1 and most > (rate := await self.exchange.rate()) * (self.deadline - time.monotonic()):
            raise _too_many(most, rate)

    async def _ask(self, needs: Sequence[Need]) -> list[Need]:
        """Asks as long as there is time and room. Returns what the exchange left out."""
        calls = plan(needs, self._period)
        left_out: dict[Need, None] = {}

        async def work() -> None:
            for call in calls:
                if self._is_over():
                    return
                wanted = [need for need in call.needs if self._found[need.place].error is None]
                if wanted:
                    left_out.update(dict.fromkeys(await self._call(replace(call, needs=tuple(wanted)))))

        await _together(work() for _ in range(min(CALLS_AT_ONCE, len(needs))))
        return list(left_out)

    def _is_over(self) -> bool:
        return time.monotonic() >= self.deadline or self._held > HELD_BYTES

    async def _archived(self, left_out: Sequence[Need]) -> list[Need]:
        """Those whose ticker is in the archive; the others fail."""
        places = {need.ticker: need.place for need in left_out}
        groups = iter([[*places][at : at + BATCH_TICKERS] for at in range(0, len(places), BATCH_TICKERS)])
        archived: set[str] = set()

        async def work() -> None:
            for tickers in groups:
                if self._is_over():
                    return
                try:
                    found = await self.exchange.archived(tickers, deadline=self.deadline)
                except ExchangeError as error:
                    self._fail_all([self._found[places[ticker]] for ticker in tickers], error)
                    continue
                archived.update(found)
                for ticker in tickers:
                    if ticker not in found:
                        self._fail(self._found[places[ticker]], UNKNOWN)

        await _together(work() for _ in range(CALLS_AT_ONCE))
        return [replace(need, archived=True) for need in left_out if need.ticker in archived]

    async def _call(self, call: Call) -> list[Need]:
        """Takes what a call brings. Returns what it should have brought and did not."""
        try:
            found = await self._candles(call)
        except ExchangeError as error:
            self._fail_all([self._found[need.place] for need in call.needs], error)
            return []
        for need in call.needs:
            result = self._found[need.place]
            if need.ticker in found:
                self._take(result, need, call.span, found[need.ticker])
            elif need.archived:
                self._fail(result, UNKNOWN)
        whole = [need for need in call.needs if need.span == need.span.within(call.span)]
        await asyncio.to_thread(self.cache.store, self._for_keeps(self._found[need.place] for need in whole))
        return [need for need in call.needs if need.ticker not in found and not need.archived]

    async def _candles(self, call: Call) -> Mapping[str, Sequence[Candle]]:
        query = CandleQuery(*call.span, self._period)
        tickers = list(dict.fromkeys(need.ticker for need in call.needs))
        if not call.needs[0].archived:
            return await self.exchange.candlesticks(tickers, query, deadline=self.deadline)
        found = await self.exchange.archived_candlesticks(tickers[0], query, deadline=self.deadline)
        return {} if found is None else {tickers[0]: found}

    def _take(self, result: Result, need: Need, span: Span, candles: Sequence[Candle]) -> None:
        part = need.span.within(span)
        if result.error or part is None:
            return
        fresh = pack(candles, part, self._period, self._closed, self._grid)
        result.pieces += fresh
        self._held += sum(piece.size for piece in fresh)
        if result.size > _ANSWER_BYTES:
            self._fail(result, TOO_LARGE)

    def _fail(self, result: Result, error: str, *, again: bool = False) -> None:
        self._held -= result.size
        result.fail(error, again=again)

    def _fail_all(self, results: Iterable[Result], error: ExchangeError) -> None:
        for result in results:
            again = isinstance(error, ExchangeUnavailable)
            self._fail(result, f"The exchange gave no candlesticks: {error}", again=again)

    def _for_keeps(self, results: Iterable[Result]) -> list[Entry]:
        """What is new of closed periods, with the pieces of each block made one."""
        entries = []
        for result in results:
            if any(piece.fetched for piece in result.pieces):
                result.pieces = merged(result.pieces, self._period, self._closed, self._grid)
            for at, piece in enumerate(result.pieces):
                if piece.fetched and piece.span.end <= self._closed and result.settled is not None:
                    entries.append(Entry(result.ticker, self._period, result.settled, piece))
                    result.pieces[at] = replace(piece, fetched=False)
        return entries

    async def _finish(self) -> None:
        """Keeps what is left to be kept, while there is time; tells who was not reached."""
        for result in self._found:
            entries = self._for_keeps([result])
            if entries and time.monotonic() < self.deadline + _STORE_SECONDS:
                await asyncio.to_thread(self.cache.store, entries)
            if self._gaps(result):
                full = self._held > HELD_BYTES
                result.fail(NO_ROOM if full else NOT_REACHED, again=True)


async def _together(tasks: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Raises what the first one raises that fails."""
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(task)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _too_many(calls: int, rate: float) -> ApiError:
    message = f"one ticker takes {calls:,} calls to the exchange, which permits {rate:g} a second"
    hint = "Ask for a shorter range or a longer period_interval."
    return refusal([Problem(Code.TOO_MANY_CALLS, ("body",), message, hint)])
