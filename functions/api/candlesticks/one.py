"""GET /markets/{ticker}/candlesticks: the same for one market, in the formats of /markets."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from api.answers import WORTH_COMPRESSING, accepts_gzip, coding, compressed, room_taken
from api.candlesticks.pieces import SEPARATOR
from api.candlesticks.result import NO_CANDLES, NO_TICKER, TOO_LARGE, UNKNOWN, Result
from api.errors import RETRY, ApiError, Code, Problem, market_not_found, refusal
from api.rows import CSV, JSON, Format

_OHLC: Final = ("open", "low", "high", "close")
_PRICES: Final = {"yes_bid": _OHLC, "yes_ask": _OHLC, "price": (*_OHLC, "mean", "previous")}
_PLAIN: Final = ("volume_fp", "open_interest_fp")


def respond(request: Request, result: Result, form: Format) -> Response:
    """Raises ApiError where there is no such market, the exchange does not answer, or the candles have no room."""
    texts = list(chain.from_iterable(packed.text().split(SEPARATOR) for packed in result.candles()))
    if result.error not in (None, NO_CANDLES):
        raise _error(result)
    text = _framed(result.ticker, texts, form)
    compress = accepts_gzip(request) and len(text) > WORTH_COMPRESSING
    body = compressed(text) if compress else text
    if room_taken(body) > 1:
        raise _error(Result(result.ticker, error=TOO_LARGE))
    return Response(body, 200, coding(compress=compress), form.media_type)


def _framed(ticker: str, texts: Sequence[str], form: Format) -> str:
    if form is JSON:
        return f'{{"ticker":{json.dumps(ticker)},"candlesticks":[{SEPARATOR.join(texts)}],"count":{len(texts)}}}'
    if form is not CSV:
        return "".join(text + form.ends for text in texts)
    names = [f"{name}_{member}_dollars" for name, members in _PRICES.items() for member in members]
    lines = [",".join(["end_period_ts", *names, *_PLAIN]), *(_record(json.loads(text)) for text in texts)]
    return "".join(line + form.ends for line in lines)


def _record(candle: Mapping[str, Any]) -> str:
    """Nothing stands for a price that there is none of."""
    prices = [
        (candle.get(name) or {}).get(f"{member}_dollars") for name, members in _PRICES.items() for member in members
    ]
    cells = [candle["end_period_ts"], *prices, *(candle.get(name) for name in _PLAIN)]
    return ",".join("" if cell is None else str(cell) for cell in cells)


def _error(result: Result) -> ApiError:
    if result.error in (UNKNOWN, NO_TICKER):
        return market_not_found()
    if result.error == TOO_LARGE:
        message = "start_ts and end_ts span more candlesticks than fit into one answer"
        hint = "Ask for a shorter range, and accept gzip."
        return refusal([Problem(Code.ANSWER_TOO_LARGE, ("query", "start_ts"), message, hint)])
    return ApiError(Code.EXCHANGE_UNAVAILABLE, str(result.error), RETRY)
