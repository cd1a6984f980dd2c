import json
from typing import Any

import pytest

from api.errors import ApiError
from api.filters import FILTERS
from api.query import SETTINGS, Query, openapi_parameters, parse
from kalshi_markets.columns import COLUMNS, Kind


def refusal(query_string: bytes) -> dict[str, Any]:
    with pytest.raises(ApiError) as caught:
        parse(query_string)
    body = caught.value.body("id")
    json.dumps(body)
    return body


def test_nothing_asked_is_the_first_hundred_of_the_most_recent() -> None:
    assert parse(b"") == Query([], None, None, "recent", "desc", 100, 0)


def test_filters_and_settings_are_taken() -> None:
    query = parse(b"title_regex=bit+coin&volume__gte=10.50&limit=5&order_by=volume&order_direction=asc&result=")
    assert (query.limit, query.order_by, query.order_direction) == (5, "volume", "asc")
    assert [(c.filter.name, c.value) for c in query.conditions] == [
        *(("title_regex", "bit coin"), ("volume__gte", "10.50"), ("result", ""))
    ]


def test_every_column_filters_by_its_kind() -> None:
    for column in COLUMNS:
        suffixes = {name.removeprefix(column.name) for name, made in FILTERS.items() if made.column is column}
        expected = {Kind.STRING: {"", "_regex"}, Kind.BOOLEAN: {""}, Kind.JSON: {""}}
        assert suffixes == expected.get(column.kind, {"", "__eq", "__lt", "__lte", "__gt", "__gte"}), column.name


@pytest.mark.parametrize(
    ("query_string", "name", "words"),
    [
        (b"limit=0", "limit", "1 to 10,000"),
        (b"limit=10001", "limit", "1 to 10,000"),
        (b"limit=abc", "limit", "whole number"),
        (b"limit", "limit", "whole number"),
        (b"offset=-1", "offset", "whole number"),
        (b"offset=9999999999999999999999", "offset", "whole number"),
        (b"order_by=volum", "order_by", "did you mean volume?"),
        (b"order_direction=up", "order_direction", "desc, asc"),
        (b"min_duration_minutes=x", "min_duration_minutes", "number"),
        (b"max_duration_minutes=", "max_duration_minutes", "number"),
        (b"min_duration_minutes=5&max_duration_minutes=4.5", "min_duration_minutes", "more than"),
        (b"volume__gte=many", "volume__gte", "number"),
        (b"close_time__lt=soon", "close_time__lt", "ISO 8601"),
        (b"can_close_early=maybe", "can_close_early", "true or false"),
        (b"custom_strike={", "custom_strike", "JSON"),
        (b"status=open", "status", "for open say active"),
        (b"status=settled", "status", "for settled say finalized"),
        (b"status=nonsense", "status", "must be one of"),
        (b"market_type=unary", "market_type", "binary, scalar"),
        (b"title_regex=%5C1", "title_regex", "back-reference"),
        (b"title=" + b"x" * 1001, "title", "1,000 characters"),
        (b"limit=1&limit=1", "limit", "twice"),
        (b"title=%ff", "title", "UTF-8"),
        (b"%ff=1", "\\xff", "UTF-8"),
        (b"title=a%00b", "title", "NUL"),
    ],
)
def test_a_wrong_value_is_a_422_that_names_its_parameter(query_string: bytes, name: str, words: str) -> None:
    body = refusal(query_string)
    assert body["code"] == "invalid_parameter"
    assert [problem["loc"] for problem in body["detail"]] == [["query", name]]
    assert words in body["detail"][0]["msg"]
    assert body["hint"]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("statuss", "status"), ("volume__gt3", "volume__gt"), ("Limit", "limit"), ("tickr_regex", "ticker_regex")],
)
def test_an_unknown_parameter_is_a_422_that_suggests_the_nearest(name: str, nearest: str) -> None:
    body = refusal(f"{name}=1".encode())
    assert body["code"] == "unknown_parameter"
    assert f"did you mean {nearest}?" in body["detail"][0]["msg"]


def test_operators_that_do_not_fit_the_kind_are_unknown() -> None:
    for name in ("title__gt", "volume_regex", "can_close_early__eq", "custom_strike_regex"):
        assert refusal(f"{name}=1".encode())["code"] == "unknown_parameter"


def test_everything_wrong_is_told_at_once() -> None:
    body = refusal(b"limit=x&foo=1&offset=y")
    assert [problem["loc"][1] for problem in body["detail"]] == ["limit", "foo", "offset"]


def test_thousands_of_parameters_are_refused() -> None:
    assert "100 are the most" in refusal(b"&".join(b"a%d=1" % n for n in range(5000)))["detail"][0]["msg"]


def test_the_openapi_document_names_every_parameter() -> None:
    assert [parameter["name"] for parameter in openapi_parameters()] == [*SETTINGS, *FILTERS]
    assert all(parameter["description"] for parameter in openapi_parameters())
