"""Parsing of candlesticks from the exchange's responses."""

import json
from typing import Any

import httpx
import pytest

from kalshi_markets.exchange import Candle, InvalidResponse
from kalshi_markets.exchange.candles import parse_archived, parse_batch

PRICES = {"open_dollars": "0.0100", "close_dollars": "0.0200"}
LIVE = {"end_period_ts": 3600, "yes_bid": PRICES, "price": {"previous_dollars": "0.0100"}, "volume_fp": "1.00"}


def batch(candles: Any, **written: Any) -> dict[str, list[Candle]]:
    body = {"markets": [{"market_ticker": "A", "candlesticks": candles}, {"market_ticker": "B", "candlesticks": []}]}
    return parse_batch(httpx.Response(200, text=json.dumps(body, **written)))


@pytest.mark.parametrize("written", [{"separators": (",", ":")}, {}, {"indent": 1}])
def test_a_live_candle_is_the_exchanges_object_however_it_is_written(written: dict[str, Any]) -> None:
    later = {**LIVE, "end_period_ts": 7200}
    candles = batch([later, LIVE], **written)
    assert candles["B"] == []
    assert [(end, json.loads(text)) for end, text in candles["A"]] == [(3600, LIVE), (7200, later)]
    assert not any("\n" in text for _, text in candles["A"])


@pytest.mark.parametrize(
    "odd",
    [
        {"volume_fp": "1.00", "end_period_ts": 3600},
        {"end_period_ts": 3600, "note": "}{"},
        {"end_period_ts": 3600, "note": '{"end_period_ts":1}'},
        {"end_period_ts": 3600, "deep": {"er": {"still": []}}},
    ],
)
def test_a_candle_of_another_form_loses_nothing(odd: dict[str, Any]) -> None:
    assert [json.loads(text) for _, text in batch([odd, LIVE], separators=(",", ":"))["A"]] == [odd, LIVE]


def text_of(body: str) -> list[list[tuple[int, str]]]:
    return [
        [(candle.end, candle.text) for candle in candles]
        for candles in parse_batch(httpx.Response(200, text=body)).values()
    ]


@pytest.mark.parametrize(
    "body",
    [
        # The number of objects that look like a candle equals the number of candles, but some are elsewhere.
        '{"adjusted":{"end_period_ts":5},"markets":[{"market_ticker":"A","candlesticks":[{"x":1,"end_period_ts":60}]}]}',
        '{"markets":[{"candlesticks":[{"x":1,"end_period_ts":60}],"last":{"end_period_ts":5},"market_ticker":"A"}]}',
        '{"markets":[{"end_period_ts":5,"market_ticker":"A","candlesticks":[]}]}',
        '{"markets":[{"market_ticker":"A","candlesticks":[{"end_period_ts":5}],"candlesticks":[{"y":1,"end_period_ts":60}]}]}',
        '{"markets":[{"market_ticker":"A","candlesticks":[{"end_period_ts":5,"x":1,"end_period_ts":60}]}]}',
        '{"markets":[{"market_ticker":"A","candlesticks":[{"deep":{"end_period_ts":5},"end_period_ts":60}]}]}',
        '{"markets":[{"market_ticker":"A","candlesticks":[{"end_period_ts":60,\r"x":1},{"end_period_ts":120}]}]}',
        '{"note":"{\\"end_period_ts\\":5}","markets":[{"market_ticker":"A","candlesticks":[{"end_period_ts":60}]}]}',
    ],
)
def test_a_text_is_taken_only_at_its_candles_place(body: str) -> None:
    [candles] = text_of(body)
    expected = json.loads(body)["markets"][0]["candlesticks"]
    assert [json.loads(text) for _, text in candles] == expected
    for end, text in candles:
        assert end == json.loads(text)["end_period_ts"]
        assert text.startswith(f'{{"end_period_ts":{end}')
        assert "\r" not in text
        assert "\n" not in text


@pytest.mark.parametrize("listed", [None, []])
def test_a_list_that_is_null_is_empty(listed: Any) -> None:
    assert parse_batch(httpx.Response(200, json={"markets": listed})) == {}
    assert batch(listed) == {"A": [], "B": []}
    assert parse_archived(httpx.Response(200, json={"candlesticks": listed})) == {"candlesticks": []}


@pytest.mark.parametrize("members", [("price",), ("yes_bid", "yes_ask"), ("yes_bid", "yes_ask", "price")])
def test_archived_prices_that_are_null_are_objects_without_prices(members: tuple[str, ...]) -> None:
    archived = {"end_period_ts": 3600, **dict.fromkeys(members), "volume": "0.00"}
    [candle] = parse_archived(httpx.Response(200, json={"candlesticks": [archived]}))["candlesticks"]
    assert json.loads(candle.text) == {"end_period_ts": 3600, **{member: {} for member in members}, "volume_fp": "0.00"}


def test_an_archived_candle_has_the_names_of_a_live_one_and_no_nulls() -> None:
    archived = {
        "end_period_ts": 3600,
        "yes_bid": {"open": "0.0100", "close": "0.0200"},
        "price": {"open": None, "mean": None, "previous": "0.0100"},
        "volume": "1.00",
    }
    [candle] = parse_archived(httpx.Response(200, json={"candlesticks": [archived]}))["candlesticks"]
    assert json.loads(candle.text) == LIVE


@pytest.mark.parametrize("candles", [[None], "text", [1], {"a": 1}, [{}], [{"end_period_ts": None}], [[]], 5])
def test_a_malformed_candle_is_an_invalid_response(candles: Any) -> None:
    with pytest.raises(InvalidResponse):
        batch(candles)
    with pytest.raises(InvalidResponse):
        parse_archived(httpx.Response(200, json={"candlesticks": candles}))
