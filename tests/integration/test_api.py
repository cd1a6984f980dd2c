from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import escape
from typing import Any
from urllib.parse import quote, unquote

import pytest

from api.explorer.landing import QUERIES
from api.markets.parameters import FILTERS as EVERY_FILTER
from api.markets.parameters import LISTING_PARAMETERS
from kalshi_markets.columns import COLUMNS, DEFAULT_COLUMNS
from kalshi_markets.database import Database
from kalshi_markets.exchange import market_row
from local.exchange.clock import Clock, parse
from tests.support.api_client import ApiClient, error, escaped, items
from tests.support.database import connect, delete_market, store_markets

NAMES = [column.name for column in DEFAULT_COLUMNS]


@pytest.fixture(scope="module")
def clock() -> Clock:
    """Return a clock that stands still at a day on which every query of the landing page has a market."""
    return Clock(parse("2026-11-24T12:00:00Z"), speed=0)


def tickers(api: ApiClient, **parameters: str) -> set[str]:
    return {item["ticker"] for item in items(api, f"/markets?limit=10000&{escaped(**parameters)}")}


def test_an_item_has_the_originals_members_in_their_order(api: ApiClient) -> None:
    answer = api.get("/markets")
    assert list(answer.json) == ["items", "count", "next_cursor", "next_url"]
    assert [list(item) for item in answer.json["items"]] == [NAMES] * 100


def test_values_are_exact_and_times_are_rfc_3339(api: ApiClient, markets: Sequence[Mapping[str, Any]]) -> None:
    by_ticker = {item["ticker"]: item for item in items(api, "/markets?limit=10000")}
    assert len(by_ticker) == len(markets)
    for market in markets:
        item, row = by_ticker[market["ticker"]], market_row(market)
        for name in ("volume", "liquidity", "open_interest", "settlement_value"):
            expected = None if row[name] is None else str(Decimal(str(row[name])).normalize().__format__("f"))
            assert (None if item[name] is None else str(item[name])) == expected, name
        for name in ("open_time", "close_time"):
            text = item[name]
            assert text.endswith("Z")
            assert datetime.fromisoformat(text) == datetime.fromisoformat(str(row[name]))
            assert not (text[:-1].endswith("0") and "." in text), "a fraction has no zeros at its end"
        for name in ("title", "subtitle", "result", "market_type", "strike_type", "rules_primary"):
            assert item[name] == row[name]


def test_one_market_is_the_same_object(api: ApiClient) -> None:
    [item] = items(api, "/markets?limit=1")
    assert api.get(f"/markets/{item['ticker']}").json == item


def has(market: Mapping[str, Any], member: str) -> bool:
    return member in market


FILTERS: list[tuple[dict[str, str], Any]] = [
    ({"status": "active"}, lambda m: m["status"] == "active"),
    ({"result": ""}, lambda m: m["result"] == ""),
    ({"result": "yes", "market_type": "binary"}, lambda m: m["result"] == "yes" and m["market_type"] == "binary"),
    ({"title_regex": "BITCOIN|rain"}, lambda m: "bitcoin" in m["title"].lower() or "rain" in m["title"].lower()),
    ({"ticker_regex": "^KX[A-M]"}, lambda m: m["ticker"][:2].upper() == "KX" and "A" <= m["ticker"][2].upper() <= "M"),
    ({"volume__gt": "1000"}, lambda m: Decimal(m["volume_fp"]) > 1000),
    ({"volume__gte": "1000.5", "volume__lt": "20000"}, lambda m: Decimal("1000.5") <= Decimal(m["volume_fp"]) < 20000),
    ({"volume": "0"}, lambda m: Decimal(m["volume_fp"]) == 0),
    ({"volume__eq": "0.00"}, lambda m: Decimal(m["volume_fp"]) == 0),
    ({"open_interest__lte": "0"}, lambda m: Decimal(m["open_interest_fp"]) <= 0),
    ({"settlement_value__gte": "0"}, lambda m: has(m, "settlement_value_dollars")),
    ({"settlement_value": "1"}, lambda m: Decimal(m.get("settlement_value_dollars", -1)) == 1),
    ({"can_close_early": "true"}, lambda m: m["can_close_early"]),
    ({"yes_bid_dollars__gt": "0.5"}, lambda m: Decimal(m["yes_bid_dollars"]) > Decimal("0.5")),
    ({"settlement_timer_seconds__gte": "3600"}, lambda m: m["settlement_timer_seconds"] >= 3600),
]


@pytest.mark.parametrize(("parameters", "keep"), FILTERS, ids=[str(parameters) for parameters, _ in FILTERS])
def test_a_filter_keeps_what_it_says(
    api: ApiClient, markets: Sequence[Mapping[str, Any]], parameters: dict[str, str], keep: Any
) -> None:
    expected = {market["ticker"] for market in markets if keep(market)}
    assert tickers(api, **parameters) == expected
    assert expected


def instant(market: Mapping[str, Any], member: str) -> datetime:
    return datetime.fromisoformat(market[member])


@pytest.mark.parametrize("spelling", ["unix", "iso", "offset"])
def test_times_compare_in_every_spelling(api: ApiClient, markets: Sequence[Mapping[str, Any]], spelling: str) -> None:
    bound = sorted(instant(market, "close_time") for market in markets)[len(markets) // 2]
    spelled = {
        "unix": str(int(bound.timestamp())),
        "iso": bound.isoformat().replace("+00:00", "Z"),
        "offset": (bound + timedelta(hours=2)).replace(tzinfo=None).isoformat() + "+02:00",
    }[spelling]
    expected = {market["ticker"] for market in markets if instant(market, "close_time") >= bound}
    assert tickers(api, close_time__gte=spelled) == expected
    assert 0 < len(expected) < len(markets)


@pytest.mark.parametrize(("minimum", "maximum"), [("60", None), (None, "60.5"), ("-100000", "0"), ("15", "15")])
def test_durations_are_signed_minutes(
    api: ApiClient, markets: Sequence[Mapping[str, Any]], minimum: str | None, maximum: str | None
) -> None:
    def keep(market: Mapping[str, Any]) -> bool:
        minutes = Decimal((instant(market, "close_time") - instant(market, "open_time")) / timedelta(seconds=1)) / 60
        return (minimum is None or minutes >= Decimal(minimum)) and (maximum is None or minutes <= Decimal(maximum))

    bounds = {
        name: value for name, value in (("min_duration_minutes", minimum), ("max_duration_minutes", maximum)) if value
    }
    assert tickers(api, **bounds) == {market["ticker"] for market in markets if keep(market)}


@pytest.mark.parametrize(
    "column",
    ["recent", "close_time", "open_time", "volume", "liquidity", "open_interest", "settlement_value", "ticker"],
)
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_an_order_is_total_and_puts_missing_values_last(api: ApiClient, column: str, direction: str) -> None:
    def key(item: Mapping[str, Any]) -> Any:
        value = item["close_time"] or item["open_time"] if column == "recent" else item[column]
        if column in ("volume", "liquidity", "open_interest", "settlement_value"):
            return None if value is None else Decimal(str(value))
        return value if column == "ticker" or value is None else datetime.fromisoformat(value)

    rows = items(api, f"/markets?limit=10000&order_by={column}&order_direction={direction}")
    present = [item for item in rows if key(item) is not None]
    assert rows[: len(present)] == present
    assert present == sorted(present, key=lambda item: (key(item), item["ticker"]), reverse=direction == "desc")
    missing = rows[len(present) :]
    assert missing == sorted(missing, key=lambda item: item["ticker"], reverse=direction == "desc")


def test_pages_by_offset_join_without_gaps(api: ApiClient) -> None:
    listing = items(api, "/markets?limit=10000&order_by=volume")
    paged = [
        item
        for start in range(0, 1700, 400)
        for item in items(api, f"/markets?limit=400&offset={start}&order_by=volume")
    ]
    assert paged == listing


def test_an_offset_beyond_the_end_is_an_empty_page(api: ApiClient) -> None:
    assert items(api, "/markets?offset=1000000000") == []


@pytest.mark.parametrize("encoding", ["gzip", "identity", "gzip;q=0"])
def test_the_largest_page_fits_however_it_is_encoded(api: ApiClient, encoding: str) -> None:
    answer = api.get("/markets?limit=10000", accept_encoding=encoding)
    assert answer.size < 6_291_556
    assert answer.json["count"] > 1400
    assert answer.headers["vary"] == "accept, accept-encoding"
    assert ("content-encoding" in answer.headers) is (encoding == "gzip")


@pytest.mark.parametrize("path", ["/markets?limit=2", "/health", "/", "/markets/none"])
def test_head_is_get_without_a_body(api: ApiClient, path: str) -> None:
    get, head = api.get(path), api.request("HEAD", path)
    assert head.status == get.status
    assert head.text == ""
    assert {**head.headers, "content-length": ""} == {**get.headers, "content-length": ""}


@pytest.mark.parametrize(
    "ticker", ["NOPE", "%00", "%ff", "a%0Ab", "x" * 5000, "%27%3B%20DROP%20TABLE%20kalshi_markets"]
)
def test_an_unknown_market_is_a_404(api: ApiClient, ticker: str) -> None:
    assert error(api.get(f"/markets/{ticker}"), 404, "market_not_found")["detail"] == "Market not found"


@pytest.mark.parametrize("ticker", ["100%", "A%25B", "A%2525", "%41", "a+b c", "é%C3"])
def test_a_ticker_with_a_percent_sign_is_found_by_its_path(api: ApiClient, database: Database, ticker: str) -> None:
    store_markets(database, {"ticker": ticker}, {"ticker": unquote(ticker) + "?"})
    try:
        assert api.get(f"/markets/{quote(ticker, safe='')}").json["ticker"] == ticker
        assert api.get(f"/markets/{quote(ticker, safe='')}/history").json["ticker"] == ticker
    finally:
        delete_market(database, ticker)
        delete_market(database, unquote(ticker) + "?")


def test_an_unknown_path_is_a_404_and_a_wrong_method_a_405(api: ApiClient) -> None:
    error(api.get("/nothing/here"), 404, "not_found")
    for method, path, allow in (
        ("DELETE", "/markets", "GET, HEAD"),
        ("PUT", "/markets/candlesticks", "POST"),
        ("GET", "/markets/candlesticks", "POST"),
        ("POST", "/docs", "GET, HEAD"),
    ):
        wrong = api.request(method, path)
        error(wrong, 405, "method_not_allowed")
        assert wrong.headers["allow"] == allow


def test_parameters_where_there_are_none_are_a_422(api: ApiClient) -> None:
    for path in ("/markets/A", "/markets/A/history", "/health", "/status", "/markets/columns"):
        error(api.get(f"{path}?limit=1"), 422, "unknown_parameter")
    error(api.post("/markets/candlesticks?limit=1", {"tickers": ["A"]}), 422, "unknown_parameter")


@pytest.mark.parametrize("pattern", ["(", "[", "a{2,1}", "*a", "a{300}"])
def test_a_malformed_pattern_is_a_422_that_names_it(api: ApiClient, pattern: str) -> None:
    body = error(
        api.get(f"/markets?limit=1&title_regex=fine&{escaped(ticker_regex=pattern)}"), 422, "invalid_parameter"
    )
    assert body["detail"][0]["loc"] == ["query", "ticker_regex"]
    assert body["detail"][0]["msg"] == "ticker_regex is invalid: PostgreSQL cannot parse it"


@pytest.mark.parametrize("query", ["title=%ff", "title=é", "%C3=1", "limit=1&title=%E9"])
@pytest.mark.parametrize("path", ["/markets", "/markets/A", "/markets/A/history", "/markets/A/candlesticks", "/health"])
def test_a_query_string_that_is_no_escaped_utf_8_is_a_400(api: ApiClient, path: str, query: str) -> None:
    body = error(api.get(f"{path}?{query}"), 400, "malformed_query")
    assert body["detail"].startswith("The query string")
    assert "é" not in body["detail"]


def test_a_422_does_not_repeat_what_was_sent(api: ApiClient) -> None:
    for parameters in (
        {"volume__gt": "s3cret"},
        {"title": "s3cret\0"},
        {"custom_strike": "s3cret"},
        {"title_regex": "(s3cret"},
    ):
        assert "s3cret" not in api.get(f"/markets?{escaped(**parameters)}").text


@pytest.mark.parametrize("value", ['{"a": 1e999999}', '"\\u0000"', '"\\ud800"'])
def test_json_that_the_database_cannot_hold_is_a_422_that_names_it(api: ApiClient, value: str) -> None:
    body = error(api.get(f"/markets?{escaped(custom_strike=value)}"), 422, "invalid_parameter")
    assert body["detail"][0]["loc"] == ["query", "custom_strike"]


def test_quotes_and_comments_are_only_values(api: ApiClient) -> None:
    for value in ("' OR 1=1 --", "'; DROP TABLE kalshi_markets; --", "$1", "%s", ":a", "\\", '"', "/*"):
        assert tickers(api, title=value) == set()
    assert items(api, "/markets?limit=1")


def test_non_ascii_text_is_compared_whatever_its_case(api: ApiClient, database: Database) -> None:
    store_markets(database, {"ticker": "UNICODE", "title": "ÉLECTIONS à Genève Ж 😀"})
    try:
        for pattern in ("élections À genÈve ж", "ÉLECTIONS", "😀"):
            assert tickers(api, title_regex=pattern) == {"UNICODE"}
        [item] = items(api, "/markets?ticker=UNICODE")
        assert item["title"] == "ÉLECTIONS à Genève Ж 😀"
        assert item["open_time"] is None
        assert item["volume"] is None
    finally:
        delete_market(database, "UNICODE")


@pytest.fixture
def weather(database: Database) -> Iterator[set[str]]:
    """Store markets whose tickers are the letters in their titles."""
    titles = {
        "RAIN": "Will it rain?",
        "TRAIN": "A train, or trains",
        "BRAINY": "brainy",
        "CAFÉ": "Caf\u00e9",
        "CAFE": "Cafe",
    }
    titles |= {"CAFÉ-2": "CAFE\u0301S", "BACKSPACE": "a\bb", "BACKSLASH": "a\\b", "SIGNS": "<b>"}
    store_markets(database, *({"ticker": f"WEATHER-{name}", "title": title} for name, title in titles.items()))
    yield {*titles}
    for name in titles:
        delete_market(database, f"WEATHER-{name}")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"\brain\b", {"RAIN"}),
        (r"\Brain\B", {"BRAINY", "TRAIN"}),
        (r"\Brain", {"BRAINY", "TRAIN"}),
        (r"\btrains?\z", {"TRAIN"}),
        (r"[\b]", {"BACKSPACE"}),
        (r"\\b", {"BACKSLASH"}),
        (r"\x3c", {"SIGNS"}),
        (r"^\w+\?*\z", {"BRAINY", "CAFE", "CAFÉ"}),
    ],
)
def test_a_pattern_means_what_it_says_elsewhere(
    api: ApiClient, weather: set[str], pattern: str, expected: set[str]
) -> None:
    query = {"ticker__startswith": "WEATHER-", "title_regex": pattern}
    assert tickers(api, **query) == {f"WEATHER-{name}" for name in expected}


@pytest.mark.parametrize("word", ["caf\u00e9", "CAFE\u0301", "Caf\u00c9"])
def test_a_letter_with_an_accent_is_found_in_either_spelling(api: ApiClient, weather: set[str], word: str) -> None:
    query = {"ticker__startswith": "WEATHER-", "title__icontains": word}
    assert tickers(api, **query) == {"WEATHER-CAFÉ", "WEATHER-CAFÉ-2"}


def test_the_landing_page_has_ten_queries_that_work(api: ApiClient) -> None:
    answer = api.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert len(QUERIES) == 10
    assert [path for _, path in QUERIES if f'<a href="{escape(path)}">' not in answer.text] == []
    for about, path in QUERIES:
        assert items(api, path), about


def test_the_openapi_document_has_every_endpoint_of_the_landing_page(api: ApiClient) -> None:
    document = api.get("/openapi.json").json
    assert set(document["paths"]) == {
        *("/", "/health", "/status", "/mcp", "/llms.txt"),
        *("/markets", "/markets/columns", "/markets/candlesticks"),
        *("/markets/{ticker}", "/markets/{ticker}/history", "/markets/{ticker}/candlesticks"),
        *("/markets/{ticker}/trades", "/markets/{ticker}/orderbook", "/markets/orderbooks"),
        *("/lake", "/markets/facets", "/events", "/events/columns", "/events/{event_ticker}"),
        *("/events/{event_ticker}/markets", "/series", "/series/columns", "/series/{series_ticker}"),
    }
    assert len(document["paths"]["/markets"]["get"]["parameters"]) == len(LISTING_PARAMETERS) + len(EVERY_FILTER)
    landing = api.get("/").text
    for path, methods in document["paths"].items():
        for method in methods.keys() & {"get", "post"}:
            assert path == "/" or f"<code>{method.upper()} {path}</code>" in landing


def test_the_columns_describe_themselves(api: ApiClient) -> None:
    answer = api.get("/markets/columns").json
    assert [column["name"] for column in answer["items"]] == [column.name for column in COLUMNS]
    assert {name for column in answer["items"] for name in column["filters"]} == set(EVERY_FILTER)
    status = next(column for column in answer["items"] if column["name"] == "status")
    assert "active" in status["values"]
    assert answer["count"] == len(COLUMNS)


def test_health(api: ApiClient) -> None:
    assert api.get("/health").json == {"status": "ok", "database": "ok"}


def test_the_api_sees_what_the_crawler_wrote_a_moment_ago(api: ApiClient, environment: Mapping[str, str]) -> None:
    writer = connect(environment)
    store_markets(writer, {"ticker": "JUSTNOW", "close_time": datetime.now(UTC).isoformat(), "volume_fp": "0.10"})
    assert api.get("/markets/JUSTNOW").json["volume"] == "0.1"
    delete_market(writer, "JUSTNOW")
    writer.close()
