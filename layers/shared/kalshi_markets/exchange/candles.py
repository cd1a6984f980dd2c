"""Candlesticks as the exchange sends them, oldest first, both tiers in the live one's words."""

import json
import re
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

import httpx

from kalshi_markets.exchange.errors import AnswerUnreadable
from kalshi_markets.exchange.transport import read_object

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_PRICES: Final = frozenset({"yes_bid", "yes_ask", "price"})
_QUANTITIES: Final = frozenset({"volume", "open_interest"})

_FLAT: Final = r'[^{}"\n]*+(?:"[^"\\{}\n]*+"[^{}"\n]*+)*+'
_AS_WRITTEN: Final = re.compile(rf'\{{"end_period_ts":\d+{_FLAT}(?:\{{{_FLAT}\}}{_FLAT})*+\}}')
"""A candle's text as the exchange usually writes it: objects in an object, plain strings. Found as often as there are
candles, it is taken as it is; to write each anew takes four times as long."""
_ODD: Final = (KeyError, TypeError, ValueError, AttributeError)
"""What an answer of another shape raises while it is read."""
_end: Final = attrgetter("end")

JsonObject = Mapping[str, Any]


class Candle(NamedTuple):
    """end: when its period ends, in Unix seconds; text: the JSON object, on one line."""

    end: int
    text: str


def read_batch(response: httpx.Response) -> dict[str, list[Candle]]:
    """By ticker. Raises AnswerUnreadable."""
    answer = read_object(response, real=str)  # a number that is no string keeps its digits as one
    try:
        markets = [(market["market_ticker"], market["candlesticks"] or []) for market in answer["markets"]]
        texts = _AS_WRITTEN.findall(response.content.decode())  # response.text would be kept
        if len(texts) != sum(len(candles) for _, candles in markets):
            return {ticker: _candles(candles, dict) for ticker, candles in markets}
        written = iter(texts)
        return {
            ticker: _in_order([_candle(fields, next(written)) for fields in candles]) for ticker, candles in markets
        }
    except _ODD as error:
        raise _unreadable() from error


def read_archived(response: httpx.Response) -> dict[str, list[Candle]]:
    """Under `candlesticks`. Raises AnswerUnreadable."""
    answer = read_object(response, real=str)
    try:
        return {"candlesticks": _candles(answer["candlesticks"], _as_live)}
    except _ODD as error:
        raise _unreadable() from error


def _candles(found: Any, shape: Callable[[JsonObject], JsonObject]) -> list[Candle]:
    return _in_order([_candle(fields, _ENCODER.encode(shape(fields))) for fields in found or []])


def _candle(fields: JsonObject, text: str) -> Candle:
    end = fields["end_period_ts"]
    if type(end) is not int:
        raise _unreadable()
    return Candle(end, text)


def _in_order(candles: list[Candle]) -> list[Candle]:
    candles.sort(key=_end)
    return candles


def _as_live(fields: JsonObject) -> JsonObject:
    """The archive leaves the endings of the names out, and says null where the live tier says nothing (recorded on
    production, 2026-09)."""
    return {
        f"{name}_fp" if name in _QUANTITIES else name: _prices(value) if name in _PRICES else value
        for name, value in fields.items()
    }


def _prices(fields: JsonObject) -> JsonObject:
    return {
        name if name.endswith("_dollars") else f"{name}_dollars": price
        for name, price in fields.items()
        if price is not None
    }


def _unreadable() -> AnswerUnreadable:
    return AnswerUnreadable("the exchange's candlesticks cannot be read.")
