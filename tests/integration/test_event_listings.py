"""Listings of events and series, the markets of one event, and secondary categories."""

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from kalshi_markets.database import Database
from kalshi_markets.event_columns import EVENTS, SERIES
from tests.support.api_client import ApiClient, error
from tests.support.database import connect, store_markets

STRIKES: list[tuple[str, float | None, float | None]] = [
    ("T50", None, 50),
    ("B55", 50, 60),
    ("B65", 60, 70),
    ("T70", 70, None),
    ("A50", 50, None),
    ("NONE", None, None),
]
BY_STRIKE = ["T50", "B55", "A50", "B65", "T70", "NONE"]


@pytest.fixture(scope="module")
def api(environment: dict[str, str]) -> Iterator[ApiClient]:
    """Yield the API function over two series with three events, and the markets of one event."""
    database = connect(environment)
    insert(database, "series", *({"series_ticker": f"S{n}", "title": f"Series {n}"} for n in range(1, 3)))
    categories = {"category": "Politics", "categories": '["Politics", "World"]'}
    insert(
        database,
        "events",
        {"event_ticker": "E1", "series_ticker": "S1", "title": "The Fed, and rates", "last_updated_ts": "2026-11-01"},
        {"event_ticker": "E2", "series_ticker": "S1", "title": "A White House vote", **categories},
        {"event_ticker": "E3", "series_ticker": "S2", "last_updated_ts": "2026-11-02", "mutually_exclusive": "true"},
    )
    store_markets(
        database,
        *(
            {"ticker": ticker, "event_ticker": "E1", "floor_strike": floor, "cap_strike": cap}
            for ticker, floor, cap in STRIKES
        ),
        {"ticker": "OTHER", "event_ticker": "E9", "status": "active", "volume_24h_fp": "3.00"},
    )
    for table in ("details", "quotes"):
        sql = f"UPDATE kalshi_markets_{table} SET category = $1::text, categories = $2::jsonb WHERE ticker LIKE 'B%'"
        database.execute(sql, *categories.values())
    database.close()
    api = ApiClient(environment)
    yield api
    api.close()


@pytest.fixture
def database(environment: Mapping[str, str]) -> Iterator[Database]:
    connection = connect(environment)
    yield connection
    connection.close()


def insert(database: Database, table: str, *rows: Mapping[str, Any]) -> None:
    for row in rows:
        names = ", ".join(row)
        statement = f"INSERT INTO kalshi_markets_{table} ({names}) SELECT {names} FROM"
        database.execute(
            f"{statement} json_populate_record(NULL::kalshi_markets_{table}, $1::json)", json.dumps(_json(row))
        )


def _json(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: json.loads(value) if name == "categories" else value for name, value in row.items()}


def ids(api: ApiClient, url: str, key: str) -> list[str]:
    answer = api.get(url)
    assert answer.status == 200, answer.text
    assert answer.json["count"] == len(answer.json["items"])
    return [item[key] for item in answer.json["items"]]


@pytest.mark.parametrize(
    ("query", "tickers"),
    [
        ("", ["E3", "E1", "E2"]),
        ("order_direction=asc", ["E1", "E3", "E2"]),
        ("order_by=event_ticker", ["E3", "E2", "E1"]),
        ("series_ticker=S1&order_by=event_ticker&order_direction=asc", ["E1", "E2"]),
        ("search=fed%20RATES", ["E1"]),
        ("search=%22white%20house%22", ["E2"]),
        ("search=house%20white%20e2", ["E2"]),
        ("search=%22house%20white%22", []),
        ("mutually_exclusive=true", ["E3"]),
        ("category=Politics", ["E2"]),
        ("category=World", ["E2"]),
        ("category__in=World,Sports", ["E2"]),
        ("category__ne=World", ["E3", "E1", "E2"]),
    ],
)
def test_events_are_listed_by_the_grammar_of_markets(api: ApiClient, query: str, tickers: list[str]) -> None:
    assert ids(api, f"/events?{query}", "event_ticker") == tickers


@pytest.mark.parametrize(("path", "key", "count"), [("/events", "event_ticker", 3), ("/series", "series_ticker", 2)])
def test_a_walk_by_cursor_and_one_of_each_row(api: ApiClient, path: str, key: str, count: int) -> None:
    url, seen = f"{path}?limit=1", []
    while url:
        answer = api.get(url)
        seen += [item[key] for item in answer.json["items"]]
        url = answer.json["next_url"]
    assert len({*seen}) == len(seen) == count
    rows = {item[key]: item for item in api.get(f"{path}?fields=all").json["items"]}
    for ticker in seen:
        assert api.get(f"{path}/{ticker}?fields=all").json == rows[ticker]
    assert [len(page.split("\r\n")) for page in [api.get(f"{path}?format=csv&fields=all").text]] == [count + 2]
    assert api.get(f"{path}?count_total=exact").json["total"] == count


@pytest.mark.parametrize(("path", "entity"), [("/events", EVENTS), ("/series", SERIES)])
def test_columns_describe_themselves(api: ApiClient, path: str, entity: Any) -> None:
    described = {item["name"]: item for item in api.get(f"{path}/columns").json["items"]}
    assert [*described] == [column.name for column in entity.columns]
    assert [*api.get(path).json["items"][0]] == [column.name for column in entity.default_columns]
    assert described["category"]["filters"][0] == "category"


def test_unknown_rows_are_a_404_and_unknown_parameters_a_suggestion(api: ApiClient) -> None:
    error(api.get("/events/NONE"), 404, "event_not_found")
    error(api.get("/events/NONE/markets"), 404, "event_not_found")
    error(api.get("/events/%00/markets"), 404, "event_not_found")
    error(api.get("/series/NONE"), 404, "series_not_found")
    assert "did you mean search?" in api.get("/events?q=fed").text
    assert "did you mean event_ticker__in?" in api.get("/events?tickers=A").text
    assert "did you mean title__icontains?" in api.get("/series?q=fed").text
    error(api.get("/series?market_counts=1"), 422, "unknown_parameter")
    error(api.get("/series?order_by=market_counts"), 422, "invalid_parameter")


@pytest.mark.parametrize(("path", "table", "key"), [("/events", "events", "E1"), ("/series", "series", "S1")])
def test_each_table_has_its_own_changes_and_etag(
    api: ApiClient, database: Database, path: str, table: str, key: str
) -> None:
    tags = {url: api.get(url).headers["etag"] for url in ("/markets", "/events", "/series", f"{path}/{key}")}
    since = api.get(path).headers["x-change-number"]
    assert api.get(f"{path}?changed_since={since}").json["items"] == []
    assert all(api.get(url, if_none_match=tag).status == 304 for url, tag in tags.items())
    statement = f"UPDATE kalshi_markets_{table} SET change_number = nextval('kalshi_markets_{table}_change')"
    database.execute(f"{statement} WHERE {SERIES.key if table == 'series' else EVENTS.key} = $1", key)
    [changed] = api.get(f"{path}?changed_since={since}").json["items"]
    assert key in changed.values()
    statuses = {url: api.get(url, if_none_match=tag).status for url, tag in tags.items()}
    assert {url for url, status in statuses.items() if status == 200} == {path, f"{path}/{key}"}
    error(api.get(f"{path}?changed_since=999999"), 409, "change_number_ahead")


def test_counts_of_markets_are_returned_on_request(api: ApiClient, database: Database) -> None:
    url = "/series/S1?fields=series_ticker,market_counts"
    assert api.get(url).json == {"series_ticker": "S1", "market_counts": None}
    assert "market_counts" not in api.get("/series").json["items"][0]
    counts = {"series_ticker": "S1", "strike_type": "greater", "result": "", "category": "Politics"}
    insert(
        database,
        "counts",
        {**counts, "status": "active", "markets": 3, "volume_24h": 1.5},
        {**counts, "status": "active", "result": "yes", "markets": 1, "volume_24h": 0},
        {**counts, "status": "finalized", "markets": 5, "volume_24h": 0},
    )
    database.execute("INSERT INTO kalshi_markets_jobs (job, confirmed_at) VALUES ('counts', '2026-11-28T08:00:00Z')")
    answer = api.get(url)
    assert answer.json["market_counts"] == {
        "counted_at": "2026-11-28T08:00:00Z",
        "markets": 9,
        "by_status": {"active": 4, "finalized": 5},
        "volume_24h": "1.5",
    }
    listed = api.get("/series?fields=market_counts&order_by=series_ticker&order_direction=asc").json["items"]
    assert listed == [{"market_counts": answer.json["market_counts"]}, {"market_counts": None}]
    tags = {url: api.get(url).headers["etag"] for url in (url, "/series/S1")}
    database.execute("UPDATE kalshi_markets_jobs SET confirmed_at = '2026-11-28T09:00:00Z' WHERE job = 'counts'")
    assert [api.get(url, if_none_match=tag).status for url, tag in tags.items()] == [200, 304]


def test_markets_of_an_event_are_ordered_by_strike(api: ApiClient) -> None:
    assert ids(api, "/events/E1/markets", "ticker") == BY_STRIKE
    assert ids(api, "/events/E1/markets?order_direction=desc", "ticker") == [*BY_STRIKE[-2::-1], "NONE"]
    assert ids(api, "/events/E1/markets?order_by=ticker", "ticker") == sorted(BY_STRIKE, reverse=True)
    assert ids(api, "/events/E1/markets?floor_strike__gte=60", "ticker") == ["B65", "T70"]
    for direction, expected in (("asc", BY_STRIKE), ("desc", [*BY_STRIKE[-2::-1], "NONE"])):
        url, seen = f"/events/E1/markets?limit=1&order_direction={direction}", []
        while url:
            answer = api.get(url)
            seen += [item["ticker"] for item in answer.json["items"]]
            url = answer.json["next_url"]
        assert seen == expected
    assert ids(api, "/events/E9/markets", "ticker") == ["OTHER"], "its event is not stored yet"
    assert ids(api, "/events/E2/markets", "ticker") == []


def test_a_cursor_belongs_to_its_event(api: ApiClient) -> None:
    cursor = api.get("/events/E1/markets?limit=1").json["next_cursor"]
    assert api.get(f"/events/E1/markets?cursor={cursor}").status == 200
    body = error(api.get(f"/events/E9/markets?cursor={cursor}"), 422, "invalid_parameter")
    assert "event_ticker changed" in body["detail"][0]["msg"]
    assert "event_ticker must not be repeated" in api.get("/events/E1/markets?event_ticker=E2").text


@pytest.mark.parametrize("query", ["limit=1", "limit=1&changed_since=0"])
def test_a_cursor_belongs_to_its_listing(api: ApiClient, query: str) -> None:
    for path, other in itertools.permutations(("/events", "/series", "/markets"), 2):
        cursor = api.get(f"{path}?{query}").json["next_cursor"]
        body = error(api.get(f"{other}?{query}&cursor={cursor}"), 422, "invalid_parameter")
        assert "cursor belongs to another query" in body["detail"][0]["msg"]


def test_secondary_categories_find_markets(api: ApiClient) -> None:
    for query in ("category=World", "category=Politics", "category__in=World,X", "category=World&order_by=volume"):
        assert sorted(ids(api, f"/markets?{query}", "ticker")) == ["B55", "B65"]
    assert ids(api, "/markets?category=World&category__ne=Politics", "ticker") == []
    [market] = api.get("/markets?ticker=B55&fields=category,categories").json["items"]
    assert market == {"category": "Politics", "categories": ["Politics", "World"]}


def test_a_post_is_the_get_with_its_parameters_in_the_body(api: ApiClient) -> None:
    get = api.get("/markets?ticker__in=B55,B65,OTHER&limit=2&order_by=ticker&fields=ticker,category")
    body = {"ticker__in": ["B55", "B65", "OTHER"], "limit": 2, "order_by": "ticker", "fields": ["ticker", "category"]}
    post = api.post("/markets", body, **{"if-none-match": get.headers["etag"], "content-type": "application/json"})
    assert post.status == 200
    assert post.json["items"] == get.json["items"]
    assert post.json["next_cursor"] == get.json["next_cursor"]
    assert ids(api, post.json["next_url"], "ticker") == ["B55"]
    second = api.post("/markets", body | {"cursor": post.json["next_cursor"]})
    assert [item["ticker"] for item in second.json["items"]] == ["B55"]
    assert api.post("/markets", {"format": "csv", "fields": "ticker"}).text.startswith("ticker\r\n")
    many = api.post("/markets", {"ticker__in": [f"B{n:030}" for n in range(998)] + ["B55", "B65"], "limit": 1})
    assert (many.json["count"], many.json["next_url"]) == (1, None)
    assert many.json["next_cursor"] is not None


def test_problems_of_a_post_are_located_in_the_body(api: ApiClient) -> None:
    body = error(api.post("/markets", {"limit": 0, "q": "x"}), 422, "invalid_parameter")
    assert [problem["loc"] for problem in body["detail"]] == [["body", "limit"], ["body", "q"]]
    error(api.post("/markets", "[]"), 422, "invalid_body")
    error(api.post("/markets?limit=1", {}), 422, "unknown_parameter")
    assert error(api.request("PUT", "/markets"), 405, "method_not_allowed")
