"""Candlesticks of many markets: many tickers, few calls to the exchange, errors told per ticker."""

import asyncio
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from starlette.requests import Request
from starlette.responses import Response

from api.answers import Body, accepts_gzip, encoded
from api.candlesticks_request import CandlesticksRequest
from api.errors import ApiError, Code, Problem, refusal
from kalshi_markets.exchange import CandleQuery, ExchangeClient, ExchangeError, ExchangeUnavailable
from kalshi_markets.exchange.client import BATCH_CANDLES
from kalshi_markets.exchange.listings import BATCH_TICKERS

_CANDLES_A_CALL: Final = BATCH_CANDLES * 9 // 10
"""The exchange counts periods its own way; this stays clear of the edge."""
_CALLS_AT_ONCE: Final = 8
_TICKER: Final = re.compile(r"[A-Za-z0-9._-]+")
_RESULTS_A_BATCH: Final = 20
NOT_LIVE: Final = "The exchange has no live market of this ticker; settled ones move to its archive."
NO_ROOM: Final = "There was no room for it in this answer; ask for it again."
TOO_LARGE: Final = "Its candlesticks do not fit into one answer; ask for a shorter range, and accept gzip."
NO_TICKER: Final = "A ticker has only letters, digits, dots, dashes and underscores."

Candle = dict[str, Any]


@dataclass
class Result:
    """One ticker's answer. asked_again: whether the same question might be answered next time."""

    ticker: str
    candlesticks: list[Candle] = field(default_factory=list)
    error: str | None = None
    asked_again: bool = False

    def take(self, answer: dict[str, list[Candle]] | ExchangeError) -> None:
        """Adds what a call brought; an error of any call is the ticker's."""
        if isinstance(answer, ExchangeError):
            self.error = f"The exchange gave no candlesticks: {answer}"
            self.asked_again = isinstance(answer, ExchangeUnavailable)
        elif self.ticker not in answer:
            self.error = self.error or NOT_LIVE
        else:
            self.candlesticks += answer[self.ticker]
        if self.error:
            self.candlesticks = []

    def json(self) -> str:
        """As in `results`."""
        members = {"ticker": self.ticker, "candlesticks": self.candlesticks, "error": self.error}
        return json.dumps(members, default=str)  # a Decimal stays exact as a string


async def fetch(request: CandlesticksRequest, exchange: ExchangeClient, *, deadline: float) -> list[Result]:
    """A result for each distinct ticker, in the order asked. deadline: on time.monotonic()'s clock.

    Raises ApiError when the exchange's rate does not permit the calls that this takes before the deadline, and what
    the limiter raises.
    """
    query = CandleQuery(*request.bounds(), request.period_interval)
    results = {ticker: Result(ticker) for ticker in request.tickers}
    askable = []
    for result in results.values():
        if not _TICKER.fullmatch(result.ticker):
            result.error = NO_TICKER
        else:
            askable.append(result)
    plan = _Plan.of(query)
    rate = await exchange.rate()
    if (count := plan.calls(len(askable))) > rate * (deadline - time.monotonic()):
        raise _too_many(count, rate)
    calls = [
        (askable[first : first + plan.group], part)
        for first in range(0, len(askable), plan.group)
        for part in plan.parts
    ]
    turns = asyncio.Semaphore(_CALLS_AT_ONCE)

    async def ask(asked: Sequence[Result], part: CandleQuery) -> dict[str, list[Candle]] | ExchangeError:
        async with turns:
            try:
                return await exchange.candlesticks([result.ticker for result in asked], part, deadline=deadline)
            except ExchangeError as error:
                return error

    try:
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(ask(*call)) for call in calls]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    for (asked, _), task in zip(calls, asking, strict=True):
        for result in asked:
            result.take(task.result())
    return list(results.values())


@dataclass(frozen=True)
class _Plan:
    """How a question is cut to the exchange's two limits: so many tickers a call, and ranges of so many seconds."""

    group: int
    step: int
    query: CandleQuery

    @classmethod
    def of(cls, query: CandleQuery) -> Self:
        seconds = query.period * 60
        periods = (query.end - query.start) // seconds + 2
        return cls(max(1, min(BATCH_TICKERS, _CANDLES_A_CALL // periods)), _CANDLES_A_CALL * seconds, query)

    def calls(self, tickers: int) -> int:
        """Counted, not made: a range of centuries has millions."""
        ranges = (self.query.end - self.query.start) // self.step + 1
        return -(-tickers // self.group) * ranges

    @property
    def parts(self) -> list[CandleQuery]:
        """In order, without doubles or holes, since both ends of a range are included."""
        query = self.query
        return [
            CandleQuery(start, min(start + self.step - 1, query.end), query.period)
            for start in range(query.start, query.end + 1, self.step)
        ]


def _too_many(calls: int, rate: float) -> ApiError:
    message = f"this takes {calls:,} calls to the exchange, which permits {rate:g} a second"
    hint = "Ask for fewer tickers, a shorter range or a longer period_interval."
    return refusal([Problem(Code.TOO_MANY_CALLS, ("body",), message, hint)])


def respond(request: Request, results: Sequence[Result]) -> Response:
    """{"results": […], "unanswered": [tickers to ask again]}; results beyond the byte budget are among the latter."""
    compress = accepts_gzip(request)
    if_no_room = [Result(result.ticker, error=NO_ROOM, asked_again=True) for result in results]
    reserve = sum(len(json.dumps(result.json())) + 2 * len(json.dumps(result.ticker)) for result in if_no_room)
    # Sentences that repeat compress at least four to one, tickers included.
    body = Body(compress=compress, reserve=reserve // 4 if compress else reserve)
    body.append('{"results":[')
    told = list(_fitted(body, results, if_no_room))
    body.append('],"unanswered":' + json.dumps([result.ticker for result in told if result.asked_again]) + "}")
    return encoded(body.finish(), compress=compress)


def _fitted(body: Body, results: Sequence[Result], if_no_room: Sequence[Result]) -> Iterator[Result]:
    """Adds the results in their order, from the first without room on only the reason why; yields what was added."""
    has_room, comma, answered = True, "", False
    for first in range(0, len(results), _RESULTS_A_BATCH):
        batch = results[first : first + _RESULTS_A_BATCH]
        if has_room and body.add(comma + ",".join(result.json() for result in batch)):
            comma, answered = ",", True
            yield from batch
            continue
        for at, result in enumerate(batch, first):
            has_room = has_room and body.add(comma + result.json())
            # What has no room even when it comes first never will have.
            told = result if has_room else if_no_room[at] if answered else Result(result.ticker, error=TOO_LARGE)
            if not has_room:
                body.append(comma + told.json())
            comma, answered = ",", True
            yield told
