"""Merging and filling of candlesticks, by example."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from api.candlesticks.boundaries import minute_boundaries
from api.candlesticks.filling import Periods, fill_candles
from api.candlesticks.parsed_candle import ParsedCandle
from api.candlesticks.resampling import resample

OHLC = ("open", "low", "high", "close")


def prices(*values: str, **others: str) -> dict[str, str]:
    return {f"{name}_dollars": value for name, value in (*zip(OHLC, values, strict=False), *others.items())}


def candle(end: int, bid: str, ask: str, price: Mapping[str, str], volume: str = "0.00") -> dict[str, Any]:
    return {
        "end_period_ts": end,
        "yes_bid": prices(*[bid] * 4),
        "yes_ask": prices(*[ask] * 4),
        "price": price,
        "volume_fp": volume,
        "open_interest_fp": "7.00",
    }


TRADED = candle(60, "0.3000", "0.4000", prices("0.3500", "0.3000", "0.4000", "0.3800", mean="0.3600"), "2.00")
QUOTED = candle(120, "0.3100", "0.3400", prices(previous="0.3800"))
RISEN = candle(
    180, "0.9000", "0.9200", prices("0.9100", "0.9000", "0.9100", "0.9000", mean="0.9070", previous="0.3800")
)
RISEN["volume_fp"] = "0.50"


def parsed(*candles: Mapping[str, Any]) -> list[ParsedCandle]:
    return [ParsedCandle(fields["end_period_ts"], fields, json.dumps(fields)) for fields in candles]


def filled(
    *candles: Mapping[str, Any], until: int = 360, closes: float | None = 1000, mid: bool = False
) -> list[dict[str, Any]]:
    periods = Periods(minute_boundaries(60, 360, 1), closes, until)
    return [json.loads(candle.text) for candle in fill_candles(parsed(*candles), periods, mid=mid)]


def closes_of(candles: Sequence[Mapping[str, Any]]) -> list[tuple[int, str | None, bool]]:
    return [
        (fields["end_period_ts"], fields["price"].get("close_dollars"), fields.get("filled", False))
        for fields in candles
    ]


def test_a_merged_candle_has_the_volume_and_the_prices_of_all() -> None:
    [merged] = resample(parsed(TRADED, QUOTED, RISEN), [0, 300])
    assert json.loads(merged.text) == {
        "end_period_ts": 300,
        "yes_bid": prices("0.3000", "0.3000", "0.9000", "0.9000"),
        "yes_ask": prices("0.4000", "0.3400", "0.9200", "0.9200"),
        # (0.36 × 2 + 0.907 × 0.5) ÷ 2.5 = 0.4694
        "price": prices("0.3500", "0.3000", "0.9100", "0.9000", mean="0.4694"),
        "volume_fp": "2.50",
        "open_interest_fp": "7.00",
    }


def test_a_merged_candle_without_a_trade_has_the_previous_price_alone() -> None:
    [merged] = resample(parsed(QUOTED), [0, 300])
    assert json.loads(merged.text) == QUOTED | {"end_period_ts": 300}


def test_candles_outside_the_periods_are_dropped() -> None:
    assert [candle.end for candle in resample(parsed(TRADED, QUOTED, RISEN), [60, 120])] == [120]


def test_a_candle_that_the_exchange_sent_without_prices_is_merged() -> None:
    [merged] = resample(parsed({"end_period_ts": 60}, {"end_period_ts": 120, "price": None}), [0, 300])
    assert json.loads(merged.text) == {"end_period_ts": 300, "price": {}, "volume_fp": "0.00"}


def test_previous_prices_fill_periods_without_a_trade() -> None:
    candles = filled(TRADED, QUOTED, until=300)
    assert closes_of(candles) == [(60, "0.3800", False), *[(end, "0.3800", True) for end in (120, 180, 240, 300)]]
    assert candles[0] == TRADED
    assert candles[1] == QUOTED | {"price": prices(*["0.3800"] * 4, previous="0.3800"), "filled": True}
    assert candles[2] == candles[1] | {"end_period_ts": 180}


def test_middles_fill_periods_without_a_trade() -> None:
    candles = filled(TRADED, QUOTED, RISEN, mid=True, until=240)
    assert closes_of(candles) == [
        (60, "0.3800", False),
        (120, "0.3250", True),
        (180, "0.9000", False),
        (240, "0.9100", True),
    ]


@pytest.mark.parametrize("mid", [False, True])
def test_a_market_that_was_traded_before_the_range_is_filled_from_its_start(mid: bool) -> None:
    assert closes_of(filled(RISEN, mid=mid, until=180)) == [
        (60, "0.9100" if mid else "0.3800", True),
        (120, "0.9100" if mid else "0.3800", True),
        (180, "0.9000", False),
    ]


def test_nothing_is_filled_before_the_first_price_or_without_any() -> None:
    unpriced = candle(120, "0.1000", "0.2000", {})
    assert filled(unpriced) == [unpriced]
    assert closes_of(filled(RISEN | {"price": prices(*["0.9000"] * 4)}, until=240)) == [
        (180, "0.9000", False),
        (240, "0.9000", True),
    ]
    assert filled() == []


def test_an_empty_book_has_no_middle() -> None:
    empty = candle(120, "0.0000", "1.0000", prices(previous="0.3800"))
    assert closes_of(filled(TRADED, empty, mid=True, until=180))[1:] == [(120, "0.3800", True), (180, "0.3800", True)]


@pytest.mark.parametrize("mid", [False, True])
def test_a_settlement_is_no_price(mid: bool) -> None:
    settled = [candle(end, "0.9900", "1.0000", prices(previous="0.3800")) for end in (180, 240)]
    candles = filled(TRADED, *settled, mid=mid, closes=150)
    middle = "0.3500" if mid else "0.3800"
    assert closes_of(candles) == [(60, "0.3800", False), (120, middle, True), (180, middle, True), (240, None, False)]
    assert candles[-1] == settled[-1]


def test_without_a_known_close_the_last_candle_is_the_end() -> None:
    assert [end for end, _, _ in closes_of(filled(TRADED, RISEN, closes=None))] == [60, 120, 180]


@pytest.mark.parametrize(
    ("start", "end", "minutes", "ends"),
    [(0, 899, 5, [0, 300, 600]), (1, 900, 15, [900]), (1, 899, 15, []), (900, 900, 15, [900])],
)
def test_periods_end_within_the_range(start: int, end: int, minutes: int, ends: list[int]) -> None:
    boundaries = [*minute_boundaries(start, end, minutes)]
    assert boundaries[1:] == ends
    assert boundaries[:1] == [end - minutes * 60 for end in ends[:1]]
