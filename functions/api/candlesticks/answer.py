"""{"results": […], "unanswered": [tickers to ask again]}: as many results as an answer has room for."""

import json
from collections.abc import Iterator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from api.answers import accepts_gzip, encoded
from api.body import Body, Deflated
from api.candlesticks.pieces import SEPARATOR
from api.candlesticks.result import NO_ROOM, TOO_LARGE, Result


def respond(request: Request, results: Sequence[Result]) -> Response:
    """The results in their order; from the first on that has no room, only the reason why."""
    compress = accepts_gzip(request)
    body = Body(compress=compress, reserve=Body(compress=compress).cost(_without_room(results)))
    body.append('{"results":[')
    fitted = _fit(body, results)
    left = results[fitted:]
    for result in left:
        if result.error is None:
            result.fail(NO_ROOM, again=True)
    texts = [result.begin() + result.end() for result in left]
    body.append(("," if fitted and left else "") + ",".join(texts) + _unanswered(results))
    return encoded(body.finish(), compress=compress)


def _fit(body: Body, results: Sequence[Result]) -> int:
    """How many results were added."""
    answered = False
    for place, result in enumerate(results):
        comma = "," if place else ""
        candles = list(_joined(result.candles()))
        while not body.add(comma + result.begin(), *candles, result.end()):
            if answered or not candles:
                return place
            # What has no room even when no other has taken any never will have.
            result.fail(TOO_LARGE)
            candles = []
        answered = answered or bool(candles)
    return len(results)


def _joined(packed: Sequence[Deflated]) -> Iterator[Deflated | str]:
    for place, candles in enumerate(packed):
        if place:
            yield SEPARATOR
        yield candles


def _without_room(results: Sequence[Result]) -> str:
    """The longest that an answer without any candles can be."""
    told = [
        Result(result.ticker, error=max(result.error or "", NO_ROOM, TOO_LARGE, key=len), again=True)
        for result in results
    ]
    return ",".join(result.begin() + result.end() for result in told) + _unanswered(told)


def _unanswered(results: Sequence[Result]) -> str:
    return '],"unanswered":' + json.dumps([result.ticker for result in results if result.again]) + "}"
