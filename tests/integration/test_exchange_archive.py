"""Archive of the simulated exchange: /historical/*, events without live markets, candlesticks of archived events."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from local.exchange.clock import DAY, SECOND, Clock, parse
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from tests.support.listings import fetch_all, tickers_of

NOW = parse("2026-11-24T12:00:00Z")
NOW_S = NOW // SECOND
HOUR = 3600
ARCHIVE = "/historical/markets"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def api() -> Iterator[httpx.Client]:
    """Yield a client of an exchange that started eight days ago, so that some markets have been archived since."""
    exchange = generate(12, 2000, Clock(NOW - 8 * DAY, speed=0), archived=1500)
    exchange.clock.set(NOW)
    with ExchangeServer(exchange) as server, httpx.Client(base_url=server.url) as client:
        yield client


@pytest.fixture(scope="module")
def archived(api: httpx.Client) -> list[Json]:
    return fetch_all(api, ARCHIVE, limit=300)


def test_the_archive_holds_what_settled_before_the_cutoff_newest_first(api: httpx.Client, archived: list[Json]) -> None:
    cutoff = parse(api.get("/historical/cutoff").json()["market_settled_ts"])
    assert cutoff == parse("2026-09-25T00:00:00Z")
    assert len(archived) > 1300
    assert all(parse(market["settlement_ts"]) < cutoff for market in archived)
    keys = [(parse(market["created_time"]), market["ticker"]) for market in archived]
    assert keys == sorted(keys, reverse=True)


def test_an_archived_market_is_no_longer_live_unless_it_lingers(api: httpx.Client, archived: list[Json]) -> None:
    lingering = 0
    for market in archived[:400]:
        response = api.get(f"/markets/{market['ticker']}")
        if response.status_code == 200:
            assert response.json() == {"market": market}
            assert parse(market["settlement_ts"]) >= parse("2026-09-22T00:00:00Z")
            lingering += 1
        else:
            assert response.json() == {"error": {"code": "not_found", "message": "not found"}}
    assert 0 < lingering < 100


def test_an_archived_market_is_found_and_an_unknown_one_has_the_archives_own_404(
    api: httpx.Client, archived: list[Json]
) -> None:
    assert api.get(f"/historical/markets/{archived[0]['ticker']}").json() == {"market": archived[0]}
    live = api.get("/markets", params={"limit": 1, "status": "open"}).json()["markets"][0]["ticker"]
    for path in ("NOSUCH", live, "NOSUCH/candlesticks?start_ts=1&end_ts=2&period_interval=60"):
        response = api.get(f"/historical/markets/{path}")
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "failed_to_get_market_by_ticker:_not_found"


def test_statuses_and_times_are_silently_ignored(api: httpx.Client, archived: list[Json]) -> None:
    first = api.get("/historical/markets").json()
    for query in ({"status": "open"}, {"min_close_ts": NOW_S}, {"max_settled_ts": 1}, {"status": "nonsense"}):
        assert api.get("/historical/markets", params=query).json() == first
    assert len(first["markets"]) == 100


def test_archived_markets_are_found_by_ticker_event_series_and_without_combos(
    api: httpx.Client, archived: list[Json]
) -> None:
    some = archived[5:600:90]
    assert tickers_of(
        fetch_all(api, ARCHIVE, limit=300, tickers=",".join(["NOSUCH", *tickers_of(some)]))
    ) == tickers_of(some)
    event = archived[0]["event_ticker"]
    of_event = {market["ticker"] for market in archived if market["event_ticker"] == event}
    assert tickers_of(fetch_all(api, ARCHIVE, limit=300, event_ticker=event)) == of_event
    series = api.get(f"/events/{event}").json()["event"]["series_ticker"]
    of_series = tickers_of(fetch_all(api, ARCHIVE, limit=300, series_ticker=series))
    assert of_event <= of_series
    assert all(ticker.startswith(series + "-") for ticker in of_series)
    combos = {ticker for ticker in tickers_of(archived) if ticker.startswith("KXMVE")}
    assert tickers_of(fetch_all(api, ARCHIVE, limit=300, mve_filter="exclude")) == tickers_of(archived) - combos
    response = api.get("/historical/markets", params={"mve_filter": "only"})
    assert response.status_code == 400


def test_a_page_has_no_more_than_1000_markets(api: httpx.Client) -> None:
    assert len(api.get("/historical/markets", params={"limit": 1000}).json()["markets"]) == 1000
    response = api.get("/historical/markets", params={"limit": 1001})
    assert (response.status_code, "GetHistoricalMarkets" in response.json()["msg"]) == (400, True)


def test_archived_candles_have_bare_names_explicit_nulls_and_the_market_s_whole_volume(
    api: httpx.Client, archived: list[Json]
) -> None:
    traded = 0
    for market in archived[:200:20]:
        opens, closes = parse(market["open_time"]) // SECOND, parse(market["close_time"]) // SECOND
        query = {"start_ts": min(opens, closes), "end_ts": max(opens, closes) + 86_400, "period_interval": 1440}
        answer = api.get(f"/historical/markets/{market['ticker']}/candlesticks", params=query).json()
        assert answer["ticker"] == market["ticker"]
        for candle in answer["candlesticks"]:
            assert set(candle) == {"end_period_ts", "yes_bid", "yes_ask", "price", "volume", "open_interest"}
            assert set(candle["price"]) == {"open", "low", "high", "close", "mean", "previous"}
            assert (candle["price"]["open"] is None) is (candle["volume"] == "0.00")
            assert set(candle["yes_bid"]) == {"open", "low", "high", "close"}
        volume = sum(round(float(candle["volume"]) * 100) for candle in answer["candlesticks"])
        assert volume == round(float(market["volume_fp"]) * 100)
        traded += volume > 0
    assert traded
    query = {"start_ts": NOW_S - 5001 * HOUR, "end_ts": NOW_S, "period_interval": 60}
    response = api.get(f"/historical/markets/{archived[0]['ticker']}/candlesticks", params=query)
    assert "max candlesticks: 5000" in response.json()["error"]["details"]


def test_archived_markets_have_no_live_candles(api: httpx.Client, archived: list[Json]) -> None:
    ticker = archived[-1]["ticker"]
    query = {"start_ts": NOW_S - HOUR, "end_ts": NOW_S, "period_interval": 60}
    assert api.get(f"/series/S/markets/{ticker}/candlesticks", params=query).status_code == 404
    assert api.get("/markets/candlesticks", params={**query, "market_tickers": ticker}).json() == {"markets": []}


def test_an_event_of_archived_markets_goes_on_without_them(api: httpx.Client, archived: list[Json]) -> None:
    event = next(market["event_ticker"] for market in reversed(archived) if not market["ticker"].startswith("KXMVE"))
    nested = api.get("/events", params={"tickers": event, "with_nested_markets": "true"}).json()["events"]
    assert [nested_event["event_ticker"] for nested_event in nested] == [event]
    assert "markets" not in nested[0]
    assert api.get(f"/events/{event}").json() == {"event": nested[0], "markets": []}
    assert api.get("/events", params={"tickers": event, "status": "settled"}).json()["events"] == nested


def test_events_are_found_by_ticker_close_and_last_update(api: httpx.Client) -> None:
    events = api.get("/events", params={"limit": 60}).json()["events"]
    known = [event["event_ticker"] for event in events[::20]]
    query = {"tickers": ",".join([*known, "NOSUCH"])}
    assert [found_event["event_ticker"] for found_event in api.get("/events", params=query).json()["events"]] == known
    since = NOW_S - 5 * 86_400
    updated = api.get("/events", params={"min_updated_ts": since}).json()["events"]
    assert updated
    assert all(parse(event["last_updated_ts"]) > since * SECOND for event in updated)
    later: dict[str, str | int] = {"min_close_ts": NOW_S + 300 * 86_400, "with_nested_markets": "true", "limit": 20}
    for event in api.get("/events", params=later).json()["events"]:
        assert max(parse(market["close_time"]) for market in event["markets"]) > (NOW_S + 300 * 86_400) * SECOND


def test_candles_of_an_event_are_those_of_its_markets(api: httpx.Client) -> None:
    market = api.get("/markets", params={"status": "open", "mve_filter": "exclude"}).json()["markets"][-1]
    event = market["event_ticker"]
    query = {"start_ts": NOW_S - 86_400, "end_ts": NOW_S, "period_interval": 60}
    answer = api.get(f"/series/S/events/{event}/candlesticks", params=query).json()
    assert market["ticker"] in answer["market_tickers"]
    assert answer["adjusted_end_ts"] == NOW_S
    single = api.get(f"/series/S/markets/{market['ticker']}/candlesticks", params=query).json()["candlesticks"]
    assert answer["market_candlesticks"][answer["market_tickers"].index(market["ticker"])] == single
    assert api.get("/series/S/events/NOSUCH/candlesticks", params=query).status_code == 404


def test_too_long_a_range_of_an_event_is_cut_and_says_where(api: httpx.Client) -> None:
    events = api.get("/events", params={"status": "open", "with_nested_markets": "true"}).json()["events"]
    event = max(events, key=lambda candidate: len(candidate["markets"]))
    start = NOW_S - 5000 * 60
    query = {"start_ts": start, "end_ts": NOW_S, "period_interval": 1}
    answer = api.get(f"/series/S/events/{event['event_ticker']}/candlesticks", params=query).json()
    assert answer["adjusted_end_ts"] == start + 5000 // len(event["markets"]) * 60 < NOW_S


@pytest.mark.parametrize("path", ["/series/S/markets/{}/candlesticks?", "/markets/candlesticks?market_tickers={}&"])
def test_the_latest_candle_before_the_start_is_prepended_on_request(api: httpx.Client, path: str) -> None:
    page = api.get("/markets", params={"status": "open", "mve_filter": "exclude", "limit": 1000}).json()["markets"]
    market = next(
        candidate
        for candidate in reversed(page)
        if candidate["volume_24h_fp"] != "0.00" and candidate["yes_bid_size_fp"] != "0.00"
    )
    start = NOW_S - 30 * 60
    url = f"{path.format(market['ticker'])}start_ts={start}&end_ts={NOW_S}&period_interval=1"
    plain, latest = (api.get(url + extra).json() for extra in ("", "&include_latest_before_start=true"))
    plain, latest = ((answer.get("markets") or [answer])[0]["candlesticks"] for answer in (plain, latest))
    assert latest[1:] == plain
    price = latest[0]["price"]
    assert price.pop("previous_dollars") is not None
    assert set(price.values()) == {None}
    assert (latest[0]["volume_fp"], latest[0]["end_period_ts"]) == ("0.00", start)
