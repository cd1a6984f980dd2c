"""Injected faults: the effect of each kind, and the requests that a rule matches."""

import json
import math
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local.exchange.clock import SECOND, Clock, moment, parse
from local.exchange.faults.extras import EXTRAS
from local.exchange.faults.kinds import KINDS
from local.exchange.faults.rewrites import MARKET, UNUSUAL
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.server import ExchangeServer
from tests.support.listings import fetch_pages

NOW = parse("2026-11-24T12:00:00Z")
KEY = Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def server() -> Iterator[ExchangeServer]:
    with ExchangeServer(generate(3, 1200, Clock(NOW, 0), archived=150), {"me": KEY.public_key()}) as server:
        yield server


@pytest.fixture
def api(server: ExchangeServer) -> Iterator[httpx.Client]:
    """Yield a client of the exchange. Faults and time are reset afterwards."""
    with httpx.Client(base_url=server.url) as client:
        yield client
        client.delete(at_admin(client, "faults"))
        client.post(at_admin(client, "clock"), json={"now": "2026-11-24T12:00:00Z"})


def at_admin(api: httpx.Client, name: str) -> str:
    return str(api.base_url.copy_with(path=f"/admin/{name}"))


def strike(api: httpx.Client, **rule: object) -> None:
    """Put one rule in force."""
    response = api.post(at_admin(api, "faults"), json=[{name.rstrip("_"): rule[name] for name in rule}])
    assert response.status_code == 200, response.text


def at_once(api: httpx.Client, *rules: dict[str, object]) -> None:
    """Put several rules in force."""
    api.post(at_admin(api, "faults"), json=rules).raise_for_status()


def struck(api: httpx.Client) -> int:
    return int(api.get(at_admin(api, "faults")).json()[0]["fired"])


def signed(server: ExchangeServer, path: str) -> dict[str, str]:
    at = str(server.exchange.clock.now() // 1000)
    signature = KEY.sign(f"{at}GET/trade-api/v2{path}".encode())
    return {
        "KALSHI-ACCESS-KEY": "me",
        "KALSHI-ACCESS-TIMESTAMP": at,
        "KALSHI-ACCESS-SIGNATURE": b64encode(signature).decode(),
    }


def walk(
    api: httpx.Client, path: str = "/markets", rows: str = "markets", **query: str | int
) -> list[list[dict[str, Any]]]:
    """Return the rows of each page of a listing."""
    return [page[rows] or [] for page in fetch_pages(api, path, **query)]


def test_a_late_answer_is_late_and_right(server: ExchangeServer, api: httpx.Client) -> None:
    right = api.get("/exchange/status").content
    strike(api, kind="latency", seconds=0.2)
    began = time.monotonic()
    assert api.get("/exchange/status").content == right
    assert time.monotonic() - began >= 0.2
    api.delete(at_admin(api, "faults"))
    strike(api, kind="latency", seconds=60)
    with pytest.raises(httpx.ReadTimeout):
        api.get("/exchange/status", timeout=httpx.Timeout(60, read=0.05))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("object", {"error": {"code": "too_many_requests", "message": "too many requests"}}),
        ("string", {"error": "too many requests"}),
    ],
)
def test_too_many_requests_are_rejected_with_either_body(
    server: ExchangeServer, api: httpx.Client, body: str, expected: object
) -> None:
    strike(api, kind="429", body=body)
    response = api.get("/markets")
    assert (response.status_code, response.json()) == (429, expected)


@pytest.mark.parametrize(
    ("status", "media"), [(500, "application/json"), (502, "text/html"), (503, "application/json"), (504, "text/html")]
)
def test_a_failure_is_json_from_the_exchange_and_html_from_the_network_before_it(
    server: ExchangeServer, api: httpx.Client, status: int, media: str
) -> None:
    strike(api, kind="5xx", status=status)
    response = api.get("/markets")
    assert (response.status_code, response.headers["content-type"].partition(";")[0]) == (status, media)
    assert api.get("/markets/NOSUCH").status_code == status


def test_the_status_of_the_exchange_keeps_its_body_when_it_is_down(server: ExchangeServer, api: httpx.Client) -> None:
    up = api.get("/exchange/status")
    strike(api, kind="5xx", status=503)
    down = api.get("/exchange/status")
    assert (down.status_code, down.json()) == (503, up.json())


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("size", [0, 1, 1000])
def test_a_cut_answer_ends_after_so_many_bytes(
    server: ExchangeServer, api: httpx.Client, encoding: str, size: int
) -> None:
    strike(api, kind="cut", bytes=size)
    got = b""
    with (
        api.stream("GET", "/markets", headers={"Accept-Encoding": encoding}) as response,
        pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"),
    ):
        for part in response.iter_raw():
            got += part
    assert (response.status_code, len(got)) == (200, size)


def test_a_cut_answer_lacks_its_end_however_short_it_is(server: ExchangeServer, api: httpx.Client) -> None:
    strike(api, kind="cut", bytes=10_000_000)
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
        api.get("/exchange/status")


@pytest.mark.parametrize("kind", ["truncated", "malformed"])
def test_an_unreadable_answer_looks_complete(server: ExchangeServer, api: httpx.Client, kind: str) -> None:
    intact = api.get("/markets")
    strike(api, kind=kind)
    broken = api.get("/markets")
    assert broken.status_code == 200
    assert broken.headers["content-type"] == "application/json"
    assert broken.content[:500] == intact.content[:500]
    with pytest.raises(json.JSONDecodeError):
        broken.json()


def test_an_unreadable_answer_may_be_a_web_page(api: httpx.Client) -> None:
    strike(api, kind="html")
    answer = api.get("/markets")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/html")
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_short_page_has_fewer_rows_and_loses_none(server: ExchangeServer, api: httpx.Client) -> None:
    right = walk(api, limit=1000)
    strike(api, kind="short_page", path="/markets", rows=100)
    pages = walk(api, limit=1000)
    assert max(map(len, pages)) == 100
    assert list(chain(*pages)) == list(chain(*right))
    assert len(api.get("/markets", params={"limit": 7}).json()["markets"]) == 7


@pytest.mark.parametrize("probability", [0.5, 1])
def test_an_empty_page_leads_on_and_loses_no_row(api: httpx.Client, probability: float) -> None:
    right = walk(api, limit=100)
    strike(api, kind="empty_page", path="/markets", probability=probability)
    pages = walk(api, limit=100)
    assert [] in pages[:-1]
    assert list(chain(*pages)) == list(chain(*right))


def test_a_repeated_cursor_leads_in_a_circle(server: ExchangeServer, api: httpx.Client) -> None:
    first = api.get("/markets").json()["cursor"]
    strike(api, kind="repeated_cursor")
    assert api.get("/markets").json()["cursor"] == first
    second = api.get("/markets", params={"cursor": first}).json()
    assert (second["cursor"], len(second["markets"])) == (first, 100)


@pytest.mark.parametrize(
    ("path", "rows"), [("/markets", "markets"), ("/events", "events"), ("/historical/markets", "markets")]
)
def test_a_null_list_leads_on_and_loses_no_row(api: httpx.Client, path: str, rows: str) -> None:
    right = walk(api, path, rows, limit=100)
    strike(api, kind="null_list", path=path)
    assert api.get(path).json()[rows] is None
    assert list(chain(*walk(api, path, rows, limit=100))) == list(chain(*right))
    nothing = api.get(path, params={"tickers": "NOSUCH"}).json()
    assert nothing == {rows: None, "cursor": ""}


def test_a_list_without_a_cursor_is_null_at_any_depth(api: httpx.Client) -> None:
    strike(api, kind="null_list", path="/series")
    assert api.get("/series").json() == {"series": None}
    market = api.get("/markets?status=open&mve_filter=exclude").json()["markets"][0]["ticker"]
    batch = f"/markets/candlesticks?market_tickers={market}&start_ts=1&end_ts=2&period_interval=1"
    strike(api, kind="null_list", member="candlesticks")
    assert api.get(batch).json() == {"markets": [{"market_ticker": market, "candlesticks": None}]}
    strike(api, kind="null_list")
    assert api.get(batch).json() == {"markets": None}


@pytest.mark.parametrize(
    ("path", "filters", "others"),
    [
        ("/markets", {"min_created_ts": 2**31}, {"mve_filter": "exclude"}),
        ("/markets", {"min_updated_ts": 2**31}, {"mve_filter": "exclude"}),
        ("/markets", {"min_settled_ts": 1, "max_settled_ts": 2}, {"status": "settled"}),
        ("/events", {"min_updated_ts": 2**31}, {"limit": 20}),
        ("/markets", {"status": "paused"}, {"mve_filter": "exclude"}),
        ("/events", {"status": "closed"}, {"limit": 20}),
    ],
)
def test_an_ignored_filter_is_a_200_with_other_rows(
    api: httpx.Client, path: str, filters: dict[str, str | int], others: dict[str, str | int]
) -> None:
    plain = api.get(path, params=others).json()
    assert api.get(path, params={**others, **filters}).json() != plain
    strike(api, kind="ignored_filters", **({"filters": "status"} if "status" in filters else {}))
    ignored = api.get(path, params={**others, **filters})
    assert (ignored.status_code, ignored.json()) == (200, plain)


def test_a_filter_that_is_not_named_is_not_ignored(api: httpx.Client) -> None:
    strike(api, kind="ignored_filters")
    assert {row["status"] for row in api.get("/markets?status=paused").json()["markets"]} == {"inactive"}
    assert api.get("/series/A/markets/NOSUCH/candlesticks?start_ts=1&end_ts=2&period_interval=1").status_code == 404


@pytest.mark.parametrize("limit", [4, 10, 1000])
def test_an_archive_may_end_before_its_last_rows(api: httpx.Client, limit: int) -> None:
    everything = list(chain(*walk(api, "/historical/markets", limit=1000, mve_filter="exclude")))
    strike(api, kind="archive_tail", path="/historical/*", rows=10)
    assert list(chain(*walk(api, "/historical/markets", limit=limit, mve_filter="exclude"))) == everything[:10]
    last = everything[-1]
    assert api.get("/historical/markets", params={"tickers": last["ticker"]}).json()["markets"] == [last]
    event = api.get(f"/events/{last['event_ticker']}").json()["event"]
    by_series = walk(api, "/historical/markets", series_ticker=event["series_ticker"])
    assert last in list(chain(*by_series))


@pytest.mark.parametrize("limit", [4, 10, 1000])
def test_an_archive_may_begin_again_before_its_last_rows(api: httpx.Client, limit: int) -> None:
    everything = api.get("/historical/markets?limit=1000").json()["markets"]
    strike(api, kind="archive_tail", ending="loop", rows=10)
    met, cursor = [], ""
    for _ in range(7):
        page = api.get("/historical/markets", params={"limit": limit, "cursor": cursor}).json()
        met += page["markets"]
        cursor = page["cursor"]
        assert cursor
    circle = [row["ticker"] for row in everything[:10]]
    assert [row["ticker"] for row in met] == (circle * 7)[: len(met)]
    assert len(met) > 10


def test_series_may_come_in_pages_the_cursor_first(api: httpx.Client) -> None:
    right = api.get("/series").json()["series"]
    strike(api, kind="paged_series", path="/series", rows=7)
    first = api.get("/series").json()
    assert list(first) == ["cursor", "series"]
    pages = walk(api, "/series", "series")
    assert max(map(len, pages)) == 7
    assert list(chain(*pages)) == right
    assert api.get("/series", params={"cursor": "unknown"}).json() == first


@pytest.mark.parametrize(("path", "rows"), [("/markets", "markets"), ("/events", "events"), ("/series", "series")])
@pytest.mark.parametrize("position", ["before", "between", "behind"])
def test_extra_members_stand_anywhere_among_the_known_ones(
    api: httpx.Client, path: str, rows: str, position: str
) -> None:
    right = api.get(path).json()
    strike(api, kind="extra_members", place=position)
    answer = api.get(path).json()
    extras = {name: value for name, value in answer.items() if name not in right}
    assert set(map(type, extras.values())) == {dict, list, str, type(None)}
    assert {name: answer[name] for name in right} == right
    names = list(answer)
    edge = {"before": names[-1] in right, "between": names[0] in right, "behind": names[-1] in extras}
    assert edge[position]
    assert rows in right


@pytest.mark.parametrize("content", EXTRAS)
def test_an_extra_member_holds_what_a_reader_of_text_mistakes(api: httpx.Client, content: str) -> None:
    right = api.get("/markets").json()
    strike(api, kind="extra_members", content=content, place="behind")
    answer = api.get("/markets").json()
    assert answer == {**right, f"extra_{content}_behind": EXTRAS[content]}


def test_rows_may_have_extra_members_or_sorted_ones(api: httpx.Client) -> None:
    right = api.get("/markets").json()["markets"]
    strike(api, kind="extra_members", within="rows", place="before", content="text")
    rows = api.get("/markets").json()["markets"]
    assert all(next(iter(row)) == "extra_text_before" for row in rows)
    assert [{name: row[name] for name in was} for row, was in zip(rows, right, strict=True)] == right
    strike(api, kind="sorted_members", within="rows")
    rows = api.get("/markets").json()["markets"]
    assert rows == right
    assert all(list(row) == sorted(row) for row in rows)


def test_a_page_may_have_its_cursor_first(api: httpx.Client) -> None:
    right = api.get("/markets").json()
    strike(api, kind="sorted_members")
    sorted_ = api.get("/markets").json()
    assert (list(sorted_), sorted_) == (["cursor", "markets"], right)


@pytest.mark.parametrize("content", [name for name, (mark, _) in UNUSUAL.items() if mark == MARKET])
@pytest.mark.parametrize("path", ["/markets", "/events?with_nested_markets=true", "/historical/markets"])
def test_markets_say_what_nobody_has_seen(api: httpx.Client, path: str, content: str) -> None:
    def markets() -> list[dict[str, Any]]:
        answer = api.get(path).json()
        rows_ = answer.get("markets") or chain(*(event.get("markets", []) for event in answer["events"]))
        return list(rows_)

    members, right = UNUSUAL[content][1], markets()
    strike(api, kind="unusual", content=content, share=0.5)
    rows = markets()
    changed = [row for row, was in zip(rows, right, strict=True) if row == {**was, **members}]
    assert 0.2 * len(rows) < len(changed) < 0.8 * len(rows)
    assert all(row == was or row in changed for row, was in zip(rows, right, strict=True))
    assert markets() == rows


def test_a_market_is_as_unusual_alone_as_in_a_list(api: httpx.Client) -> None:
    strike(api, kind="unusual", content="floor", share=0.5)
    for row in api.get("/markets?limit=20").json()["markets"]:
        assert api.get(f"/markets/{row['ticker']}").json()["market"] == row


@pytest.mark.parametrize(("content", "nulls"), [("null_price", {"price"}), ("null_quotes", {"yes_bid", "yes_ask"})])
def test_archived_candles_may_have_null_for_their_prices(api: httpx.Client, content: str, nulls: set[str]) -> None:
    rows = api.get("/historical/markets?limit=1000&mve_filter=exclude").json()["markets"]
    market = max(rows, key=lambda row: float(row["volume_fp"]))
    end = parse(market["close_time"]) // SECOND + 86_400
    query = {"start_ts": end - 150 * 86_400, "end_ts": end, "period_interval": 60}
    strike(api, kind="unusual", content=content)
    candles = api.get(f"/historical/markets/{market['ticker']}/candlesticks", params=query).json()["candlesticks"]
    assert candles
    assert all({name for name, value in candle.items() if value is None} == nulls for candle in candles)


@pytest.mark.parametrize(("path", "rows"), [("/markets", "markets"), ("/markets/{}", "market")])
def test_the_members_of_every_object_drift(server: ExchangeServer, api: httpx.Client, path: str, rows: str) -> None:
    path = path.format(api.get("/markets").json()["markets"][0]["ticker"])

    def members(**rule: str) -> list[dict[str, Any]]:
        strike(api, kind="field_drift", **rule)
        value = api.get(path).json()[rows]
        return value if isinstance(value, list) else [value]

    assert all("volume_fp" not in row and "title" in row for row in members(change="removed"))
    assert all(row["volume_fp_v2"]["value"] == row["volume_fp"] for row in members(change="added"))
    assert all(isinstance(row["title"], list) for row in members(change="type_changed", member="title"))


@pytest.mark.parametrize(
    ("content", "member", "is_seen"),
    [
        ("nul", "title", lambda value: "\x00" in value),
        ("surrogate", "title", lambda value: "\ud800" in value),
        ("number", "floor_strike", math.isinf),
        ("year", "close_time", lambda value: value.startswith("99999-")),
    ],
)
def test_rows_are_json_that_no_database_stores(
    server: ExchangeServer, api: httpx.Client, content: str, member: str, is_seen: Any
) -> None:
    strike(api, kind="unstorable", content=content, rows=2)
    markets = api.get("/markets").json()["markets"]
    assert len(markets) == 100
    assert all(is_seen(row[member]) for row in markets[:2])
    assert not any(is_seen(row[member]) for row in markets[2:] if member in row)


def test_a_row_may_be_nested_deeper_than_a_parser_goes(server: ExchangeServer, api: httpx.Client) -> None:
    strike(api, kind="unstorable", content="nesting")
    text = api.get("/markets").text
    assert '"custom_strike":' + "[" * 10_000 + "]" * 10_000 in text


def test_a_wrong_clock_shows_in_the_date_and_refuses_signatures(server: ExchangeServer, api: httpx.Client) -> None:
    limits = "/account/limits"
    strike(api, kind="clock_skew", seconds=90)
    response = api.get(limits, headers=signed(server, limits))
    assert (response.status_code, response.json()["error"]["code"]) == (401, "header_timestamp_expired")
    assert parsedate_to_datetime(response.headers["date"]) == moment(NOW + 90 * SECOND)
    strike(api, kind="clock_skew", seconds=-20)
    assert api.get(limits, headers=signed(server, limits)).status_code == 200


def test_a_cache_answers_what_it_answered_before(server: ExchangeServer, api: httpx.Client) -> None:
    strike(api, kind="stale_cache", seconds=15)

    def cutoff(second: int, query: str = "", headers: dict[str, str] | None = None) -> tuple[str, str | None]:
        server.exchange.clock.set(parse("2026-11-24T23:59:50Z") + second * SECOND)
        response = api.get(f"/historical/cutoff{query}", headers=headers)
        return response.json()["market_settled_ts"][:10], response.headers.get("x-kalshi-cache-hits")

    first, hits = cutoff(0)
    assert hits == "0"
    assert cutoff(14) == (first, "1")
    assert cutoff(14, "?other=1")[1] == "0"
    assert cutoff(14, headers=signed(server, "/historical/cutoff"))[1] is None
    assert cutoff(16)[1] == "0"
    missing = [api.get("/markets/NOSUCH").headers["x-kalshi-cache-hits"] for _ in range(2)]
    assert missing == ["0", "0"]


def test_a_rule_strikes_the_paths_and_queries_of_its_pattern(server: ExchangeServer, api: httpx.Client) -> None:
    def rate_limited_paths(pattern: str) -> list[str]:
        strike(api, kind="429", path=pattern)
        paths = ("/markets", "/markets/A", "/markets?status=open&limit=1", "/events")
        return [path for path in paths if api.get(path).status_code == 429]

    assert rate_limited_paths("/markets") == ["/markets", "/markets?status=open&limit=1"]
    assert rate_limited_paths("/markets/*") == ["/markets/A"]
    assert rate_limited_paths("*status=open*") == ["/markets?status=open&limit=1"]
    assert len(rate_limited_paths("*")) == 4


def test_a_rule_holds_for_a_time_on_the_exchange_s_clock(server: ExchangeServer, api: httpx.Client) -> None:
    strike(api, kind="5xx", from_="2026-11-24T12:01:00Z", for_=60)

    def status(second: int) -> int:
        server.exchange.clock.set(NOW + second * SECOND)
        return api.get("/exchange/status?x=1").status_code

    assert [status(second) for second in (0, 59, 60, 119, 120)] == [200, 200, 503, 503, 200]


def test_a_rule_without_a_beginning_lasts_from_when_it_is_set(server: ExchangeServer, api: httpx.Client) -> None:
    strike(api, kind="429", for_=10)
    assert api.get("/markets").status_code == 429
    server.exchange.clock.set(NOW + 10 * SECOND)
    assert api.get("/markets").status_code == 200


def test_a_rule_ends_after_so_many_requests_that_it_meets(server: ExchangeServer, api: httpx.Client) -> None:
    strike(api, kind="429", path="/markets", requests=2)
    paths = ("/markets", "/events", "/markets", "/markets")
    assert [api.get(path).status_code for path in paths] == [429, 200, 429, 200]


def outcomes(api: httpx.Client, seed: int) -> list[int]:
    strike(api, kind="429", probability=0.3, seed=seed)
    return [api.get("/exchange/status").status_code for _ in range(60)]


def test_the_same_seed_and_requests_give_the_same_faults(server: ExchangeServer, api: httpx.Client) -> None:
    once = outcomes(api, 1)
    counted = Counter(once)
    assert 5 < counted[429] < 35
    assert struck(api) == counted[429]
    assert outcomes(api, 1) == once
    assert outcomes(api, 2) != once


def test_several_rules_strike_one_request(server: ExchangeServer, api: httpx.Client) -> None:
    rules = [{"kind": "clock_skew", "seconds": 3600}, {"kind": "5xx", "status": 500}, {"kind": "truncated"}]
    api.post(at_admin(api, "faults"), json=rules)
    response = api.get("/markets")
    assert response.status_code == 500
    assert parsedate_to_datetime(response.headers["date"]) == moment(NOW + 3600 * SECOND)


def test_an_answer_that_is_no_200_is_not_rewritten(server: ExchangeServer, api: httpx.Client) -> None:
    right = api.get("/markets/NOSUCH").content
    strike(api, kind="malformed")
    assert api.get("/markets/NOSUCH").content == right


def test_faults_do_not_reach_the_admin_s_endpoints(server: ExchangeServer, api: httpx.Client) -> None:
    strike(api, kind="429")
    assert api.get(at_admin(api, "clock")).status_code == 200


def test_a_fault_can_hold_from_the_start() -> None:
    setup = ServerOptions(faults=[{"kind": "429", "path": "/markets"}], admin=False)
    with ExchangeServer(generate(1, 5, Clock(NOW)), options=setup) as server:
        assert httpx.get(f"{server.url}/markets").status_code == 429
        assert httpx.get(f"{server.url}/events").status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_needs_no_parameter_and_tells_those_that_it_has(
    server: ExchangeServer, api: httpx.Client, kind: str
) -> None:
    strike(api, kind=kind, requests=1)
    [rule] = api.get(at_admin(api, "faults")).json()
    assert rule["kind"] == kind
    assert set(KINDS[kind].parameters) <= set(rule)
    settable = {name: value for name, value in rule.items() if name not in ("matched", "fired")}
    strike(api, **settable)
    assert api.get(at_admin(api, "faults")).json() == [rule]
