"""From a question to the candles of each ticker: what is kept already, and for the rest the exchange."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from api.candlesticks.ask import ask
from api.candlesticks.cache import CandleCache
from api.candlesticks.markets import Life, Markets
from api.candlesticks.pieces import Piece
from api.candlesticks.plan import Need, calls_of_one
from api.candlesticks.question import ANSWER_BYTES, HELD_BYTES, Question
from api.candlesticks.request import CandlesticksRequest
from api.candlesticks.result import NO_ROOM, NO_TICKER, NOT_REACHED, TICKER, Result
from api.candlesticks.spans import periods
from api.errors import Code, Problem, refusal
from kalshi_markets.exchange import ExchangeClient

_CANDLES_A_READ: Final = 50_000
_STORE_SECONDS: Final = 1.0
"""Beyond the deadline, for what is still to be kept."""


async def fetch(
    asked: CandlesticksRequest, exchange: ExchangeClient, markets: Markets, cache: CandleCache, *, deadline: float
) -> list[Result]:
    """A result for each distinct ticker, in the order asked. deadline: on time.monotonic()'s clock, for the calls.

    Raises ApiError where a ticker alone takes more calls than the exchange permits before the deadline, DatabaseError,
    and what the limiter raises.
    """
    question = Question(asked, exchange, deadline)
    tickers = [result.ticker for result in question.found if TICKER.fullmatch(result.ticker)]
    lives = await asyncio.to_thread(markets.lives, tickers)
    for result in question.found:
        _begin(question, result, lives.get(result.ticker))
    await _read(question, cache)
    if needs := await _needs(question, markets, lives):
        await _refuse_endless(question, needs)
        await ask(question, cache, needs)
        await _finish(question, cache)
    return question.found


def _begin(question: Question, result: Result, life: Life | None) -> None:
    if not TICKER.fullmatch(result.ticker):
        result.fail(NO_TICKER)
        return
    result.span = question.span
    if life and question.span:
        result.span, result.settled = life.trimmed(question.span, question.period), life.kept_as


async def _read(question: Question, cache: CandleCache) -> None:
    """Takes what is kept, ticker by ticker, until what is complete fills an answer: the others have no room in it."""
    if question.span is None:
        return
    at_once = max(1, _CANDLES_A_READ // periods(question.span, question.period))
    asked = [result for result in question.found if result.span]
    is_complete = True
    for first in range(0, len(asked), at_once):
        if question.held > (ANSWER_BYTES if is_complete else HELD_BYTES):
            for result in asked[first:]:
                result.fail(NO_ROOM, again=True)
            return
        part = {result.ticker: result for result in asked[first : first + at_once] if result.settled is not None}
        kept: dict[str, list[Piece]] = defaultdict(list)
        for entry in await asyncio.to_thread(cache.read, [*part], question.period, question.span) if part else []:
            if entry.settled == part[entry.ticker].settled:
                kept[entry.ticker].append(entry.piece)
        for ticker, pieces in kept.items():
            question.take_kept(part[ticker], pieces)
        is_complete = is_complete and not any(question.gaps(result) for result in asked[first : first + at_once])


async def _needs(question: Question, markets: Markets, lives: Mapping[str, Life]) -> list[Need]:
    lacking = [(place, spans) for place, result in enumerate(question.found) if (spans := question.gaps(result))]
    settled = {place: life.settled for place, _ in lacking if (life := lives.get(question.found[place].ticker))}
    cutoff = 0.0
    if any(settled.values()):
        cutoff = await markets.cutoff(question.exchange, question.deadline)
    return [
        Need(place, question.found[place].ticker, span, archived=(settled.get(place) or cutoff) < cutoff)
        for place, spans in lacking
        for span in spans
    ]


async def _refuse_endless(question: Question, needs: Iterable[Need]) -> None:
    calls = max(calls_of_one(need, question.period) for need in needs)
    if calls > 1 and calls > (rate := await question.exchange.rate()) * (question.deadline - time.monotonic()):
        message = f"one ticker takes {calls:,} calls to the exchange, which permits {rate:g} a second"
        hint = "Ask for a shorter range or a longer period_interval."
        raise refusal([Problem(Code.TOO_MANY_CALLS, ("body",), message, hint)])


async def _finish(question: Question, cache: CandleCache) -> None:
    """Keeps what is left to be kept, while there is time; tells who was not reached."""
    is_full = question.held > HELD_BYTES
    for result in question.found:
        entries = question.for_keeps([result])
        if entries and time.monotonic() < question.deadline + _STORE_SECONDS:
            await asyncio.to_thread(cache.store, entries)
        if question.gaps(result):
            result.fail(NO_ROOM if is_full else NOT_REACHED, again=True)
