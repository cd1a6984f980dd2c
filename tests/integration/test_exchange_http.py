"""Endpoints of the simulated exchange besides listings of markets: single objects, events, series, headers, errors."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest

from local.exchange.clock import Clock, parse
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from tests.support.listings import fetch_all

NOW = "2026-11-24T12:00:00Z"
NOT_FOUND = {"error": {"code": "not_found", "message": "not found"}}


@pytest.fixture(scope="module")
def api() -> Iterator[httpx.Client]:
    with (
        ExchangeServer(generate(3, 2500, Clock(parse(NOW), speed=0))) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        yield client


def test_a_market_is_found_by_its_ticker_dots_included(api: httpx.Client) -> None:
    listed = api.get("/markets", params={"limit": 1000}).json()["markets"]
    dotted = next(market for market in listed if "." in market["ticker"])
    for market in (listed[0], dotted):
        assert api.get(f"/markets/{market['ticker']}").json() == {"market": market}


@pytest.mark.parametrize("path", ["/markets/NOSUCH", "/events/NOSUCH", "/series/NOSUCH", "/nosuch", "/markets/A/B"])
def test_an_unknown_path_is_a_404_in_the_exchange_s_shape(api: httpx.Client, path: str) -> None:
    response = api.get(path)
    assert (response.status_code, response.json()) == (404, NOT_FOUND)
    assert response.headers["content-type"] == "application/json"


def test_only_get_is_served(api: httpx.Client) -> None:
    response = api.post("/markets")
    assert response.status_code == 405
    assert response.json()["error"]["code"] == "method_not_allowed"


def test_a_trailing_slash_is_moved_permanently_to_the_path_without(api: httpx.Client) -> None:
    response = api.get("/markets/?limit=3")
    assert response.status_code == 301
    assert httpx.URL(response.headers["location"]).raw_path == b"/trade-api/v2/markets?limit=3"


def test_a_walk_over_events_meets_every_event_but_those_of_combos(api: httpx.Client) -> None:
    seen = [event["event_ticker"] for event in fetch_all(api, "/events", "events", limit=50)]
    assert len(seen) == len(set(seen)) > 200
    markets = fetch_all(api, mve_filter="exclude", limit=1000)
    assert set(seen) == {market["event_ticker"] for market in markets}


def test_a_page_has_200_events_by_default(api: httpx.Client) -> None:
    assert len(api.get("/events").json()["events"]) == 200


def test_events_carry_their_markets_on_request(api: httpx.Client) -> None:
    plain = api.get("/events", params={"limit": 20}).json()
    nested = api.get("/events", params={"limit": 20, "with_nested_markets": "true"}).json()
    for event, with_markets in zip(plain["events"], nested["events"], strict=True):
        listed = api.get("/markets", params={"event_ticker": event["event_ticker"]}).json()["markets"]
        markets = with_markets.pop("markets")
        assert with_markets == event
        assert sorted(markets, key=str) == sorted(listed, key=str)


def test_an_event_is_found_by_its_ticker_its_markets_beside_or_inside(api: httpx.Client) -> None:
    event = api.get("/events", params={"limit": 1}).json()["events"][0]
    beside = api.get(f"/events/{event['event_ticker']}").json()
    assert beside["event"] == event
    inside = api.get(f"/events/{event['event_ticker']}", params={"with_nested_markets": "true"}).json()
    assert inside == {"event": {**event, "markets": beside["markets"]}, "markets": beside["markets"]}


@pytest.mark.parametrize(
    ("status", "inside"), [("unopened", "initialized"), ("settled", "finalized"), ("open", "active")]
)
def test_events_are_found_by_the_status_of_their_markets(api: httpx.Client, status: str, inside: str) -> None:
    events = api.get("/events", params={"status": status, "with_nested_markets": "true"}).json()["events"]
    assert events
    assert all(inside in {market["status"] for market in event["markets"]} for event in events)


def test_events_are_found_by_series(api: httpx.Client) -> None:
    series = api.get("/events", params={"limit": 1}).json()["events"][0]["series_ticker"]
    events = api.get("/events", params={"series_ticker": series}).json()["events"]
    assert {event["series_ticker"] for event in events} == {series}


def test_an_event_page_has_no_more_than_200_events(api: httpx.Client) -> None:
    response = api.get("/events", params={"limit": 201})
    assert response.status_code == 400
    assert response.json()["msg"].startswith("Parameter validation failed for GetEvents: Key: 'GetEventsParams.Limit'")


def test_events_cannot_be_filtered_by_the_status_paused(api: httpx.Client) -> None:
    response = api.get("/events", params={"status": "paused"})
    assert (response.status_code, response.json()["error"]["details"]) == (400, "invalid status filter")


def test_a_non_boolean_flag_is_rejected_by_the_router(api: httpx.Client) -> None:
    response = api.get("/events", params={"with_nested_markets": "yes"})
    assert response.status_code == 400
    assert response.json()["msg"].endswith('strconv.ParseBool: parsing "yes": invalid syntax')


def test_series_come_in_one_answer_and_one_by_one_and_cover_every_event(api: httpx.Client) -> None:
    series = {item["ticker"]: item for item in api.get("/series", params={"limit": 1}).json()["series"]}
    assert len(series) > 50
    for ticker in ("KXBTCD", "KXRAIN-ALD", "KXMVECROSSCATEGORY-SHARD1"):
        assert api.get(f"/series/{ticker}").json() == {"series": series[ticker]}
    events = api.get("/events").json()["events"]
    assert {event["series_ticker"] for event in events} <= set(series)


def test_the_exchange_says_that_it_is_open(api: httpx.Client) -> None:
    status = api.get("/exchange/status").json()
    assert status["exchange_active"] is status["trading_active"] is True
    assert [shard["exchange_index"] for shard in status["exchange_index_statuses"]] == [0, 1, 2, 3]


def test_answers_carry_the_exchange_s_clock_and_may_be_cached_briefly(api: httpx.Client) -> None:
    for path in ("/markets", "/markets/NOSUCH"):
        date = parsedate_to_datetime(api.get(path).headers["date"])
        assert 0 <= (date - datetime(2026, 11, 24, 12, tzinfo=UTC)).total_seconds() < 60
    assert api.get("/markets").headers["cache-control"] == "public, max-age=15"
    assert "cache-control" not in api.get("/markets/NOSUCH").headers


def test_answers_are_compressed_for_clients_that_accept_it(api: httpx.Client) -> None:
    packed = api.get("/markets", headers={"Accept-Encoding": "gzip"})
    plain = api.get("/markets", headers={"Accept-Encoding": "identity"})
    assert (packed.headers.get("content-encoding"), plain.headers.get("content-encoding")) == ("gzip", None)
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3
