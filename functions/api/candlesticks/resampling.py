"""Candlesticks of longer periods, merged from candlesticks of shorter ones."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from api.candlesticks.parsed_candle import JsonObject, ParsedCandle, build, read_price

_MEAN_STEP: Final = Decimal("0.0001")
"""Step of the exchange's means."""


def resample(candles: Iterable[ParsedCandle], boundaries: Sequence[int]) -> Iterator[ParsedCandle]:
    """Yield one candle for each period that has candles. Candles outside all periods are dropped.

    candles: oldest first. Each is within one period.
    boundaries: start of the first period, then the end of each period, in Unix seconds.
    """
    group: list[JsonObject] = []
    start = end = boundaries[0]
    for candle in candles:
        if candle.end > end:
            if group:
                yield build(end, _merge(group))
            index = bisect_left(boundaries, candle.end)
            if index == len(boundaries):
                return
            end, group = boundaries[index], []
        if candle.end > start:
            group.append(candle.fields)
    if group:
        yield build(end, _merge(group))


def _merge(group: Sequence[JsonObject]) -> JsonObject:
    first, last = group[0], group[-1]
    merged: dict[str, Any] = {name: prices for name in ("yes_bid", "yes_ask") if (prices := _merge_prices(group, name))}
    price = _merge_prices(group, "price")
    if price and (mean := _merge_means(group)):
        price["mean_dollars"] = mean
    if (previous := read_price(first, "price", "previous_dollars")) is not None:
        price["previous_dollars"] = previous
    merged |= {"price": price, "volume_fp": f"{sum(map(_volume, group)):f}"}
    if (open_interest := last.get("open_interest_fp")) is not None:
        merged["open_interest_fp"] = open_interest
    return merged


def _merge_prices(group: Sequence[JsonObject], name: str) -> dict[str, Any]:
    """Return open, low, high and close of the candles that have them; empty if none has."""
    prices = [prices for fields in group if (prices := fields.get(name)) and prices.get("close_dollars") is not None]
    if not prices:
        return {}
    # Prices have less than 15 digits, so their order as floating-point numbers is exact.
    return {
        "open_dollars": prices[0]["open_dollars"],
        "low_dollars": min([price["low_dollars"] for price in prices], key=float),
        "high_dollars": max([price["high_dollars"] for price in prices], key=float),
        "close_dollars": prices[-1]["close_dollars"],
    }


def _merge_means(group: Sequence[JsonObject]) -> str | None:
    """Return the mean price, weighted by volume; None if nothing was traded."""
    means = [
        (Decimal(mean), _volume(fields))
        for fields in group
        if (mean := read_price(fields, "price", "mean_dollars")) is not None
    ]
    volume = sum(volume for _, volume in means)
    return f"{(sum(mean * volume for mean, volume in means) / volume).quantize(_MEAN_STEP):f}" if volume else None


def _volume(fields: JsonObject) -> Decimal:
    return Decimal(fields.get("volume_fp") or "0.00")
