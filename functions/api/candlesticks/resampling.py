"""Candlesticks of longer periods, merged from candlesticks of shorter ones."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from api.candlesticks.parsed_candle import JsonObject, ParsedCandle, build, read_price

_MEAN_STEP: Final = Decimal("0.0001")
"""Step of the exchange's means."""


def resample(candles: Iterable[ParsedCandle], boundaries: Sequence[int]) -> Iterator[ParsedCandle]:
    """Yield one candle for each period that has candles. Candles outside all periods are dropped.

    candles: oldest first. Each is within one period.
    boundaries: start of the first period, then the end of each period, in Unix seconds.
    """
    for index, group in groupby(candles, lambda candle: bisect_left(boundaries, candle.end)):
        if 0 < index < len(boundaries):
            yield build(boundaries[index], _merge([candle.fields for candle in group]))


def _merge(group: Sequence[JsonObject]) -> JsonObject:
    quotes = {name: _merge_prices(group, name) for name in ("yes_bid", "yes_ask")}
    price = _merge_prices(group, "price")
    if price and (mean := _merge_means(group)) is not None:
        price["mean_dollars"] = mean
    if (previous := read_price(group[0], "price", "previous")) is not None:
        price["previous_dollars"] = previous
    return {
        **{name: prices for name, prices in quotes.items() if prices},
        "price": price,
        "volume_fp": f"{sum(map(_volume, group)):f}",
        **{name: group[-1][name] for name in ("open_interest_fp",) if name in group[-1]},
    }


def _merge_prices(group: Sequence[JsonObject], name: str) -> dict[str, Any]:
    """Return open, low, high and close of the candles that have them; empty if none has."""
    prices = [fields[name] for fields in group if read_price(fields, name, "close") is not None]
    if not prices:
        return {}
    return {
        "open_dollars": prices[0]["open_dollars"],
        "low_dollars": min((price["low_dollars"] for price in prices), key=Decimal),
        "high_dollars": max((price["high_dollars"] for price in prices), key=Decimal),
        "close_dollars": prices[-1]["close_dollars"],
    }


def _merge_means(group: Sequence[JsonObject]) -> str | None:
    """Return the mean price, weighted by volume; None if nothing was traded."""
    means = [
        (Decimal(mean), _volume(fields))
        for fields in group
        if (mean := read_price(fields, "price", "mean")) is not None
    ]
    volume = sum(volume for _, volume in means)
    return f"{(sum(mean * volume for mean, volume in means) / volume).quantize(_MEAN_STEP):f}" if volume else None


def _volume(fields: JsonObject) -> Decimal:
    return Decimal(fields.get("volume_fp") or "0.00")
