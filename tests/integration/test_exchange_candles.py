"""Candlesticks of the simulated exchange: shapes, bounds, sparseness, caps and errors."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from local.exchange.clock import SECOND, Clock, parse
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer

NOW = parse("2026-11-24T12:00:00Z")
NOW_S = NOW // SECOND
HOUR, DAY = 3600, 86_400
LIVE_OHLC = {"open_dollars", "low_dollars", "high_dollars", "close_dollars"}

Json = dict[str, Any]


@pytest.fixture(scope="module")
def api() -> Iterator[httpx.Client]:
    with ExchangeServer(generate(11, 3000, Clock(NOW, speed=0))) as server, httpx.Client(base_url=server.url) as client:
        yield client


@pytest.fixture(scope="module")
def markets(api: httpx.Client) -> list[Json]:
    """Return quoted and traded markets that have been open for at least ten days, longest first."""
    first = api.get("/markets", params={"limit": 1000, "status": "open", "mve_filter": "exclude"}).json()
    rest = api.get("/markets", params={"limit": 1000, "status": "open", "cursor": first["cursor"]}).json()
    quoted = [market for market in first["markets"] + rest["markets"] if market["yes_bid_size_fp"] != "0.00"]
    traded = [market for market in quoted if market["volume_fp"] != "0.00"]
    old = [market for market in traded if opened(market) < NOW_S - 10 * DAY]
    return sorted(old, key=opened)


def opened(market: Json) -> int:
    return parse(market["open_time"]) // SECOND


def get(api: httpx.Client, ticker: str, period: int, start: int, end: int) -> httpx.Response:
    series = ticker.partition("-")[0]
    query = {"start_ts": start, "end_ts": end, "period_interval": period}
    return api.get(f"/series/{series}/markets/{ticker}/candlesticks", params=query)


def candles(api: httpx.Client, ticker: str, period: int, start: int, end: int) -> list[Json]:
    answer = get(api, ticker, period, start, end).json()
    assert answer["ticker"] == ticker
    candlesticks: list[Json] = answer["candlesticks"]
    return candlesticks


def test_hourly_candles_are_sparse_and_untraded_ones_have_no_prices(api: httpx.Client, markets: list[Json]) -> None:
    hourly = [
        candle for market in markets[:20] for candle in candles(api, market["ticker"], 60, NOW_S - 10 * DAY, NOW_S)
    ]
    assert 0.80 < len(hourly) / (20 * 240) < 0.99
    untraded = [candle for candle in hourly if candle["volume_fp"] == "0.00"]
    assert 0.65 < len(untraded) / len(hourly) < 0.85
    assert all(set(candle["price"]) <= {"previous_dollars"} for candle in untraded)
    assert all(set(candle["yes_bid"]) == set(candle["yes_ask"]) == LIVE_OHLC for candle in hourly)
    traded = [candle["price"] for candle in hourly if candle["volume_fp"] != "0.00"]
    assert all(LIVE_OHLC | {"mean_dollars"} <= set(price) for price in traded)
    for price in traded:
        low, high = float(price["low_dollars"]), float(price["high_dollars"])
        assert 0 < low <= float(price["open_dollars"]) <= high < 1
        assert low <= float(price["close_dollars"]) <= high


def test_a_candle_remembers_the_last_trade_before_it(api: httpx.Client, markets: list[Json]) -> None:
    hourly = candles(api, markets[0]["ticker"], 60, NOW_S - 10 * DAY, NOW_S)
    last = hourly[0]["price"].get("previous_dollars")
    for candle in hourly:
        assert candle["price"].get("previous_dollars") == last
        last = candle["price"].get("close_dollars", last)


@pytest.mark.parametrize(("period", "length"), [(1, 8 * HOUR), (60, 9 * DAY), (1440, 9 * DAY)])
def test_the_same_candles_come_however_the_range_is_cut(
    api: httpx.Client, markets: list[Json], period: int, length: int
) -> None:
    ticker, start = markets[0]["ticker"], NOW_S - length
    uncut = candles(api, ticker, period, start, NOW_S)
    middle = start + length // 3
    assert candles(api, ticker, period, start, middle) + candles(api, ticker, period, middle + 1, NOW_S) == uncut
    assert uncut


def test_both_ends_of_a_range_are_inclusive(api: httpx.Client, markets: list[Json]) -> None:
    ticker = markets[0]["ticker"]
    hourly = candles(api, ticker, 60, NOW_S - 2 * DAY, NOW_S)
    first, last = hourly[0]["end_period_ts"], hourly[-1]["end_period_ts"]
    assert candles(api, ticker, 60, first, last) == hourly
    assert candles(api, ticker, 60, first + 1, last - 1) == hourly[1:-1]


def test_minute_and_hour_candles_end_on_the_epoch_s_grid(api: httpx.Client, markets: list[Json]) -> None:
    for period, length in ((1, 2 * HOUR), (60, 2 * DAY)):
        ends = [candle["end_period_ts"] for candle in candles(api, markets[0]["ticker"], period, NOW_S - length, NOW_S)]
        assert ends == sorted(set(ends))
        assert all(end % (period * 60) == 0 for end in ends)


def test_daily_candles_end_at_midnight_in_new_york_on_both_sides_of_a_clock_change(
    api: httpx.Client, markets: list[Json]
) -> None:
    start = parse("2026-10-20T00:00:00Z") // SECOND
    assert opened(markets[0]) < start
    daily = candles(api, markets[0]["ticker"], 1440, start, NOW_S)
    ends = [datetime.fromtimestamp(candle["end_period_ts"], ZoneInfo("America/New_York")) for candle in daily]
    assert {(end.hour, end.minute, end.second) for end in ends} == {(0, 0, 0)}
    assert {candle["end_period_ts"] % DAY for candle in daily} == {4 * HOUR, 5 * HOUR}


def test_candles_lie_between_the_opening_and_one_period_after_the_close(api: httpx.Client) -> None:
    closed = api.get("/markets", params={"status": "closed", "limit": 200}).json()["markets"]
    count = 0
    for market in closed[::4]:
        opens, closes = opened(market), parse(market["close_time"]) // SECOND
        for candle in candles(api, market["ticker"], 60, closes - 20 * HOUR, closes + 20 * HOUR):
            assert opens < candle["end_period_ts"] <= min(closes + HOUR, NOW_S)
            count += 1
    assert count > 40


def test_no_candle_ends_after_now(api: httpx.Client, markets: list[Json]) -> None:
    assert (
        max(candle["end_period_ts"] for candle in candles(api, markets[0]["ticker"], 1, NOW_S - HOUR, NOW_S + HOUR))
        <= NOW_S
    )


def test_a_market_that_never_traded_has_no_price_in_any_candle(api: httpx.Client) -> None:
    page = api.get("/markets", params={"status": "closed", "limit": 1000}).json()["markets"]
    untraded = [market for market in page if market["volume_fp"] == "0.00"]
    shown = []
    for market in untraded[:30]:
        closes = parse(market["close_time"]) // SECOND
        shown += candles(api, market["ticker"], 60, closes - 100 * HOUR, closes)
    assert shown
    assert all((candle["price"], candle["volume_fp"]) == ({}, "0.00") for candle in shown)


def test_the_series_in_the_path_is_not_validated(api: httpx.Client, markets: list[Json]) -> None:
    ticker = markets[0]["ticker"]
    query = {"start_ts": NOW_S - DAY, "end_ts": NOW_S, "period_interval": 60}
    other = api.get(f"/series/NOSUCH/markets/{ticker}/candlesticks", params=query)
    assert other.json()["candlesticks"] == candles(api, ticker, 60, NOW_S - DAY, NOW_S)


def test_an_unknown_market_is_a_404(api: httpx.Client) -> None:
    response = get(api, "NOSUCH-26", 60, NOW_S - DAY, NOW_S)
    assert (response.status_code, response.json()) == (404, {"error": {"code": "not_found", "message": "not found"}})


def test_a_range_may_span_5000_candles_and_no_more(api: httpx.Client, markets: list[Json]) -> None:
    ticker = markets[0]["ticker"]
    assert get(api, ticker, 1, NOW_S - 5000 * 60, NOW_S).status_code == 200
    response = get(api, ticker, 1, NOW_S - 11400 * 60, NOW_S)
    assert (response.status_code, response.json()["error"]) == (
        400,
        {
            "code": "bad_request",
            "message": "bad request",
            "details": "requested time range with candlesticks: 11400.000000, max candlesticks: 5000",
        },
    )
    assert get(api, ticker, 1, NOW_S - 5000 * 60 - 1, NOW_S).status_code == 400


def test_a_range_that_ends_before_it_starts_is_empty(api: httpx.Client, markets: list[Json]) -> None:
    assert candles(api, markets[0]["ticker"], 60, NOW_S, NOW_S - DAY) == []


MESSAGES = [
    ("start_ts", None, "Query argument start_ts is required, but not found"),
    ("end_ts", None, "Query argument end_ts is required, but not found"),
    ("period_interval", None, "Query argument period_interval is required, but not found"),
    (
        "period_interval",
        "5",
        (
            "Parameter validation failed for GetMarketCandlesticks: Key: 'GetMarketCandlesticksParams.PeriodInterval' "
            "Error:Field validation for 'PeriodInterval' failed on the 'oneof' tag"
        ),
    ),
]


@pytest.mark.parametrize(("name", "value", "message"), MESSAGES)
def test_missing_and_invalid_parameters_are_rejected_by_the_router(
    api: httpx.Client, markets: list[Json], name: str, value: str | None, message: str
) -> None:
    query = {"start_ts": "1", "end_ts": "2", "period_interval": "60"}
    query.pop(name)
    response = api.get(
        f"/series/S/markets/{markets[0]['ticker']}/candlesticks", params=query | ({name: value} if value else {})
    )
    assert (response.status_code, response.json()) == (400, {"msg": message})


def batch(api: httpx.Client, tickers: list[str], period: int, start: int, end: int) -> httpx.Response:
    query: dict[str, str | int] = {"start_ts": start, "end_ts": end, "period_interval": period}
    query["market_tickers"] = ",".join(tickers)
    return api.get("/markets/candlesticks", params=query)


def test_a_batch_has_each_known_market_and_nothing_of_unknown_ones(api: httpx.Client, markets: list[Json]) -> None:
    unopened = api.get("/markets", params={"status": "unopened", "limit": 1}).json()["markets"][0]["ticker"]
    requested = [markets[0]["ticker"], "NOSUCH-26", unopened, markets[1]["ticker"]]
    answer = batch(api, requested, 60, NOW_S - DAY, NOW_S).json()["markets"]
    assert [market["market_ticker"] for market in answer] == [requested[0], requested[2], requested[3]]
    assert answer[1]["candlesticks"] == []
    assert answer[0]["candlesticks"] == candles(api, requested[0], 60, NOW_S - DAY, NOW_S) != []


def test_a_batch_has_no_more_than_100_tickers(api: httpx.Client) -> None:
    assert batch(api, ["A"] * 100, 60, NOW_S - 100 * HOUR, NOW_S).json() == {"markets": []}
    response = batch(api, ["A"] * 101, 60, NOW_S - HOUR, NOW_S)
    assert response.status_code == 400
    assert response.json()["error"]["details"] == "requested 101 markets, max markets: 100"


def test_a_batch_spans_no_more_than_10000_candles_of_all_its_markets(api: httpx.Client) -> None:
    assert batch(api, ["A"] * 10, 60, NOW_S - 1000 * HOUR, NOW_S).status_code == 200
    response = batch(api, ["A"] * 25, 1, NOW_S - 1440 * 60, NOW_S)
    assert response.status_code == 400
    details = "requested candlesticks across all markets: 36000, max candlesticks: 10000"
    assert response.json()["error"]["details"] == details


def test_a_batch_without_tickers_is_rejected_by_the_router(api: httpx.Client) -> None:
    response = api.get("/markets/candlesticks", params={"start_ts": 1, "end_ts": 2, "period_interval": 60})
    assert (response.status_code, response.json()) == (
        400,
        {"msg": "Query argument market_tickers is required, but not found"},
    )
