"""Candlesticks of many markets: many tickers, few calls to the exchange, errors told per ticker."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from api.answers import Body, accepts_gzip, encoded
from api.candlesticks_request import CandlesticksRequest
from api.errors import ApiError, Code, Problem, refusal
from kalshi_markets.exchange import CandleQuery, ExchangeClient, ExchangeError, ExchangeUnavailable
from kalshi_markets.exchange.client import BATCH_CANDLES, BATCH_TICKERS

_CANDLES_A_CALL: Final = BATCH_CANDLES * 9 // 10
"""The exchange counts periods its own way; this stays clear of the edge."""
_CALLS_AT_ONCE: Final = 8
_RESULTS_A_BATCH: Final = 20
NO_ROOM: Final = "There was no room for it in this answer; ask for it again."

Candle = dict[str, Any]


@dataclass
class Result:
    """One ticker's answer. asked_again: whether the same question might be answered next time."""

    ticker: str
    candlesticks: list[Candle] = field(default_factory=list)
    error: str | None = None
    asked_again: bool = False

    def json(self) -> str:
        """As in `results`."""
        members = {"ticker": self.ticker, "candlesticks": self.candlesticks, "error": self.error}
        return json.dumps(members, ensure_ascii=False, default=str)  # a Decimal stays exact as a string


async def fetch(request: CandlesticksRequest, exchange: ExchangeClient, *, deadline: float) -> list[Result]:
    """A result for each distinct ticker, in the order asked. deadline: on time.monotonic()'s clock.

    Raises ApiError when the exchange's rate does not permit the calls that this takes before the deadline.
    """
    query = CandleQuery(*request.bounds(), request.period_interval)
    results = {ticker: Result(ticker) for ticker in request.tickers}
    askable = []
    for result in results.values():
        if "," in result.ticker:
            result.error = "A ticker has no comma."
        else:
            askable.append(result)
    calls = _plan(askable, query)
    if len(calls) > exchange.rate * (deadline - time.monotonic()):
        raise _too_many(len(calls), exchange.rate)
    turns = asyncio.Semaphore(_CALLS_AT_ONCE)
    known: set[str] = set()

    async def ask(asked: Sequence[Result], part: CandleQuery) -> None:
        async with turns:
            known.update(await _ask(exchange, asked, part, deadline))

    await asyncio.gather(*(ask(*call) for call in calls))
    for result in askable:
        result.candlesticks = _joined(result.candlesticks) if result.error is None else []
        if result.error is None and result.ticker not in known:
            result.error = "The exchange has no live market of this ticker; settled ones move to its archive."
    return list(results.values())


async def _ask(exchange: ExchangeClient, asked: Sequence[Result], part: CandleQuery, deadline: float) -> set[str]:
    """Adds one call's candles or its error to the results; the tickers that the exchange knows."""
    try:
        candles = await exchange.candlesticks([result.ticker for result in asked], part, deadline=deadline)
    except ExchangeError as error:
        for result in asked:
            result.error = f"The exchange gave no candlesticks: {error}"
            result.asked_again = isinstance(error, ExchangeUnavailable)
        return set()
    for result in asked:
        result.candlesticks.extend(candles.get(result.ticker, []))
    return set(candles)


def _plan(asked: Sequence[Result], query: CandleQuery) -> list[tuple[Sequence[Result], CandleQuery]]:
    """Calls within both of the exchange's limits: tickers grouped, and a range that is too long for one ticker cut."""
    seconds = query.period * 60
    periods = (query.end - query.start) // seconds + 2
    group = max(1, min(BATCH_TICKERS, _CANDLES_A_CALL // periods))
    step = _CANDLES_A_CALL * seconds
    parts = [
        CandleQuery(start, min(start + step - 1, query.end), query.period)
        for start in range(query.start, query.end + 1, step)
    ]
    return [(asked[first : first + group], part) for first in range(0, len(asked), group) for part in parts]


def _joined(candles: list[Candle]) -> list[Candle]:
    return sorted(candles, key=lambda candle: candle.get("end_period_ts") or 0)


def _too_many(calls: int, rate: float) -> ApiError:
    message = f"this takes {calls:,} calls to the exchange, which permits {rate:g} a second"
    hint = "Ask for fewer tickers, a shorter range or a longer period_interval."
    return refusal([Problem(Code.TOO_MANY_CALLS, ("body",), message, hint)])


def respond(request: Request, results: Sequence[Result]) -> Response:
    """{"results": […], "unanswered": [tickers to ask again]}; results beyond the byte budget are among the latter."""
    compress = accepts_gzip(request) and len(results) > 1
    if_no_room = [Result(result.ticker, error=NO_ROOM, asked_again=True) for result in results]
    reserve = sum(len(json.dumps(result.json())) + 2 * len(json.dumps(result.ticker)) for result in if_no_room)
    # Sentences that repeat compress at least four to one, tickers included.
    body = Body(compress=compress, reserve=reserve // 4 if compress else reserve)
    body.append('{"results":[')
    has_room, unanswered = True, []
    for first in range(0, len(results), _RESULTS_A_BATCH):
        batch = results[first : first + _RESULTS_A_BATCH]
        start = "," if first else ""
        has_room = has_room and body.add(start + ",".join(result.json() for result in batch))
        if not has_room:
            batch = if_no_room[first : first + _RESULTS_A_BATCH]
            body.append(start + ",".join(result.json() for result in batch))
        unanswered += [result.ticker for result in batch if result.asked_again]
    body.append('],"unanswered":' + json.dumps(unanswered, ensure_ascii=False) + "}")
    return encoded(body.finish(), compress=compress)
