"""Cursors, formats, fields, totals, changes and conditional responses of GET /markets."""

import csv
import io
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest

from api.markets.parameters import SORT_ORDERS
from kalshi_markets.columns import COLUMNS, COLUMNS_BY_NAME, DEFAULT_COLUMNS, STATUSES, Kind
from kalshi_markets.database import Database
from tests.support.api_client import ApiClient, ApiResponse, error, escaped, items
from tests.support.database import connect, delete_market, store_markets

INCOMPLETE = [
    {"ticker": "NOTHING-A"},
    {"ticker": "NOTHING-B", "volume_fp": "5.00"},
    {"ticker": "NOTHING-C", "open_time": "2026-01-01T00:00:00Z"},
    {"ticker": "NOTHING-D", "open_time": "2026-01-01T00:00:00Z", "title": ""},
    {"ticker": "NOTHING-E", "close_time": "2026-01-01T00:00:00Z", "volume_fp": "5.00"},
]


UNSETTLED = ",".join(status for status in STATUSES if status != "finalized")
TEXTS = [column.name for column in COLUMNS if column.kind is Kind.STRING and not column.allowed_values]


@pytest.fixture(scope="module")
def all_markets(environment: Mapping[str, str], markets: Sequence[Any]) -> int:
    """Store markets that lack values too. Return the number of markets."""
    database = connect(environment)
    store_markets(database, *INCOMPLETE)
    database.close()
    return len(markets) + len(INCOMPLETE)


def walk(api: ApiClient, url: str) -> Iterator[ApiResponse]:
    """Yield the pages that next_url leads to."""
    following: str | None = url
    while following:
        answer = api.get(following)
        assert answer.status == 200, answer.text
        yield answer
        following = answer.json["next_url"]


def tickers(answers: Iterator[ApiResponse]) -> list[str]:
    return [item["ticker"] for answer in answers for item in answer.json["items"]]


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("order", SORT_ORDERS)
@pytest.mark.parametrize("narrowed", ["", "&volume__isnull=false", "&title__isnull=true"])
def test_a_walk_by_cursor_is_the_whole_listing_in_its_order(
    api: ApiClient, all_markets: int, order: str, direction: str, narrowed: str
) -> None:
    unsettled = f"&status__in={UNSETTLED}" if SORT_ORDERS[order].only_unsettled else ""
    url = f"/markets?order_by={order}&order_direction={direction}{narrowed}{unsettled}"
    listing = tickers(iter([api.get(f"{url}&limit=10000")]))
    for limit in (1, 2) if len(listing) < 10 else (97, 1000):
        assert tickers(walk(api, f"{url}&limit={limit}")) == listing
    assert len({*listing}) == len(listing)
    assert listing or unsettled
    if not narrowed and not unsettled:
        assert len(listing) == all_markets


def test_the_last_page_has_no_next_even_when_it_is_full(api: ApiClient, all_markets: int) -> None:
    for limit in (all_markets, all_markets + 1, 10_000):
        answer = api.get(f"/markets?limit={limit}")
        assert (answer.json["count"], answer.json["next_cursor"], answer.json["next_url"]) == (all_markets, None, None)
        assert "link" not in answer.headers
    answer = api.get(f"/markets?limit={all_markets - 1}")
    assert [page.json["count"] for page in walk(api, answer.json["next_url"])] == [1]
    assert api.get("/markets?limit=5&ticker=NONE").json == {
        "items": [],
        "count": 0,
        "next_cursor": None,
        "next_url": None,
    }


def test_a_cursor_goes_on_from_an_offset_and_with_another_limit_and_format(api: ApiClient, all_markets: int) -> None:
    listing = tickers(iter([api.get("/markets?limit=10000&order_by=volume")]))
    first = api.get("/markets?limit=10&offset=30&order_by=volume").json
    assert "offset" not in first["next_url"]
    lines = api.get(f"/markets?order_by=volume&limit=7&format=ndjson&cursor={first['next_cursor']}").text.splitlines()
    assert [json.loads(line)["ticker"] for line in lines] == listing[40:47]


def test_rows_that_do_not_change_are_seen_once_while_others_do(
    api: ApiClient, all_markets: int, database: Database
) -> None:
    expected = tickers(iter([api.get("/markets?limit=10000&order_by=volume")]))
    moving = {*expected[5:60:5], *expected[500:700:10]}
    rng, seen = random.Random(4), []
    for page in walk(api, "/markets?order_by=volume&limit=50"):
        seen += [item["ticker"] for item in page.json["items"]]
        for ticker in rng.sample(sorted(moving), 5):
            database.execute(
                "UPDATE kalshi_markets_quotes SET volume = $2::numeric WHERE ticker = $1", ticker, rng.randrange(10**6)
            )
    assert [ticker for ticker in seen if ticker not in moving] == [t for t in expected if t not in moving]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("order_by=volume&status=closed", "status changed"),
        ("order_by=volume", "status was removed"),
        ("order_by=volume&status=active&title=a", "title was added"),
        ("status=active", "order_by changed"),
        ("order_by=volume&status=active&fields=ticker", "fields was added"),
    ],
)
def test_a_cursor_of_another_query_is_a_422_that_says_what_differs(api: ApiClient, query: str, words: str) -> None:
    cursor = api.get("/markets?order_by=volume&status=active&limit=1").json["next_cursor"]
    body = error(api.get(f"/markets?{query}&cursor={cursor}"), 422, "invalid_parameter")
    assert body["detail"][0]["loc"] == ["query", "cursor"]
    assert words in body["detail"][0]["msg"]
    error(api.get(f"/markets?order_by=volume&status=active&offset=1&cursor={cursor}"), 422, "invalid_parameter")
    error(api.get(f"/markets?order_by=volume&status=active&cursor={cursor[:-9]}"), 422, "invalid_parameter")


@pytest.mark.parametrize("column", COLUMNS, ids=[column.name for column in COLUMNS])
def test_every_column_can_be_selected_and_is_the_same_in_every_format(
    api: ApiClient, all_markets: int, column: Any
) -> None:
    url = f"/markets?limit=10000&order_by=ticker&fields=ticker,{column.name}"
    names = ["ticker"] + [column.name] * (column.name != "ticker")
    json_rows = api.get(url).json["items"]
    assert len(json_rows) == all_markets
    assert [list(item) for item in json_rows] == [names] * all_markets
    ndjson = api.get(f"{url}&format=ndjson")
    assert [json.loads(line, parse_float=str) for line in ndjson.text.splitlines()] == json_rows
    header, *rows = csv.reader(io.StringIO(api.get(f"{url}&format=csv").text, newline=""), strict=True)
    assert header == names
    assert [row[-1] for row in rows] == [as_csv(item[column.name], column.kind) for item in json_rows]


def as_csv(value: Any, kind: Kind) -> str:
    if value is None:
        return ""
    if kind is Kind.JSON:
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if kind is Kind.BOOLEAN else str(value)


def test_csv_tells_an_empty_string_from_a_missing_one(api: ApiClient, all_markets: int) -> None:
    url = "/markets?ticker__startswith=NOTHING-&order_by=ticker&order_direction=desc&format=csv&fields=title,volume"
    lines = api.get(url).text.split("\r\n")
    assert lines == ["title,volume", ",5", '"",', ",", ",5", ",", ""]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml", "application/json"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/csv", "text/csv"),
        ("application/json;q=0.5, text/csv;q=0.9", "text/csv"),
        ("text/csv;q=0, */*", "application/json"),
        ("text/csv;q=x, application/x-ndjson", "application/x-ndjson"),
    ],
)
def test_accept_chooses_the_format_unless_format_does(api: ApiClient, accept: str, kind: str) -> None:
    answer = api.get("/markets?limit=3", accept=accept)
    assert answer.headers["content-type"].split(";")[0] == kind
    assert "accept" in answer.headers["vary"].split(", ")
    assert api.get("/markets?limit=3&format=json", accept=accept).headers["content-type"] == "application/json"


@pytest.mark.parametrize("format_", ["ndjson", "csv"])
def test_formats_without_an_envelope_have_it_in_headers(api: ApiClient, all_markets: int, format_: str) -> None:
    url = "/markets?limit=2&order_by=ticker&count_total=exact"
    envelope, answer = api.get(url).json, api.get(f"{url}&format={format_}")
    assert answer.headers["x-total-count"] == str(envelope["total"]) == str(all_markets)
    assert answer.headers["x-next-cursor"] == envelope["next_cursor"]
    target = answer.headers["link"].removeprefix("<").removesuffix('>; rel="next"')
    assert f"format={format_}" in target
    assert api.get(target).status == 200
    assert api.get(f"/markets?ticker=NONE&format={format_}").text == (
        "" if format_ == "ndjson" else ",".join(column.name for column in DEFAULT_COLUMNS) + "\r\n"
    )


def test_a_long_query_has_no_link_that_the_gateway_would_reject(api: ApiClient) -> None:
    long = ",".join(f"KX{n:040}" for n in range(150))
    answer = api.get(f"/markets?limit=1&ticker__ne=A&event_ticker__in={long},&event_ticker__isnull=false")
    assert answer.status == 200
    answer = api.get(f"/markets?limit=1&{escaped(title__ne='x' * 900, subtitle__ne='%' * 1000, ticker__ne='%' * 900)}")
    assert answer.json["next_url"]
    assert "link" not in answer.headers
    assert answer.headers["x-next-cursor"]


def test_a_next_url_that_the_gateway_would_reject_is_omitted_and_its_cursor_given(api: ApiClient) -> None:
    def page(size: int, **headers: str) -> ApiResponse:
        url = "/markets?limit=1&" + "&".join(f"{name}__ne={'x' * 1000}" for name in TEXTS)
        return api.get(url[: size - len("GET  HTTP/1.1\r\n")], **headers)

    fits = page(9000)
    assert len(fits.json["next_url"]) > 9000
    without = page(10_000)
    assert without.json["next_url"] is None
    assert without.json["next_cursor"] == without.headers["x-next-cursor"]
    assert "link" not in without.headers
    with_headers = page(9000, user_agent="x" * 1500)
    assert with_headers.json["next_url"] is None
    assert with_headers.json["next_cursor"]


def test_three_hundred_tickers_fit_into_a_request_and_so_does_its_next_url(api: ApiClient, all_markets: int) -> None:
    [first, second, *_] = [item["ticker"] for item in items(api, "/markets?limit=2")]
    tickers_ = [first, second, *(f"{number:030}" for number in range(298))]
    answer = api.get(
        f"/markets?limit=1&ticker__in={','.join(tickers_)}", user_agent="Mozilla/5.0 " + "x" * 150, accept="*/*"
    )
    assert answer.json["count"] == 1
    assert [item["ticker"] for item in items(api, answer.json["next_url"])] == [second]


@pytest.mark.parametrize("text", ["a>b", "a<b>", 'a"b', "a b", "a^`{|}b", "100%25", "é"])
def test_a_next_url_is_one_whatever_was_sent_bare(api: ApiClient, text: str) -> None:
    bare = quote(text, safe='<>"^`{|}')
    first = api.get(f"/markets?limit=1&title__ne={bare}&format=json")
    target = first.headers["link"].removeprefix("<").removesuffix('>; rel="next"')
    assert target == first.json["next_url"]
    assert re.fullmatch(r"[A-Za-z0-9%/:?@!$&'()*+,;=._~-]+", target)
    assert api.get(target).json["items"] != first.json["items"]


def test_words_that_the_exchange_has_invented_are_taken_once_a_market_has_them(
    api: ApiClient, database: Database
) -> None:
    unknown = {"status": "settling", "result": "void", "strike_type": "spiral", "market_type": "ternary"}
    for column, word in unknown.items():
        body = error(api.get(f"/markets?{column}={word}"), 422, "invalid_parameter")
        assert "must be one of" in body["detail"][0]["msg"]
    store_markets(database, {"ticker": "INVENTED", **unknown})
    try:
        for column, word in unknown.items():
            for operator in ("", "__in"):
                assert [item["ticker"] for item in items(api, f"/markets?{column}{operator}={word}")] == ["INVENTED"]
            assert "INVENTED" not in tickers(iter([api.get(f"/markets?limit=10000&{column}__ne={word}")]))
            error(api.get(f"/markets?{column}__in={word},nonsense"), 422, "invalid_parameter")
        error(api.get("/markets?status=open"), 422, "invalid_parameter")
    finally:
        delete_market(database, "INVENTED")


@pytest.mark.parametrize(
    "narrowed", ["", "&status=active", "&title__icontains=will&volume__gte=10", "&changed_since=5"]
)
def test_the_total_is_exact_or_the_planners_guess(
    api: ApiClient, all_markets: int, database: Database, narrowed: str
) -> None:
    database.execute_script("ANALYZE kalshi_markets_details, kalshi_markets_quotes")
    exact = api.get(f"/markets?limit=1&count_total=exact{narrowed}").json["total"]
    assert exact == len(items(api, f"/markets?limit=10000{narrowed}"))
    guess = api.get(f"/markets?limit=1&count_total=estimated{narrowed}").json["total"]
    assert exact / 5 <= guess <= exact * 5
    assert "total" not in api.get(f"/markets?limit=1{narrowed}").json


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("format_", ["json", "ndjson", "csv"])
def test_a_page_that_is_too_large_is_shortened_flagged_and_continued(
    api: ApiClient, all_markets: int, database: Database, format_: str, encoding: str
) -> None:
    rng = random.Random(5)
    large = [{"ticker": f"LARGE-{n:03}", "rules_secondary": rng.randbytes(30_000).hex()} for n in range(250)]
    store_markets(database, *large)
    url: str | None = f"/markets?ticker__startswith=LARGE&fields=ticker,rules_secondary&limit=1000&format={format_}"
    count, pages = 0, 0
    while url:
        answer = api.get(url, accept_encoding=encoding)
        assert answer.size <= 6_291_556
        count += answer.text.count("LARGE-")
        pages += 1
        url = answer.headers["link"][1:].removesuffix('>; rel="next"') if "link" in answer.headers else None
        assert ("x-truncated" in answer.headers) is (url is not None)
        if format_ == "json" and pages == 1:
            assert answer.json["truncated"] is True
            assert answer.json["next_offset"] == answer.json["count"]
    assert count == 250
    assert 2 <= pages <= 4
    for market in large:
        delete_market(database, str(market["ticker"]))


def test_a_market_that_never_fits_is_an_error(api: ApiClient, markets: Sequence[Any], database: Database) -> None:
    store_markets(database, {"ticker": "HUGE", "rules_secondary": "x" * 7_000_000})
    url = "/markets?ticker=HUGE&fields=rules_secondary"
    body = error(api.get(url), 422, "answer_too_large")
    assert "fields" in body["hint"]
    assert len(api.get(url, accept_encoding="gzip").text) > 7_000_000
    assert items(api, "/markets?ticker=HUGE")
    delete_market(database, "HUGE")


def test_changes_come_in_their_order_and_can_be_followed(
    api: ApiClient, markets: Sequence[Any], database: Database
) -> None:
    table: dict[str, Any] = {}
    since = 0

    def follow() -> int:
        nonlocal since
        seen = 0
        for answer in walk(api, f"/markets?changed_since={since}&limit=400&fields=all"):
            numbers = [item["change_number"] for item in answer.json["items"]]
            assert numbers == sorted(numbers)
            table.update({item["ticker"]: item for item in answer.json["items"]})
            seen += len(numbers)
            since = answer.json["change_number"]
            assert answer.headers["x-change-number"] == str(since)
            assert not numbers or since >= numbers[-1]
        return seen

    assert follow() == len(items(api, "/markets?limit=10000"))
    assert follow() == 0
    store_markets(database, {**markets[0], "volume_fp": "123456.00"}, {"ticker": "NEW"})
    assert follow() == 2
    assert str(table[markets[0]["ticker"]]["volume"]) == "123456"
    listing = items(api, "/markets?limit=10000&fields=all")
    assert table == {item["ticker"]: item for item in listing}
    store_markets(database, markets[0])
    delete_market(database, "NEW")


def test_changes_of_the_future_are_a_409(api: ApiClient, markets: Sequence[Any]) -> None:
    error(api.get("/markets?changed_since=999999999999"), 409, "change_number_ahead")
    current = int(api.get("/markets?limit=1").headers["x-change-number"])
    assert items(api, f"/markets?changed_since={current}") == []
    error(api.get(f"/markets?changed_since={current + 1}"), 409, "change_number_ahead")


@pytest.mark.parametrize("path", ["/markets?limit=3", "/markets?limit=3&format=csv", "/markets/{ticker}"])
def test_an_answer_that_the_client_has_is_a_304_until_something_changes(
    api: ApiClient, markets: Sequence[Any], database: Database, path: str
) -> None:
    path = path.format(ticker=markets[0]["ticker"])
    answer = api.get(path)
    etag = answer.headers["etag"]
    assert etag.startswith('W/"')
    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        second = api.get(path, if_none_match=known, accept_encoding="gzip")
        assert (second.status, second.text) == (304, "")
        assert second.headers["etag"] == etag
        assert second.headers["cache-control"] == answer.headers["cache-control"] == "max-age=15"
    for other in ('"other"', 'W/""'):
        assert api.get(path, if_none_match=other).status == 200
    assert api.get("/markets?limit=4", if_none_match=etag).status == 200
    store_markets(database, {**markets[1], "volume_fp": "77.00"})
    changed = api.get(path, if_none_match=etag)
    assert changed.status == 200
    assert changed.headers["etag"] != etag
    store_markets(database, markets[1])


def test_another_deployment_or_format_is_another_answer(api: ApiClient, environment: dict[str, str]) -> None:
    etag = api.get("/markets?limit=3").headers["etag"]
    assert api.get("/markets?limit=3", accept="text/csv").headers["etag"] != etag
    other = ApiClient(environment)
    other.resources.__dict__["source_fingerprint"] = "other"
    assert other.get("/markets?limit=3").headers["etag"] != etag
    other.close()
    redeployed = ApiClient(environment)
    assert redeployed.get("/markets?limit=3").headers["etag"] == etag
    redeployed.close()


def test_freshness_is_in_headers(api: ApiClient, markets: Sequence[Any], database: Database) -> None:
    answer = api.get("/markets?limit=1")
    [[number, at]] = database.query("SELECT max(change_number), max(committed_at) FROM kalshi_markets_jobs")
    assert answer.headers["x-change-number"] == str(number)
    assert answer.headers["x-crawled-at"].endswith("Z")
    assert datetime.fromisoformat(answer.headers["x-crawled-at"]) == at


def test_one_market_has_the_selected_fields(api: ApiClient, markets: Sequence[Any]) -> None:
    ticker = markets[0]["ticker"]
    assert list(api.get(f"/markets/{ticker}?fields=last_price_dollars,ticker").json) == ["last_price_dollars", "ticker"]
    assert list(api.get(f"/markets/{ticker}?fields=all").json) == [*COLUMNS_BY_NAME]
    error(api.get(f"/markets/{ticker}?fields=nothing"), 422, "invalid_parameter")
    error(api.get(f"/markets/{ticker}?limit=1"), 422, "unknown_parameter")


def test_next_url_is_a_url_however_names_were_escaped(api: ApiClient, markets: Sequence[Any]) -> None:
    first = api.get("/markets?off%73et=1&limit=1&order_by=ticker").json
    second = api.get(first["next_url"].replace("cursor=", "curs%6Fr="))
    assert second.json["count"] == 1
    assert api.get(second.json["next_url"]).json["count"] == 1


def test_durations_are_exact_and_may_be_absurd(api: ApiClient, database: Database) -> None:
    store_markets(
        database, {"ticker": "MINUTE", "open_time": "2026-01-01T00:00:00Z", "close_time": "2026-01-01T00:01:00Z"}
    )
    for bound, count in (("1", 1), ("1.0000000000000000000000000000001", 0), ("-1" + "0" * 50, 1), ("1" + "0" * 50, 0)):
        assert len(items(api, f"/markets?ticker=MINUTE&min_duration_minutes={bound}")) == count
    for bound, count in (("1", 1), ("0.9999999999999999999999999999999", 0), ("1" + "0" * 50, 1)):
        assert len(items(api, f"/markets?ticker=MINUTE&max_duration_minutes={bound}")) == count
    delete_market(database, "MINUTE")


def test_any_stored_ticker_is_found_by_its_path_but_for_slashes(api: ApiClient, database: Database) -> None:
    store_markets(database, {"ticker": "A\tB \u00ad😀"})
    assert api.get("/markets/A%09B%20%C2%AD%F0%9F%98%80").json["ticker"] == "A\tB \u00ad😀"
    delete_market(database, "A\tB \u00ad😀")


def test_whole_texts_and_their_beginnings_are_compared_with_case(api: ApiClient, database: Database) -> None:
    store_markets(database, {"ticker": "CASE", "title": "Éa Bc_%", "rules_primary": "RÜLES"})
    for name, value, count in (
        ("title", "Éa Bc_%", 1),
        ("title", "éa bc_%", 0),
        ("title", "Éa bc_%", 0),
        ("title__startswith", "Éa B", 1),
        ("title__startswith", "Éa b", 0),
        ("title__icontains", "ÉA BC_", 1),
        ("title__icontains", "a bC_%", 1),
        ("title__icontains", "a bC%", 0),
        ("rules_primary", "RÜLES", 1),
        ("rules_primary", "RüLES", 0),
        ("rules_primary_regex", "^rüles$", 1),
        ("rules_primary_regex", "xyz|les", 1),
    ):
        assert len(items(api, f"/markets?ticker=CASE&{escaped(**{name: value})}")) == count, (name, value)
    delete_market(database, "CASE")


def test_columns_of_whole_numbers_compare_with_any_number(api: ApiClient, database: Database) -> None:
    store_markets(database, {"ticker": "WHOLE", "settlement_timer_seconds": 5})
    for name, value, count in (
        *(
            ("", "5", 1),
            ("", "5.0", 1),
            ("", "5.5", 0),
            ("__gt", "4.999", 1),
            ("__lt", "9" * 40, 1),
            ("__in", "5,6", 1),
        ),
        *(("__in", "5.5,7", 0), ("__gte", "-" + "9" * 30, 1), ("__lte", "-0", 0), ("__ne", "5", 0), ("__ne", "5.1", 1)),
    ):
        url = f"/markets?ticker=WHOLE&settlement_timer_seconds{name}={value}"
        assert len(items(api, url)) == count, url
    delete_market(database, "WHOLE")
