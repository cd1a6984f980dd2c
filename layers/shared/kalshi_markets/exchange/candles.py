"""Candlesticks as the exchange sends them, oldest first, both tiers in the live one's words."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import httpx

from kalshi_markets.exchange.errors import AnswerUnreadable
from kalshi_markets.exchange.transport import read_object

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_PRICES: Final = frozenset({"yes_bid", "yes_ask", "price"})
_QUANTITIES: Final = frozenset({"volume", "open_interest"})

JsonObject = Mapping[str, Any]


class Candle(NamedTuple):
    """end: when its period ends, in Unix seconds; text: the JSON object, on one line."""

    end: int
    text: str


def read_batch(response: httpx.Response) -> dict[str, list[Candle]]:
    """By ticker. Raises AnswerUnreadable."""
    answer = read_object(response, real=str)  # a number that is no string keeps its digits as one
    try:
        return {market["market_ticker"]: _candles(market["candlesticks"], dict) for market in answer["markets"]}
    except (KeyError, TypeError) as error:
        raise _unreadable() from error


def read_archived(response: httpx.Response) -> dict[str, list[Candle]]:
    """Under `candlesticks`. Raises AnswerUnreadable."""
    answer = read_object(response, real=str)
    try:
        return {"candlesticks": _candles(answer["candlesticks"], _as_live)}
    except (KeyError, TypeError, AttributeError) as error:
        raise _unreadable() from error


def _candles(found: Any, shape: Callable[[JsonObject], JsonObject]) -> list[Candle]:
    candles = [Candle(fields["end_period_ts"], _ENCODER.encode(shape(fields))) for fields in found or []]
    if not all(type(candle.end) is int for candle in candles):
        raise _unreadable()
    candles.sort(key=lambda candle: candle.end)
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
