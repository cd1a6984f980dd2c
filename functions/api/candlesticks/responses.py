"""Response of POST /markets/candlesticks: {"results": […], "unanswered": [tickers to request again]}."""

import json
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from api.candlesticks.chunks import SEPARATOR
from api.candlesticks.gzip_body import BoundedBody, Deflated
from api.candlesticks.result import RESPONSE_FULL, RESULT_TOO_LARGE, Result
from api.responses import accepts_gzip, encoded_response

_SEPARATOR: Final = Deflated.compress(SEPARATOR)


def batch_response(request: Request, results: Sequence[Result]) -> Response:
    """Return the response with all results in order. The first that does not fit and all later ones have an error."""
    compress = accepts_gzip(request)
    body = BoundedBody(compress=compress, reserve=BoundedBody(compress=compress).cost(_worst_case_text(results)))
    written, pending = _fill(body, results)
    for result in results[written:]:
        if result.error is None:
            result.fail(RESPONSE_FULL)
    rest = ",".join(result.json_prefix() + result.json_suffix() for result in results[written:])
    unanswered = json.dumps([result.ticker for result in results if result.retryable])
    body.append(f'{pending}{rest}],"unanswered":{unanswered}}}')
    return encoded_response(body.finish())


def _fill(body: BoundedBody, results: Sequence[Result]) -> tuple[int, str]:
    """Append results until the body is full. Return the number of appended results and the text still to be written.

    The end of one result and the start of the next are written together, so the end of the last one is returned.
    """
    answered, pending = False, '{"results":['
    for index, result in enumerate(results):
        candles = _interleave(result.candles())
        while not body.try_append(pending + result.json_prefix(), *candles):
            if answered or not candles:
                return index, pending
            # A result that does not fit into a body without other candles never fits.
            result.fail(RESULT_TOO_LARGE)
            candles = []
        answered = answered or bool(candles)
        pending = result.json_suffix() + ("," if index + 1 < len(results) else "")
    return len(results), pending


def _interleave(packed: Sequence[Deflated]) -> list[Deflated]:
    return [part for candles in packed for part in (_SEPARATOR, candles)][1:]


def _worst_case_text(results: Sequence[Result]) -> str:
    """Return a text of about the maximum length of a response without candles."""
    errors = [result.error or RESULT_TOO_LARGE for result in results]
    max_error = max((f'{json.dumps(error.message)},"code":"{error.code}"' for error in errors), key=len)
    tickers = json.dumps([result.ticker for result in results], separators=(",", ":"))
    return tickers + tickers.replace('","', f'","candlesticks":[],"error":{max_error}}},{{"ticker":"') + max_error
