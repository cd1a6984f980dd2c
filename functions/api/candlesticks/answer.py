"""{"results": […], "unanswered": [tickers to ask again]}: as many results as an answer has room for."""

import json
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from api.answers import accepts_gzip, encoded
from api.body import Body, Deflated
from api.candlesticks.pieces import SEPARATOR
from api.candlesticks.result import NO_ROOM, TOO_LARGE, Result

_SEPARATOR: Final = Deflated.of(SEPARATOR)


def respond(request: Request, results: Sequence[Result]) -> Response:
    """The results in their order; from the first on that has no room, only the reason why."""
    compress = accepts_gzip(request)
    body = Body(compress=compress, reserve=Body(compress=compress).cost(_without_candles(results)))
    fitted, owed = _fit(body, results)
    for result in results[fitted:]:
        if result.error is None:
            result.fail(NO_ROOM, again=True)
    left = ",".join(result.begin() + result.end() for result in results[fitted:])
    unanswered = json.dumps([result.ticker for result in results if result.again])
    body.append(f'{owed}{left}],"unanswered":{unanswered}}}')
    return encoded(body.finish(), compress=compress)


def _fit(body: Body, results: Sequence[Result]) -> tuple[int, str]:
    """How many results were added, and the text that is still to follow them: what stands between the candles of two
    results goes in as one."""
    answered, owed = False, '{"results":['
    for place, result in enumerate(results):
        candles = _joined(result.candles())
        while not body.add(owed + result.begin(), *candles):
            if answered or not candles:
                return place, owed
            # What has no room even when no other has taken any never will have.
            result.fail(TOO_LARGE)
            candles = []
        answered = answered or bool(candles)
        owed = result.end() + ("," if place + 1 < len(results) else "")
    return len(results), owed


def _joined(packed: Sequence[Deflated]) -> list[Deflated]:
    return [part for candles in packed for part in (_SEPARATOR, candles)][1:]


def _without_candles(results: Sequence[Result]) -> str:
    """As long as an answer without any candles can be, about."""
    longest = json.dumps(max((result.error or TOO_LARGE for result in results), key=len))
    tickers = json.dumps([result.ticker for result in results], separators=(",", ":"))
    return tickers + tickers.replace('","', f'","candlesticks":[],"error":{longest}}},{{"ticker":"') + longest
