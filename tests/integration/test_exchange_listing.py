"""GET /markets of the simulated exchange: filters, order, pages and errors."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from local.exchange.catalogue import Exchange
from local.exchange.clock import SECOND, Clock, parse
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from tests.support.listings import fetch_all, tickers_of

NOW = parse("2026-11-24T12:00:00Z")
DAY = 86_400
PHASES = {
    "unopened": {"initialized"},
    "open": {"active"},
    "paused": {"inactive"},
    "closed": {"closed", "determined", "disputed", "amended"},
    "settled": {"finalized"},
}

Market = dict[str, Any]


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    return generate(7, 1500, Clock(NOW, speed=0))


@pytest.fixture(scope="module")
def api(exchange: Exchange) -> Iterator[httpx.Client]:
    with ExchangeServer(exchange) as server, httpx.Client(base_url=server.url) as client:
        yield client


@pytest.fixture(scope="module")
def every_market(api: httpx.Client) -> list[Market]:
    return fetch_all(api)


def test_a_walk_by_cursors_meets_every_market_once(
    every_market: list[Market], api: httpx.Client, exchange: Exchange
) -> None:
    assert len(every_market) == len(tickers_of(every_market)) == len(exchange)
    assert [market["ticker"] for market in fetch_all(api, limit=70)] == [market["ticker"] for market in every_market]


def test_markets_are_listed_newest_first_then_by_ticker_descending(every_market: list[Market]) -> None:
    keys = [(parse(market["created_time"]), market["ticker"]) for market in every_market]
    assert keys == sorted(keys, reverse=True)


def test_a_page_has_100_markets_by_default(api: httpx.Client) -> None:
    for limit, length in ((None, 100), (0, 100), (1, 1), (1000, 1000)):
        page = api.get("/markets", params={} if limit is None else {"limit": limit}).json()
        assert len(page["markets"]) == length


def test_a_listing_that_ends_with_a_full_page_is_followed_by_an_empty_one(api: httpx.Client) -> None:
    known = api.get("/markets", params={"limit": 30}).json()["markets"]
    lengths, cursor = [], ""
    for _ in range(3):
        tickers = ",".join(market["ticker"] for market in known)
        query: dict[str, str | int] = {"tickers": tickers, "limit": 15, "cursor": cursor}
        page = api.get("/markets", params=query).json()
        lengths.append(len(page["markets"]))
        cursor = page["cursor"]
    assert (lengths, cursor) == ([15, 15, 0], "")


@pytest.mark.parametrize("cursor", ["invalid", "%%%", "CgwI8OyT2AYQ8NzzlwESHg", "A", "=", "CgA", "ÿ"])
def test_a_malformed_cursor_silently_starts_again(api: httpx.Client, cursor: str) -> None:
    first = api.get("/markets").json()
    second = api.get("/markets", params={"cursor": cursor})
    assert second.status_code == 200
    assert second.json() == first


def test_a_truncated_cursor_silently_starts_again(api: httpx.Client) -> None:
    first = api.get("/markets").json()
    for length in range(1, len(first["cursor"]), 3):
        assert (
            api.get("/markets", params={"limit": 1, "cursor": first["cursor"][:length]}).json()["markets"]
            == (first["markets"][:1])
        )


@pytest.mark.parametrize("status", PHASES)
def test_a_status_filter_finds_the_statuses_that_it_stands_for(
    api: httpx.Client, every_market: list[Market], status: str
) -> None:
    markets = fetch_all(api, status=status)
    assert tickers_of(markets) == {market["ticker"] for market in every_market if market["status"] in PHASES[status]}
    assert {market["status"] for market in markets} <= PHASES[status]
    assert markets


def test_combos_are_listed_unless_excluded(api: httpx.Client, every_market: list[Market]) -> None:
    combos = tickers_of(fetch_all(api, mve_filter="only"))
    assert 20 < len(combos) < 80
    assert all(ticker.startswith("KXMVE") for ticker in combos)
    assert tickers_of(fetch_all(api, mve_filter="exclude")) == tickers_of(every_market) - combos


def test_unknown_tickers_are_silently_omitted(api: httpx.Client, every_market: list[Market]) -> None:
    known = [market["ticker"] for market in every_market[::10]]
    page = api.get("/markets", params={"tickers": ",".join(["NOSUCH-26", *known, ""]), "limit": 1000}).json()
    assert [market["ticker"] for market in page["markets"]] == known


def test_markets_are_found_by_event_and_by_series(api: httpx.Client, every_market: list[Market]) -> None:
    event_ticker = next(
        market["event_ticker"] for market in every_market if market["event_ticker"].startswith("KXRAIN-")
    )
    of_event = fetch_all(api, event_ticker=event_ticker)
    assert tickers_of(of_event) == {
        market["ticker"] for market in every_market if market["event_ticker"] == event_ticker
    }
    series_ticker = api.get(f"/events/{event_ticker}").json()["event"]["series_ticker"]
    assert series_ticker.count("-") == 1
    of_series = tickers_of(fetch_all(api, series_ticker=series_ticker))
    assert of_series == {
        market["ticker"] for market in every_market if market["ticker"].startswith(series_ticker + "-")
    }
    assert fetch_all(api, event_ticker="NOSUCH") == fetch_all(api, series_ticker="NOSUCH") == []


FAMILIES = {"created": "created_time", "close": "close_time", "settled": "settlement_ts", "updated": "updated_time"}


@pytest.mark.parametrize(("family", "member"), FAMILIES.items())
def test_time_bounds_are_whole_seconds_and_exclusive_but_for_max_updated(
    api: httpx.Client, every_market: list[Market], family: str, member: str
) -> None:
    times = {market["ticker"]: parse(market[member]) for market in every_market if member in market}
    on_the_second = [at for at in times.values() if at % SECOND == 0 and at > 0]
    low, high = min(on_the_second), max(on_the_second)
    matches = tickers_of(fetch_all(api, **{f"min_{family}_ts": low // SECOND, f"max_{family}_ts": high // SECOND}))
    includes_high = family == "updated"
    assert matches == {ticker for ticker, at in times.items() if low < at < high or (at == high and includes_high)}
    assert matches
    above = tickers_of(fetch_all(api, **{f"min_{family}_ts": low // SECOND}))
    assert above == {ticker for ticker, at in times.items() if at > low}


@pytest.mark.parametrize(("family", "member"), [("settled", "settlement_ts"), ("close", "close_time")])
def test_settled_and_close_bounds_list_by_their_own_time(api: httpx.Client, family: str, member: str) -> None:
    markets = fetch_all(api, limit=100, **{f"min_{family}_ts": 1})
    keys = [(parse(market[member]), market["ticker"]) for market in markets]
    assert keys == sorted(keys, reverse=True)
    assert len(keys) > 100


def test_every_settled_market_was_settled_after_the_cutoff(api: httpx.Client, every_market: list[Market]) -> None:
    cutoff = api.get("/historical/cutoff").json()["market_settled_ts"]
    assert cutoff == "2026-09-25T00:00:00Z"
    settled = [parse(market["settlement_ts"]) for market in every_market if "settlement_ts" in market]
    assert min(settled) >= parse(cutoff)
    assert max(settled) <= NOW


REJECTED = [
    ({"status": "open,closed"}, "only one status filter may be supplied"),
    ({"status": "active"}, "invalid status filter"),
    ({"status": "finalized"}, "invalid status filter"),
    ({"status": "all"}, "invalid status filter"),
    ({"mve_filter": "all"}, "invalid mve_filter"),
    ({"min_created_ts": 1, "min_close_ts": 1}, "mutually exclusive"),
    ({"max_settled_ts": 1, "max_updated_ts": 1}, "mutually exclusive"),
    ({"min_created_ts": 1, "status": "settled"}, "created_ts"),
    ({"min_created_ts": 1, "status": "closed"}, "created_ts"),
    ({"max_close_ts": 1, "status": "open"}, "close_ts"),
    ({"max_close_ts": 1, "status": "settled"}, "close_ts"),
    ({"min_settled_ts": 1, "status": "closed"}, "settled_ts"),
    ({"min_settled_ts": 1, "status": "open"}, "settled_ts"),
    ({"min_updated_ts": 1, "status": "open"}, "updated_ts"),
    ({"min_updated_ts": 1, "mve_filter": "only"}, "updated_ts"),
    ({"min_updated_ts": 1, "tickers": "A"}, "updated_ts"),
    ({"max_updated_ts": 1, "event_ticker": "A"}, "updated_ts"),
    ({"max_updated_ts": 1, "series_ticker": "A"}, "require mve_filter=exclude"),
]


@pytest.mark.parametrize(("query", "details"), REJECTED)
def test_conflicting_filters_return_400_naming_the_conflict(
    api: httpx.Client, query: dict[str, str], details: str
) -> None:
    response = api.get("/markets", params=query)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["message"]) == ("bad_request", "bad request")
    assert details in error["details"]


ACCEPTED = [
    {"min_created_ts": 1, "status": "open"},
    {"min_created_ts": 1, "status": "unopened"},
    {"min_created_ts": 1, "status": "paused"},
    {"min_close_ts": 1, "status": "closed"},
    {"min_settled_ts": 1, "status": "settled", "mve_filter": "exclude"},
    {"min_updated_ts": 1, "mve_filter": "exclude"},
    {"min_updated_ts": 1, "mve_filter": "exclude", "series_ticker": "KXNEXTARD"},
    *({"status": status, "mve_filter": "exclude"} for status in PHASES),
]


@pytest.mark.parametrize("query", ACCEPTED)
def test_documented_combinations_find_markets(api: httpx.Client, query: dict[str, str]) -> None:
    response = api.get("/markets", params=query)
    assert response.status_code == 200
    assert response.json()["markets"]


FAILED = (
    "Parameter validation failed for GetMarkets: Key: 'GetMarketsParams.Limit' "
    "Error:Field validation for 'Limit' failed on the '{}' tag"
)
UNREADABLE = 'Invalid format for parameter {}: error binding string parameter: strconv.ParseInt: parsing "{}": {}'
ROUTER_ERRORS = [
    ("limit", "1001", FAILED.format("lte")),
    ("limit", "-1", FAILED.format("gte")),
    ("limit", "ten", UNREADABLE.format("limit", "ten", "invalid syntax")),
    ("limit", "", UNREADABLE.format("limit", "", "invalid syntax")),
    ("min_close_ts", f"{2**63}", UNREADABLE.format("min_close_ts", 2**63, "value out of range")),
    ("min_close_ts", "9" * 5000, UNREADABLE.format("min_close_ts", "9" * 5000, "value out of range")),
]


@pytest.mark.parametrize(("name", "value", "message"), ROUTER_ERRORS)
def test_invalid_parameters_are_rejected_by_the_router(api: httpx.Client, name: str, value: str, message: str) -> None:
    response = api.get("/markets", params={name: value})
    assert (response.status_code, response.json()) == (400, {"msg": message})


def test_unknown_parameters_are_ignored_and_the_first_of_several_counts(api: httpx.Client) -> None:
    assert api.get("/markets?limit=2&sort=volume&limit=3").json() == api.get("/markets?limit=2").json()
