import json
from collections.abc import Callable, Collection
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest

from api.candlesticks.request import CANDLESTICK_PARAMETERS
from api.errors import ApiError
from api.listing.endpoints import parse_fields
from api.markets.parameters import FILTERS
from api.markets.query import GRAMMAR, parse_query
from api.query_string import parse_parameters, reject_parameters
from kalshi_markets.columns import COLUMNS, DEFAULT_COLUMNS, Column, Kind


def validation_error_body(query_string: bytes) -> dict[str, Any]:
    with pytest.raises(ApiError) as caught:
        parse_query(query_string)
    body = caught.value.body("id")
    json.dumps(body)
    return body


def test_the_default_page_is_the_hundred_newest_markets() -> None:
    query = parse_query(b"")
    assert (query.conditions, query.order_by, query.order_direction, query.limit, query.offset) == (
        [],
        "recent",
        "desc",
        100,
        0,
    )
    assert query.fields == DEFAULT_COLUMNS


def test_filters_and_settings_are_taken() -> None:
    query = parse_query(b"title_regex=bit+coin&volume__gte=10.50&limit=5&order_by=volume&order_direction=asc&result=")
    assert (query.limit, query.order_by, query.order_direction) == (5, "volume", "asc")
    assert [(c.filter.name, *c.values) for c in query.conditions] == [
        *(("title_regex", "%bit coin%"), ("volume__gte", "10.50"), ("result", ""))
    ]


def test_every_column_filters_by_its_kind() -> None:
    for column in COLUMNS:
        suffixes = {name.removeprefix(column.name) for name, made in FILTERS.items() if made.column is column}
        every = {"", "__isnull"}
        compared = every | {"__ne", "__in", "__eq", "__lt", "__lte", "__gt", "__gte"}
        strings = every | {"__ne", "__in", "_regex", "__icontains", "__startswith"}
        assert suffixes == {Kind.STRING: strings, Kind.NUMBER: compared, Kind.TIME: compared}.get(column.kind, every)


@pytest.mark.parametrize(
    ("query_string", "name", "words"),
    [
        (b"limit=0", "limit", "must be an integer between 1 and 10000"),
        (b"limit=10001", "limit", "must be an integer between 1 and 10000"),
        (b"limit=abc", "limit", "must be an integer"),
        (b"limit", "limit", "must be an integer"),
        (b"offset=-1", "offset", "must be an integer"),
        (b"offset=9999999999999999999999", "offset", "must be an integer"),
        (b"order_by=volum", "order_by", "did you mean volume?"),
        (b"order_direction=up", "order_direction", "desc, asc"),
        (b"min_duration_minutes=x", "min_duration_minutes", "number"),
        (b"max_duration_minutes=", "max_duration_minutes", "number"),
        (b"min_duration_minutes=5&max_duration_minutes=4.5", "min_duration_minutes", "must not exceed"),
        (b"volume__gte=many", "volume__gte", "number"),
        (b"close_time__lt=soon", "close_time__lt", "ISO 8601"),
        (b"can_close_early=maybe", "can_close_early", "true or false"),
        (b"custom_strike={", "custom_strike", "JSON"),
        (b"status=open", "status", "did you mean active?"),
        (b"status=settled", "status", "did you mean finalized?"),
        (b"status=nonsense", "status", "must be one of"),
        (b"market_type=unary", "market_type", "binary, scalar"),
        (b"title_regex=%5C1", "title_regex", "back-reference"),
        (b"title=" + b"x" * 1001, "title", "1,000 characters"),
        (b"limit=1&limit=1", "limit", "must not be repeated"),
        (b"title_regex=", "title_regex", "empty"),
        (b"title__icontains=", "title__icontains", "empty"),
        (b"title__startswith=", "title__startswith", "empty"),
        (b"title__icontains=" + b"x" * 1001, "title__icontains", "1,000 characters"),
        (b"volume__in=1,x", "volume__in", "number"),
        (b"status__in=active,open", "status__in", "did you mean active?"),
        (b'title__in="a', "title__in", "line of CSV"),
        (b"ticker__in=" + b"a," * 1000 + b"a", "ticker__in", "at most 1,000 values"),
        (b"volume__isnull=yes", "volume__isnull", "true or false"),
        (b"fields=ticker,titel", "fields", "did you mean title?"),
        (b"fields=", "fields", "column names"),
        (b"count_total=yes", "count_total", "none, estimated, exact"),
        (b"format=xml", "format", "json, ndjson, csv"),
        (b"changed_since=-1", "changed_since", "must be an integer"),
        (b"changed_since=1&order_by=volume", "order_by", "changed_since"),
        (b"cursor=", "cursor", "characters"),
        (b"cursor=abc", "cursor", "is invalid: use next_cursor"),
        (b"cursor=W10", "cursor", "is invalid: use next_cursor"),
        (b"offset=1&cursor=abc", "offset", "cursor"),
        (b"title=a%00b", "title", "NUL"),
    ],
)
def test_a_wrong_value_is_a_422_that_names_its_parameter(query_string: bytes, name: str, words: str) -> None:
    body = validation_error_body(query_string)
    assert body["code"] == "invalid_parameter"
    assert [problem["loc"] for problem in body["detail"]] == [["query", name]]
    assert words in body["detail"][0]["msg"]
    assert body["hint"]


@pytest.mark.parametrize(
    "query_string",
    [
        b"title=%ff",
        b"%ff=1",
        b"title=%C3",
        "title=\u00e9".encode(),
        b"title=\xe9",
        "caf\u00e9=1".encode(),
        b"limit=x&a=%80",
    ],
)
@pytest.mark.parametrize(
    "read",
    [
        parse_query,
        partial(parse_fields, grammar=GRAMMAR),
        reject_parameters,
        partial(parse_parameters, parameters=CANDLESTICK_PARAMETERS),
    ],
)
def test_a_query_string_that_is_no_escaped_utf_8_is_a_400(query_string: bytes, read: Callable[[bytes], object]) -> None:
    with pytest.raises(ApiError) as caught:
        read(query_string)
    assert (caught.value.code.status, caught.value.code.code) == (400, "malformed_query")
    assert "%C3%A9" in caught.value.hint


def test_a_word_that_is_not_documented_is_taken_if_the_table_has_it() -> None:
    queried = []

    def has_words(column: Column, words: Collection[str]) -> Collection[str]:
        queried.append((column.name, *words))
        return {"settling", "void"}

    query = parse_query(b"status=settling&result__in=yes,void,&status__ne=active&market_type__isnull=true", has_words)
    assert [c.values[0] for c in query.conditions if c.values] == ["settling", ["yes", "void", ""], "active"]
    assert queried == [("status", "settling"), ("result", "void")]
    with pytest.raises(ApiError) as caught:
        parse_query(b"status__in=settling,nonsense&market_type=unary", has_words)
    problems = [(problem["loc"][1], problem["msg"]) for problem in caught.value.body("id")["detail"]]
    assert [name for name, _ in problems] == ["status__in", "market_type"]
    assert "must be one of initialized" in problems[0][1]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("statuss", "status"), ("volume__gt3", "volume__gt"), ("Limit", "limit"), ("tickr_regex", "ticker_regex")],
)
def test_an_unknown_parameter_is_a_422_that_suggests_the_nearest(name: str, nearest: str) -> None:
    body = validation_error_body(f"{name}=1".encode())
    assert body["code"] == "unknown_parameter"
    assert f"did you mean {nearest}?" in body["detail"][0]["msg"]


def test_operators_that_do_not_fit_the_kind_are_unknown() -> None:
    for name in (
        "title__gt",
        "volume_regex",
        "can_close_early__eq",
        "custom_strike_regex",
        "volume__icontains",
        "custom_strike__in",
    ):
        assert validation_error_body(f"{name}=1".encode())["code"] == "unknown_parameter"


def test_every_invalid_parameter_is_reported_at_once() -> None:
    body = validation_error_body(b"limit=x&foo=1&offset=y")
    assert [problem["loc"][1] for problem in body["detail"]] == ["limit", "foo", "offset"]


def test_thousands_of_parameters_are_rejected() -> None:
    assert (
        "at most 100 parameters"
        in validation_error_body(b"&".join(b"a%d=1" % n for n in range(5000)))["detail"][0]["msg"]
    )


def test_fields_keep_the_request_order_without_duplicates() -> None:
    assert [c.name for c in parse_query(b"fields=volume,ticker,volume").fields] == ["volume", "ticker"]
    names = [c.name for c in parse_query(b"fields=default,last_price_dollars").fields]
    assert names == [*(c.name for c in DEFAULT_COLUMNS), "last_price_dollars"]
    assert parse_query(b"fields=all").fields == COLUMNS


def test_a_list_of_values_is_a_line_of_csv() -> None:
    [condition] = parse_query(escaped(title__in='a,"b, with ""quotes""",')).conditions
    assert condition.values[0] == ["a", 'b, with "quotes"', ""]


def test_a_literal_is_only_that() -> None:
    [contains, begins] = parse_query(escaped(title__icontains="50%_\\", ticker__startswith="A_")).conditions
    assert (contains.values[0], begins.values[0]) == ("%50\\%\\_\\\\%", "A\\_%")


@pytest.mark.parametrize(
    ("pattern", "sql"),
    [("Bitcoin", "LIKE {0}"), ("a|b", "LIKE {0} OR"), ("a|", "~*"), ("bit.coin", "~*"), ("^a", "~*"), ("é", "~*")],
)
def test_a_pattern_without_special_characters_is_looked_for_literally(pattern: str, sql: str) -> None:
    [condition] = parse_query(escaped(title_regex=pattern)).conditions
    assert sql in condition.sql


def escaped(**parameters: str) -> bytes:
    return urlencode(parameters).encode()


UNSETTLED_ORDERS = ("volume_24h", "price_change_24h_dollars")


@pytest.mark.parametrize("order", UNSETTLED_ORDERS)
@pytest.mark.parametrize(
    "narrowed",
    [
        {"status": "active"},
        {"status__in": "active,closed"},
        {"status__in": "active,finalized", "status": "active"},
        {"series_ticker": "S"},
        {"event_ticker__in": "E,F"},
    ],
)
def test_an_order_of_unsettled_markets_is_taken_with_a_filter_that_its_index_serves(
    order: str, narrowed: dict[str, str]
) -> None:
    assert parse_query(escaped(order_by=order, **narrowed)).order_by == order


@pytest.mark.parametrize("order", UNSETTLED_ORDERS)
@pytest.mark.parametrize(
    "narrowed",
    [
        {},
        {"status": "finalized"},
        {"status__in": "active,finalized"},
        {"status__ne": "finalized"},
        {"status__isnull": "false"},
        {"series_ticker__ne": "S"},
        {"event_ticker__startswith": "E"},
        {"category": "Sports"},
    ],
)
def test_an_order_of_unsettled_markets_is_a_422_without_one(order: str, narrowed: dict[str, str]) -> None:
    body = validation_error_body(escaped(order_by=order, **narrowed))
    assert [problem["loc"] for problem in body["detail"]] == [["query", "order_by"]]
    assert "requires a filter by status" in body["detail"][0]["msg"]
    assert "status=active" in body["hint"]
