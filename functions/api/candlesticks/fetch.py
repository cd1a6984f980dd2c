"""From a question to the candles of each ticker: what is kept already, and for the rest the exchange."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from api.candlesticks.ask import ask
from api.candlesticks.cache import CandleCache
from api.candlesticks.markets import Life, Markets
from api.candlesticks.plan import Need, calls_of_one
from api.candlesticks.question import ANSWER_BYTES, HELD_BYTES, Question
from api.candlesticks.request import CandlesticksRequest
from api.candlesticks.result import NO_ROOM, NO_TICKER, NOT_REACHED, TICKER, Result
from api.candlesticks.spans import Span, periods
from api.errors import Code, Problem, refusal
from kalshi_markets.exchange import ExchangeClient

_CANDLES_A_READ: Final = 20_000
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
    for result in question.found:
        if not TICKER.fullmatch(result.ticker):
            result.fail(NO_TICKER)
    lives = await asyncio.to_thread(markets.lives, [result.ticker for result in question.found if not result.error])
    lacking = await _read(question, question.span, cache, lives) if question.span else {}
    if needs := await _needs(question, markets, lives, lacking):
        await _refuse_endless(question, needs)
        await ask(question, cache, needs)
        await _finish(question, cache)
    return question.found


async def _read(
    question: Question, span: Span, cache: CandleCache, lives: Mapping[str, Life]
) -> Mapping[int, Sequence[Span]]:
    """Takes what is kept, ticker by ticker, until what is complete fills an answer: the others have no room in it.
    Returns what is lacking, by place."""
    lacking: dict[int, Sequence[Span]] = {}
    for part in _parts(question, lives):
        if question.held > (HELD_BYTES if lacking else ANSWER_BYTES):
            for result in part.values():
                result.fail(NO_ROOM, again=True)
            continue
        settled = {result.ticker: result.settled for result in part.values() if result.settled is not None}
        kept = await asyncio.to_thread(cache.read, settled, question.period, span)
        for place, result in part.items():
            if gaps := question.take_kept(result, kept.get(result.ticker, [])):
                lacking[place] = gaps
    return lacking


def _parts(question: Question, lives: Mapping[str, Life]) -> Iterator[Mapping[int, Result]]:
    """Tickers by place, as many at once as can have so many candles."""
    part: dict[int, Result] = {}
    candles = 0
    for place, result in enumerate(question.found):
        if not result.error:
            question.know(result, lives.get(result.ticker))
            part[place] = result
            candles += periods(result.span, question.period) if result.span else 0
        if candles >= _CANDLES_A_READ:
            yield part
            part, candles = {}, 0
    if part:
        yield part


async def _needs(
    question: Question, markets: Markets, lives: Mapping[str, Life], lacking: Mapping[int, Sequence[Span]]
) -> list[Need]:
    settled = {place: life.settled for place in lacking if (life := lives.get(question.found[place].ticker))}
    cutoff = 0.0
    if any(settled.values()):
        cutoff = await markets.cutoff(question.exchange, question.deadline)
    return [
        Need(place, question.found[place].ticker, span, archived=(settled.get(place) or cutoff) < cutoff)
        for place, spans in lacking.items()
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
