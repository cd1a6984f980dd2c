"""GET /markets/{ticker}/history."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from api.markets.history import MAX_STATES
from kalshi_markets.database import Database
from tests.support.api_client import ApiClient, ApiResponse, error
from tests.support.database import delete_market, store_markets, truncate_all

URL = "/markets/A/history"
NAMES = ["from", "until", "status", "result", "close_time", "change_number"]
OPEN = {"ticker": "A", "status": "active", "result": "", "close_time": "2026-11-24T13:00:00Z", "volume_fp": "1.00"}


@pytest.fixture(scope="module")
def api(environment: dict[str, str]) -> Iterator[ApiClient]:
    api = ApiClient(environment)
    yield api
    api.close()


@pytest.fixture(autouse=True)
def _one_market(database: Database) -> None:
    truncate_all(database)
    store_markets(database, OPEN)


def states(answer: ApiResponse) -> list[dict[str, Any]]:
    """Return the items, checked to be contiguous and numbered in order of their changes."""
    assert answer.status == 200, answer.text
    items: list[dict[str, Any]] = answer.json["items"]
    assert answer.json["count"] == len(items)
    assert [list(item) for item in items] == [NAMES] * len(items)
    assert [item["until"] for item in items] == [item["from"] for item in items[1:]] + [None]
    numbers = [item["change_number"] for item in items]
    assert numbers[-1] is None
    assert numbers[:-1] == sorted(numbers[:-1])
    return items


def state_columns(item: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    return item["status"], item["result"], item["close_time"]


def market(api: ApiClient) -> dict[str, Any]:
    market: dict[str, Any] = api.get("/markets/A?fields=all").json
    return market


def test_a_market_that_never_changed_has_the_state_that_it_is_in(api: ApiClient) -> None:
    answer = api.get(URL)
    assert list(answer.json) == ["ticker", "items", "count"]
    assert answer.json["ticker"] == "A"
    [state] = states(answer)
    assert state == {
        "from": market(api)["first_seen_at"],
        "until": None,
        "status": "active",
        "result": "",
        "close_time": "2026-11-24T13:00:00Z",
        "change_number": None,
    }


def test_a_history_lists_every_state(api: ApiClient, database: Database) -> None:
    changes = []
    for change in ({"status": "closed"}, {"status": "finalized", "result": "yes"}):
        store_markets(database, OPEN | change)
        changes.append((market(api)["changed_at"], market(api)["change_number"]))
    items = states(api.get(URL))
    close = "2026-11-24T13:00:00Z"
    assert [state_columns(state) for state in items] == [
        ("active", "", close),
        ("closed", "", close),
        ("finalized", "yes", close),
    ]
    assert [(state["until"], state["change_number"]) for state in items[:2]] == changes
    assert items[0]["from"] == market(api)["first_seen_at"]


def test_changes_of_other_columns_start_no_state(api: ApiClient, database: Database) -> None:
    number = market(api)["change_number"]
    store_markets(database, OPEN | {"volume_fp": "2.00"})
    store_markets(database, OPEN | {"volume_fp": "2.00", "title": "Another"})
    assert market(api)["change_number"] == number + 2
    assert len(states(api.get(URL))) == 1


def test_a_moved_close_time_is_spelled_as_the_market_spells_it(api: ApiClient, database: Database) -> None:
    spelled = []
    for moment in ("2026-11-24T12:30:00.250000Z", "2026-11-24T14:00:00+02:00", None):
        store_markets(database, OPEN | {"close_time": moment})
        spelled.append(market(api)["close_time"])
    assert spelled == ["2026-11-24T12:30:00.25Z", "2026-11-24T12:00:00Z", None]
    assert [state["close_time"] for state in states(api.get(URL))] == ["2026-11-24T13:00:00Z", *spelled]


def test_a_recurring_state_is_listed_again_and_unchanged_ones_are_omitted(api: ApiClient, database: Database) -> None:
    for status in ("inactive", "active"):
        store_markets(database, OPEN | {"status": status}, {"ticker": "B", "status": status})
    assert [state["status"] for state in states(api.get(URL))] == ["active", "inactive", "active"]
    assert [state["status"] for state in states(api.get("/markets/B/history"))] == ["inactive", "active"]


@pytest.mark.parametrize("ticker", ["NOPE", "columns", "candlesticks", "%00", "%ff", "x" * 5000, "a%22%27"])
def test_an_unknown_market_is_a_404(api: ApiClient, ticker: str) -> None:
    body = error(api.get(f"/markets/{ticker}/history"), 404, "market_not_found")
    assert body["detail"] == "Market not found"


def test_a_market_that_was_taken_out_is_a_404(api: ApiClient, database: Database) -> None:
    store_markets(database, OPEN | {"status": "closed"})
    delete_market(database, "A")
    error(api.get(URL), 404, "market_not_found")


def test_any_ticker_is_found_and_written_as_json(api: ApiClient, database: Database) -> None:
    ticker = 'A"\\\tÉ😀'
    store_markets(database, {"ticker": ticker})
    answer = api.get("/markets/A%22%5C%09%C3%89%F0%9F%98%80/history")
    assert answer.json["ticker"] == ticker
    assert [state_columns(state) for state in states(answer)] == [(None, None, None)]


def test_an_answer_that_the_client_has_is_a_304_until_something_changes(api: ApiClient, database: Database) -> None:
    answer = api.get(URL)
    etag = answer.headers["etag"]
    assert etag != api.get("/markets/A").headers["etag"]
    second = api.get(URL, if_none_match=etag)
    assert (second.status, second.text, second.headers["etag"]) == (304, "", etag)
    assert api.get(URL, if_none_match='"other"').status == 200
    store_markets(database, OPEN | {"status": "closed"})
    changed = api.get(URL, if_none_match=etag)
    assert len(states(changed)) == 2
    assert changed.headers["etag"] != etag


def test_freshness_is_in_the_headers_that_a_market_has(api: ApiClient) -> None:
    [history, market_headers] = [api.get(path).headers for path in (URL, "/markets/A")]
    for name in ("x-change-number", "x-crawled-at", "cache-control", "vary", "content-type"):
        assert history[name] == market_headers[name]


def test_head_is_get_without_a_body(api: ApiClient) -> None:
    get, head = api.get(URL), api.request("HEAD", URL)
    assert (head.status, head.text, head.headers["etag"]) == (200, "", get.headers["etag"])
    error(api.request("POST", URL), 405, "method_not_allowed")


@pytest.mark.parametrize("parameter", ["limit=1", "fields=all", "format=csv"])
def test_query_parameters_are_rejected(api: ApiClient, parameter: str) -> None:
    error(api.get(f"{URL}?{parameter}"), 422, "unknown_parameter")


def changed_often(database: Database, times: int) -> None:
    """Store a history in which the close time changes in every second of 2026."""
    database.execute(
        """INSERT INTO kalshi_markets_history (ticker, change_number, until, status, result, close_time)
           SELECT 'A', -n, timestamptz '2026-01-01Z' - make_interval(secs => n), 'active', '', now()
           FROM generate_series(1, $1::int) AS n""",
        times,
    )


def test_a_long_history_is_truncated_to_the_newest_states(api: ApiClient, database: Database) -> None:
    changed_often(database, MAX_STATES - 1)
    uncut = api.get(URL)
    assert "truncated" not in uncut.json
    assert len(states(uncut)) == MAX_STATES
    assert uncut.json["items"][0]["from"] == market(api)["first_seen_at"]

    database.execute_script("DELETE FROM kalshi_markets_history")
    changed_often(database, MAX_STATES + 7)
    cut = api.get(URL, accept_encoding="gzip")
    assert cut.headers["content-encoding"] == "gzip"
    assert list(cut.json) == ["ticker", "items", "count", "truncated"]
    assert cut.json["truncated"] is True
    assert len(states(cut)) == MAX_STATES
    # The omitted state before it ended a second earlier.
    assert cut.json["items"][0]["change_number"] == -(MAX_STATES - 1)
    assert cut.json["items"][0]["from"] == "2025-12-31T23:43:20Z"
    assert cut.json["items"][0]["until"] == "2025-12-31T23:43:21Z"
    assert cut.json["items"][-1]["status"] == "active"
