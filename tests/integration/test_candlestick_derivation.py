"""Candlesticks of other periods and zones, and filled ones, over the simulated exchange."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kalshi_markets.database import Database
from local.exchange.catalogue import Order
from local.exchange.http.server import ExchangeServer
from tests.integration.test_candlesticks import active, api, ask, now, server
from tests.support.api_client import ApiClient, error
from tests.support.database import delete_market, store_markets
from tests.support.scripted_server import Reply, ScriptedServer

__all__ = ["active", "api", "server"]

HOUR, DAY = 3600, 86_400
START = 1_767_225_600
"""2026-01-01T00:00:00Z."""


@pytest.fixture(scope="module")
def known(server: ExchangeServer, environment: Mapping[str, str], active: list[str]) -> Iterator[list[str]]:
    """Store the markets in the table, so that their closes are known. Yield the tickers of the active ones."""
    from tests.support.database import connect

    database = connect(environment)
    markets = [json.loads(market.json) for _, market in server.exchange.markets(Order.CREATED, None)]
    store_markets(database, *(market for market in markets if market["ticker"] in active))
    yield active
    for ticker in active:
        delete_market(database, ticker)
    database.close()


QUERIES: list[dict[str, Any]] = [
    {"period_interval": 5, "fill": "previous"},
    {"period_interval": 240},
    {"period_interval": 240, "fill": "mid"},
    {"period_interval": 60, "fill": "previous"},
    {"period_interval": 60, "fill": "mid"},
    {"period_interval": 1440, "fill": "previous"},
    {"period_interval": 1440, "tz": "Europe/Berlin", "fill": "previous"},
    {"period_interval": 1440, "tz": "Asia/Kathmandu"},
]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_get_and_post_have_the_same_candles_in_every_format(
    api: Callable[..., ApiClient], server: ExchangeServer, known: list[str], query: dict[str, Any]
) -> None:
    function = api(server)
    bounds = {"start_ts": now(server) - (3 * DAY if query["period_interval"] > 5 else DAY), "end_ts": now(server)}
    [result] = ask(function, known[-1:], **bounds, **query).json["results"]
    candles = result["candlesticks"]
    assert candles
    assert result["error"] is None
    parameters = "&".join(f"{name}={value}" for name, value in {**bounds, **query}.items())
    url = f"/markets/{known[-1]}/candlesticks?{parameters}"
    assert function.get(url).json == {"ticker": known[-1], "candlesticks": candles, "count": len(candles)}
    assert [json.loads(line) for line in function.get(f"{url}&format=ndjson").text.splitlines()] == candles
    records = list(csv.DictReader(io.StringIO(function.get(f"{url}&format=csv", accept_encoding="gzip").text)))
    assert len(records) == len(candles)
    for record, candle in zip(records, candles, strict=True):
        assert record["end_period_ts"] == str(candle["end_period_ts"])
        assert record["price_close_dollars"] == candle["price"].get("close_dollars", "")
        assert record.get("filled", "") == ("true" if candle.get("filled") else "")
        assert ("filled" in record) == ("fill" in query)


@pytest.mark.parametrize("fill", ["previous", "mid"])
def test_filled_candles_leave_no_gap_and_change_no_traded_candle(
    api: Callable[..., ApiClient], server: ExchangeServer, known: list[str], fill: str
) -> None:
    function, bounds = api(server), {"start_ts": now(server) - DAY, "end_ts": now(server) // HOUR * HOUR}
    plain = ask(function, known[:40], **bounds).json["results"]
    filled = ask(function, known[:40], **bounds, fill=fill).json["results"]
    added = 0
    for before, after in zip(plain, filled, strict=True):
        unfilled = {candle["end_period_ts"]: candle for candle in before["candlesticks"]}
        ends = [candle["end_period_ts"] for candle in after["candlesticks"]]
        priced = [listed["end_period_ts"] for listed in after["candlesticks"] if "close_dollars" in listed["price"]]
        if priced:
            assert priced == [*range(priced[0], bounds["end_ts"] + 1, HOUR)]
        assert unfilled.keys() <= {*ends}
        previous = None
        for candle in after["candlesticks"]:
            price = candle["price"]
            if candle.get("filled"):
                added += candle["end_period_ts"] not in unfilled
                assert candle["volume_fp"] == "0.00"
                assert len({price[f"{name}_dollars"] for name in ("open", "low", "high", "close")}) == 1
                if fill == "previous" and previous is not None:
                    assert price["close_dollars"] == previous
            else:
                assert candle == unfilled[candle["end_period_ts"]]
            previous = price.get("close_dollars", previous)
    assert added


def candle(end: int, price: Mapping[str, str], volume: str = "0.00") -> dict[str, Any]:
    quotes = {
        name: {f"{member}_dollars": value for member in ("open", "low", "high", "close")}
        for name, value in (("yes_bid", "0.2000"), ("yes_ask", "0.3000"))
    }
    return {"end_period_ts": end, **quotes, "price": price, "volume_fp": volume, "open_interest_fp": "1.00"}


TRADE = {f"{name}_dollars": "0.4000" for name in ("open", "low", "high", "close", "mean")}


def scripted(ticker: str, *candles: Mapping[str, Any]) -> ScriptedServer:
    body = {"markets": [{"market_ticker": ticker, "candlesticks": candles}]}
    return ScriptedServer([Reply(body=json.dumps(body).encode())])


def test_filling_ends_with_the_close_of_the_market(api: Callable[..., ApiClient], database: Database) -> None:
    ticker = "KXFILL-1"
    times = {"open_time": "2026-01-01T00:00:00Z", "close_time": "2026-01-01T04:30:00Z"}
    store_markets(database, {"ticker": ticker, "status": "closed", **times})
    with scripted(ticker, candle(START + HOUR, TRADE, "1.00"), candle(START + 7 * HOUR, {})) as exchange:
        [result] = ask(api(exchange), [ticker], start_ts=START, end_ts=START + DAY, fill="mid").json["results"]
    delete_market(database, ticker)
    shown = [
        ((listed["end_period_ts"] - START) // HOUR, listed["price"].get("close_dollars"))
        for listed in result["candlesticks"]
    ]
    assert shown == [(1, "0.4000"), (2, "0.2500"), (3, "0.2500"), (4, "0.2500"), (5, "0.2500"), (7, None)]


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ({"period_interval": 15}, "1"),
        ({"period_interval": 90}, "1"),
        ({"period_interval": 120}, "60"),
        ({"period_interval": 60, "fill": "mid"}, "60"),
        ({"period_interval": 1440, "fill": "mid"}, "1440"),
        ({"period_interval": 1440, "tz": "America/New_York"}, "1440"),
        ({"period_interval": 1440, "tz": "Europe/Berlin"}, "60"),
        ({"period_interval": 1440, "tz": "Asia/Kathmandu"}, "1"),
    ],
    ids=str,
)
def test_calls_request_as_few_candles_as_possible(
    api: Callable[..., ApiClient], query: dict[str, Any], source: str
) -> None:
    with scripted("KXA-1") as exchange:
        answer = ask(api(exchange), ["KXA-1"], start_ts=START, end_ts=START + 2 * DAY, **query)
        paths = [path for path, _ in exchange.requests]
    assert answer.json["results"][0]["error"] is None
    assert paths
    assert all(path.endswith(f"period_interval={source}") for path in paths)


def test_days_of_a_zone_end_at_its_midnight(
    api: Callable[..., ApiClient], server: ExchangeServer, known: list[str]
) -> None:
    for zone in ("Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"):
        query = {"start_ts": now(server) - 5 * DAY, "period_interval": 1440, "tz": zone, "fill": "previous"}
        results = ask(api(server), known[::20], **query).json["results"]
        ends = {listed["end_period_ts"] for result in results for listed in result["candlesticks"]}
        assert 3 <= len(ends) <= 6
        local = [datetime.fromtimestamp(end, UTC).astimezone(ZoneInfo(zone)) for end in ends]
        assert all((at.hour, at.minute, at.second) == (0, 0, 0) for at in local)


def test_the_limit_of_calls_counts_the_minutes_that_are_requested(api: Callable[..., ApiClient]) -> None:
    with scripted("T1") as exchange:
        function = api(exchange, EXCHANGE_RATE="5")
        hours = ask(function, ["T1"], start_ts=START - 900 * DAY, end_ts=START, period_interval=720)
        assert hours.status == 200
        called = len(exchange.requests)
        minutes = ask(function, ["T1"], start_ts=START - 900 * DAY, end_ts=START, period_interval=720 // 16)
        assert len(exchange.requests) == called
    error(minutes, 422, "too_many_calls")


def test_derived_candles_come_from_the_cache_of_the_exchanges(
    api: Callable[..., ApiClient], server: ExchangeServer, known: list[str]
) -> None:
    function = api(server)
    bounds = {"start_ts": now(server) - 30 * HOUR, "end_ts": now(server) - 2 * HOUR}
    first = ask(function, known[:20], **bounds, period_interval=120).json
    with ScriptedServer([Reply(503)]) as broken:
        repeated = ask(api(broken), known[:20], **bounds, period_interval=120).json
        assert broken.requests == []
    assert repeated == first


def test_a_candle_of_another_shape_is_an_exchange_error(api: Callable[..., ApiClient]) -> None:
    with scripted("KXA-1", candle(START + HOUR, {**TRADE, "low_dollars": "x"}, "1.00")) as exchange:
        query = {"start_ts": START, "end_ts": START + DAY, "period_interval": 120}
        [result] = ask(api(exchange), ["KXA-1"], **query).json["results"]
    assert (result["code"], result["candlesticks"]) == ("exchange_error", [])


def test_a_range_without_the_end_of_a_period_has_no_candles(api: Callable[..., ApiClient]) -> None:
    with scripted("KXA-1") as exchange:
        query = {"start_ts": START + 1, "end_ts": START + 60, "period_interval": 240, "fill": "previous"}
        [result] = ask(api(exchange), ["KXA-1"], **query).json["results"]
        assert exchange.requests == []
    assert (result["candlesticks"], result["error"]) == ([], None)


def hourly(ticker: str) -> dict[str, Any]:
    return {
        "market_ticker": ticker,
        "candlesticks": [candle(START + hour * HOUR, TRADE, "1.00") for hour in range(1, 25)],
    }


@pytest.mark.parametrize(
    ("limit", "value", "codes", "unanswered"),
    [
        ("MAX_RESPONSE_BYTES", 10, ["too_large", "too_large", "too_large"], []),
        ("MAX_RESPONSE_BYTES", 200, [None, None, "response_full"], ["T2"]),
        ("DERIVE_GRACE_SECONDS", -100, ["deadline"] * 3, ["T0", "T1", "T2"]),
    ],
)
def test_results_beyond_the_limits_of_size_and_time_are_reported(
    api: Callable[..., ApiClient],
    limit: str,
    value: int,
    codes: list[str | None],
    unanswered: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"api.candlesticks.derived_results.{limit}", value)
    tickers = ["T0", "T1", "T2"]
    body = {"markets": [hourly(ticker) for ticker in tickers]}
    with ScriptedServer([Reply(body=json.dumps(body).encode())]) as exchange:
        query = {"start_ts": START, "end_ts": START + DAY, "period_interval": 720}
        answer = ask(api(exchange), tickers, **query).json
    assert [result["code"] for result in answer["results"]] == codes
    assert answer["unanswered"] == unanswered
