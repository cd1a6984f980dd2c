"""Bodies of POST /markets."""

import json
from typing import Any

import pytest
from starlette.requests import Request

from api.errors import ApiError, ErrorCode, Problem, validation_error
from api.listing.json_body import EXAMPLE_BODY, as_get_request, located_in_body
from api.markets.query import parse_query

SCOPE = {"type": "http", "method": "POST", "path": "/markets", "query_string": b""}
HEADERS = [(b"host", b"x"), (b"if-none-match", b"*"), (b"accept", b"text/csv")]


def get_request(body: str | bytes) -> Request:
    return as_get_request(Request(SCOPE | {"headers": HEADERS}), body if isinstance(body, bytes) else body.encode())


def test_the_get_request_is_the_same_but_for_its_method_and_conditions() -> None:
    scope = get_request('{"limit": 5}').scope
    assert (scope["method"], scope["path"], scope["query_string"]) == ("GET", "/markets", b"limit=5")
    assert scope["headers"] == [(b"host", b"x"), (b"accept", b"text/csv")]


@pytest.mark.parametrize(
    ("members", "query_string"),
    [
        ({}, b""),
        ({"limit": 5, "title": "a&b=c é"}, b"limit=5&title=a%26b%3Dc%20%C3%A9"),
        ({"can_close_early": True, "volume__isnull": False}, b"can_close_early=true&volume__isnull=false"),
        ({"ticker__in": ["A", "B,C", 'D"', "E\nF", "G\rH"]}, b'ticker__in=A,"B,C","D""","E%0AF","G%0DH"'),
        ({"title__in": [""]}, b'title__in=""'),
        ({"fields": ["ticker", "volume"]}, b"fields=ticker,volume"),
        ({"ticker__in": "A,B"}, b"ticker__in=A,B"),
    ],
)
def test_members_become_parameters(members: dict[str, Any], query_string: bytes) -> None:
    expected = query_string.replace(b'"', b"%22").replace(b",", b"%2C")
    assert get_request(json.dumps(members)).scope["query_string"] == expected


def test_numbers_keep_their_digits() -> None:
    long = "0." + "1" * 40
    assert get_request(f'{{"volume__gte": {long}, "volume__in": [1.50, 2e3]}}').scope["query_string"] == (
        f"volume__gte={long}&volume__in=1.50%2C2e3".encode()
    )


def test_a_repeated_member_is_a_repeated_parameter() -> None:
    assert get_request('{"limit": 1, "title": "A", "limit": 2}').scope["query_string"] == b"limit=1&title=A&limit=2"


def test_the_example_is_valid() -> None:
    query = parse_query(get_request(EXAMPLE_BODY).scope["query_string"])
    assert query.limit == 1000
    assert [condition.filter.name for condition in query.conditions] == ["ticker__in", "volume__gte"]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        *((body, ["body"]) for body in ("", "[]", "1", "null", '"a"', "{", "{'a': 1}", "[" * 100_000)),
        *((body, ["body"]) for body in (b"\xff", '{"title": "\\ud800"}', '{"limit": NaN}')),
        *((f'{{"limit": {value}}}', ["body", "limit"]) for value in ("null", "[1]", "{}")),
        *((f'{{"ticker__in": {value}}}', ["body", "ticker__in"]) for value in ("null", "[]", "[null]", "[[1]]", "{}")),
        ('{"\\ud800": null}', ["body", "\\ud800"]),
    ],
)
def test_an_invalid_body_is_a_422(body: str | bytes, loc: list[str]) -> None:
    with pytest.raises(ApiError) as caught:
        get_request(body)
    assert caught.value.code is ErrorCode.INVALID_BODY
    assert [problem["loc"] for problem in caught.value.detail if isinstance(problem, dict)] == [loc]
    json.dumps(caught.value.body("id"), ensure_ascii=False).encode()


def test_problems_of_the_query_are_located_in_the_body() -> None:
    problem = Problem(ErrorCode.INVALID_PARAMETER, ("query", "limit"), "limit is wrong", "limit=1")
    error = located_in_body(validation_error([problem]))
    assert error.body("id")["detail"] == [
        {"type": "invalid_parameter", "loc": ["body", "limit"], "msg": "limit is wrong"}
    ]
    malformed = ApiError(ErrorCode.MALFORMED_QUERY, "A sentence.", "A hint.")
    assert located_in_body(malformed) is malformed
