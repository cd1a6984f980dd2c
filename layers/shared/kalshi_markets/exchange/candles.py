"""Candlesticks as the exchange sends them, oldest first, both tiers in the live one's words."""

import json
import re
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

import httpx

from kalshi_markets.exchange.errors import InvalidResponse
from kalshi_markets.exchange.parsing import parse_object

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_PRICES: Final = frozenset({"yes_bid", "yes_ask", "price"})
_QUANTITIES: Final = frozenset({"volume", "open_interest"})

_FLAT: Final = r'[^{}"\r\n]*+(?:"[^"\\{}\r\n]*+"[^{}"\r\n]*+)*+'
_CANDLE_PATTERN: Final = re.compile(rf'(\{{"end_period_ts":\d+{_FLAT}(?:\{{{_FLAT}\}}{_FLAT})*+\}})')
"""A candle's text as the exchange usually writes it: objects in an object, plain strings, on one line. In JSON, what it
matches is one object: its first quote can only begin a name."""
_SHAPE_ERRORS: Final = (KeyError, TypeError, ValueError, AttributeError)
"""What an answer of another shape raises while it is read."""
_end: Final = attrgetter("end")

JsonObject = Mapping[str, Any]


class Candle(NamedTuple):
    """end: when its period ends, in Unix seconds; text: its JSON object, on one line, beginning with end_period_ts."""

    end: int
    text: str


def parse_batch(response: httpx.Response) -> dict[str, list[Candle]]:
    """By ticker. Raises InvalidResponse."""
    answer = parse_object(response, parse_float=str)  # a number that is no string keeps its digits as one
    try:
        markets = zip(answer["markets"] or [], _written(response.content.decode())["markets"] or [], strict=True)
        return {market["market_ticker"]: _sorted(_as_sent(market, written)) for market, written in markets}
    except _SHAPE_ERRORS as error:
        raise _invalid_response() from error


def parse_archived(response: httpx.Response) -> dict[str, list[Candle]]:
    """Under `candlesticks`. Raises InvalidResponse."""
    answer = parse_object(response, parse_float=str)
    try:
        return {"candlesticks": _sorted([_encoded(_as_live(fields)) for fields in answer["candlesticks"] or []])}
    except _SHAPE_ERRORS as error:
        raise _invalid_response() from error


def _written(body: str) -> Any:
    """Parse an answer with its candles left as text, each a tuple: to write each anew takes four times as long."""
    parts = _CANDLE_PATTERN.split(body)
    texts = zip(parts[1::2])
    # NaN is the placeholder: the answer was parsed, and no JSON has it. Placeholders are read in their order.
    return json.loads("NaN".join(parts[::2]), parse_constant=lambda _: next(texts))


def _as_sent(market: JsonObject, written: Any) -> list[Candle]:
    """Return a market's candles, as text where that is at its place in the answer with texts."""
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
    """The archive leaves the endings of the names out, and says null where the live tier says nothing (recorded on
    production, 2026-09)."""
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
