"""GET /markets/{ticker}/candlesticks: candlesticks of one market as JSON, NDJSON or CSV."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from api.candlesticks.chunks import SEPARATOR
from api.candlesticks.result import INVALID_TICKER, RESULT_TOO_LARGE, UNKNOWN_TICKER, Result, ResultError
from api.errors import RETRY_HINT, ApiError, ErrorCode, Problem, market_not_found, validation_error
from api.formats import CSV, JSON, Format
from api.responses import encode_body, encoded_response, fraction_of_limit

_OHLC: Final = ("open", "low", "high", "close")
_PRICES: Final = {"yes_bid": _OHLC, "yes_ask": _OHLC, "price": (*_OHLC, "mean", "previous")}
_PLAIN: Final = ("volume_fp", "open_interest_fp")
_PLAIN_AND_FILLED: Final = (*_PLAIN, "filled")


def single_response(request: Request, result: Result, format_: Format, *, with_filled: bool) -> Response:
    """Return the candlesticks of one market in a format.

    with_filled: whether CSV has the column `filled`.
    Raises ApiError if there is no such market, if the exchange does not respond, or if the response is too large.
    """
    texts = list(chain.from_iterable(packed.decompress().split(SEPARATOR) for packed in result.candles()))
    if result.error:
        raise _api_error(result.error)
    body = encode_body(request, _render(result.ticker, texts, format_, _PLAIN_AND_FILLED if with_filled else _PLAIN))
    if fraction_of_limit(body) > 1:
        raise _api_error(RESULT_TOO_LARGE)
    return encoded_response(body, format_.media_type)


def _render(ticker: str, texts: Sequence[str], format_: Format, plain: Sequence[str]) -> str:
    if format_ is JSON:
        return f'{{"ticker":{json.dumps(ticker)},"candlesticks":[{SEPARATOR.join(texts)}],"count":{len(texts)}}}'
    if format_ is not CSV:
        return "".join(text + format_.terminator for text in texts)
    names = [f"{name}_{member}_dollars" for name, members in _PRICES.items() for member in members]
    lines = [",".join(["end_period_ts", *names, *plain]), *(_csv_row(json.loads(text), plain) for text in texts)]
    return "".join(line + format_.terminator for line in lines)


def _csv_row(candle: Mapping[str, Any], plain: Sequence[str]) -> str:
    """Return the CSV line of a candle without its terminator. A missing price is an empty cell."""
    prices = [
        (candle.get(name) or {}).get(f"{member}_dollars") for name, members in _PRICES.items() for member in members
    ]
    cells = [candle["end_period_ts"], *prices, *(candle.get(name) for name in plain)]
    return ",".join("" if cell is None else "true" if cell is True else str(cell) for cell in cells)


def _api_error(error: ResultError) -> ApiError:
    if error in (UNKNOWN_TICKER, INVALID_TICKER):
        return market_not_found()
    if error == RESULT_TOO_LARGE:
        message = "start_ts and end_ts span more candlesticks than one response can hold"
        hint = "Request a shorter range, and accept gzip."
        return validation_error([Problem(ErrorCode.ANSWER_TOO_LARGE, ("query", "start_ts"), message, hint)])
    return ApiError(ErrorCode.EXCHANGE_UNAVAILABLE, error.message, RETRY_HINT)
