"""Parsers of the exchange's candlesticks, oldest first. Archived candles get the member names of live candles."""

import json
import re
import sys
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

import httpx

from kalshi_markets.exchange.errors import InvalidResponse
from kalshi_markets.exchange.parsing import parse_object

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_PRICES: Final = frozenset({"yes_bid", "yes_ask", "price"})
_QUANTITIES: Final = frozenset({"volume", "open_interest"})

# Python 3.11.2, Debian 12's, matches `{"note":"}` with possessive groups; greedy ones are right there, and slower.
_MANY: Final = "*+" if sys.version_info >= (3, 12) else "*"
_FLAT: Final = rf'[^{{}}"\r\n]{_MANY}(?:"[^"\\{{}}\r\n]{_MANY}"[^{{}}"\r\n]{_MANY}){_MANY}'
_CANDLE_PATTERN: Final = re.compile(rf'(\{{"end_period_ts":\d+{_FLAT}(?:\{{{_FLAT}\}}{_FLAT}){_MANY}\}})')
"""Pattern of a candle's text as the exchange usually writes it.

It is one line with objects in an object and strings without escapes. In valid JSON a match is exactly one object,
because its first quote can only begin a member's name.
"""
_SHAPE_ERRORS: Final = (KeyError, TypeError, ValueError, AttributeError)
"""Exceptions of a response that has another shape."""
_end: Final = attrgetter("end")

JsonObject = Mapping[str, Any]


class Candle(NamedTuple):
    """Candlestick of one period.

    end: end of the period, in Unix seconds.
    text: JSON object on one line; its first member is end_period_ts.
    """

    end: int
    text: str


def parse_batch(response: httpx.Response) -> dict[str, list[Candle]]:
    """Return the candles of a batch response, by ticker. Raises InvalidResponse."""
    answer = parse_object(response, parse_float=str)  # numbers become strings and keep their digits
    try:
        markets = zip(answer["markets"] or [], _written(response.content.decode())["markets"] or [], strict=True)
        return {market["market_ticker"]: _sorted(_as_sent(market, written)) for market, written in markets}
    except _SHAPE_ERRORS as error:
        raise _invalid_response() from error


def parse_archived(response: httpx.Response) -> dict[str, list[Candle]]:
    """Return the candles of an archive response, under the key `candlesticks`. Raises InvalidResponse."""
    answer = parse_object(response, parse_float=str)
    try:
        return {"candlesticks": _sorted([_encoded(_as_live(fields)) for fields in answer["candlesticks"] or []])}
    except _SHAPE_ERRORS as error:
        raise _invalid_response() from error


def _written(body: str) -> Any:
    """Parse a response, with each candle as a tuple of its text.

    Encoding every candle again takes four times as long.
    """
    parts = _CANDLE_PATTERN.split(body)
    texts = zip(parts[1::2])
    # NaN is the placeholder of a candle: it is not valid JSON, and the response was parsed before.
    return json.loads("NaN".join(parts[::2]), parse_constant=lambda _: next(texts))


def _as_sent(market: JsonObject, written: Any) -> list[Candle]:
    """Return the candles of a market. A candle whose text was matched keeps it; others are encoded again."""
    candles = market["candlesticks"] or []
    texts = (written["candlesticks"] or []) if isinstance(written, dict) else candles
    return [
        Candle(end, text[0])
        if isinstance(text, tuple) and type(end := fields["end_period_ts"]) is int and _begins_with(text[0], end)
        else _encoded(fields)
        for fields, text in zip(candles, texts, strict=True)
    ]


def _begins_with(text: str, end: int) -> bool:
    return text.startswith((f'{{"end_period_ts":{end},', f'{{"end_period_ts":{end}}}'))


def _encoded(fields: JsonObject) -> Candle:
    end = fields["end_period_ts"]
    if type(end) is not int:
        raise _invalid_response()
    return Candle(end, _ENCODER.encode({"end_period_ts": end, **fields}))


def _sorted(candles: list[Candle]) -> list[Candle]:
    candles.sort(key=_end)
    return candles


def _as_live(fields: JsonObject) -> JsonObject:
    """Return an archived candle with the member names of live candles.

    Names in the archive lack the suffixes `_fp` and `_dollars`. The archive has null where a live candle omits the
    member (recorded on production, 2026-09).
    """
    return {
        f"{name}_fp" if name in _QUANTITIES else name: _prices(value) if name in _PRICES else value
        for name, value in fields.items()
    }


def _prices(fields: JsonObject | None) -> JsonObject:
    return {
        name if name.endswith("_dollars") else f"{name}_dollars": price
        for name, price in (fields or {}).items()
        if price is not None
    }


def _invalid_response() -> InvalidResponse:
    return InvalidResponse("the exchange returned invalid candlesticks.")
