"""HTTP requests as events, and responses as HTTP responses, in payload format 2.0."""

import base64
import json
from typing import Any

import pytest

from local.lambda_runtime.events import HttpRequest, MalformedResponse, http_event, http_response, scheduled_event

HOST = [("host", "127.0.0.1:8000")]


def event_of(path: str = "/", query: str = "", *, headers: list[tuple[str, str]] = HOST, body: bytes = b"") -> Any:
    request = HttpRequest("POST" if body else "GET", path, query, headers, body, "192.0.2.7", "HTTP/1.1", 8000)
    return http_event(request, "id=")


def test_an_event_has_the_fields_of_payload_format_2() -> None:
    event = event_of("/markets/A", "limit=5", headers=[*HOST, ("user-agent", "curl/8"), ("accept", "*/*")])
    context = event["requestContext"]

    assert event["version"] == "2.0"
    assert event["routeKey"] == context["routeKey"] == "ANY /{proxy+}"
    assert event["rawPath"] == "/markets/A"
    assert event["rawQueryString"] == "limit=5"
    assert event["queryStringParameters"] == {"limit": "5"}
    assert event["pathParameters"] == {"proxy": "markets/A"}
    assert event["headers"] == {
        "host": "127.0.0.1:8000",
        "user-agent": "curl/8",
        "accept": "*/*",
        "x-forwarded-for": "192.0.2.7",
        "x-forwarded-port": "8000",
        "x-forwarded-proto": "http",
    }
    assert context["http"] == {
        "method": "GET",
        "path": "/markets/A",
        "protocol": "HTTP/1.1",
        "sourceIp": "192.0.2.7",
        "userAgent": "curl/8",
    }
    assert context["requestId"] == "id="
    assert context["stage"] == "$default"
    assert context["domainName"] == "127.0.0.1"
    assert event["isBase64Encoded"] is False
    assert not {"body", "cookies"} & event.keys()


def test_the_root_has_a_route_of_its_own() -> None:
    event = event_of("/")
    assert event["routeKey"] == "ANY /"
    assert not {"pathParameters", "queryStringParameters"} & event.keys()


def test_a_path_is_decoded_once() -> None:
    event = event_of("/markets/a%2Fb%20%2541")
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/markets/a/b %41"
    assert event_of("/markets/a%3Fb%3D1", "c=2")["rawPath"] == "/markets/a"


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("a=1&a=2&b=", {"a": "1,2", "b": ""}),
        ("a", {"a": ""}),
        ("=1", {"": "1"}),
        ("a=x%20y+z%2B", {"a": "x y z+"}),
        ("a=%ff", {"a": "\ufffd"}),
        ("&&", None),
        ("a=1;b=2", {"a": "1;b=2"}),
    ],
)
def test_a_query_string_is_preserved_beside_its_decoded_parameters(
    query: str, parameters: dict[str, str] | None
) -> None:
    event = event_of("/", query)
    assert event["rawQueryString"] == query
    assert event.get("queryStringParameters") == parameters


def test_cookies_leave_the_headers_and_repeated_headers_are_joined() -> None:
    event = event_of(headers=[*HOST, ("cookie", "a=1; b=2"), ("accept", "x"), ("cookie", "c=3"), ("accept", "y")])
    assert event["cookies"] == ["a=1", "b=2", "c=3"]
    assert event["headers"]["accept"] == "x,y"
    assert "cookie" not in event["headers"]


@pytest.mark.parametrize("host", ["", "[::1]:8000", "a:b:c", "evil host", "a:", "a:999999"])
def test_a_host_that_is_not_a_name_is_replaced(host: str) -> None:
    event = event_of(headers=[("host", host)])
    assert event["headers"]["host"] == "localhost:8000"
    assert event["requestContext"]["domainName"] == "localhost"


def test_x_forwarded_for_is_preserved() -> None:
    event = event_of(headers=[*HOST, ("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https")])
    assert event["headers"]["x-forwarded-for"] == "10.0.0.1, 192.0.2.7"
    assert event["headers"]["x-forwarded-proto"] == "http"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain; charset=utf-8", "application/ld+json", ""])
def test_text_bodies_are_strings(content_type: str) -> None:
    event = event_of(headers=[*HOST, ("content-type", content_type)], body='{"é": 1}'.encode())
    assert (event["body"], event["isBase64Encoded"]) == ('{"é": 1}', False)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"a=1"),
        ("application/octet-stream", b"\x00\xff"),
        ("application/json", b'"\xff"'),
    ],
)
def test_other_bodies_are_base64(content_type: str, body: bytes) -> None:
    event = event_of(headers=[*HOST, ("content-type", content_type)], body=body)
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == body


def test_a_scheduled_event_tells_its_time() -> None:
    event = scheduled_event()
    assert event["source"] == "aws.events"
    assert event["detail-type"] == "Scheduled Event"
    assert event["time"].endswith("Z")


def test_a_response_becomes_status_headers_cookies_and_body() -> None:
    answer = http_response(
        json.dumps(
            {
                "statusCode": "201",
                "headers": {"Content-Type": "text/plain", "x-count": 3, "x-flag": True, "Connection": "close"},
                "cookies": ["a=1", "b=2; Secure"],
                "body": base64.b64encode(b"\x00\xff").decode(),
                "isBase64Encoded": True,
            }
        ).encode()
    )
    assert answer.status == 201
    assert answer.headers == [
        ("content-type", "text/plain"),
        ("x-count", "3"),
        ("x-flag", "true"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2; Secure"),
    ]
    assert answer.body == b"\x00\xff"


@pytest.mark.parametrize(
    ("payload", "body"),
    [(b'"hello"', b"hello"), (b'{"a": 1}', b'{"a": 1}'), (b"[1]", b"[1]"), (b"null", b"null")],
)
def test_a_response_without_a_status_code_is_a_body(payload: bytes, body: bytes) -> None:
    answer = http_response(payload)
    assert (answer.status, answer.headers, answer.body) == (200, [("content-type", "application/json")], body)


@pytest.mark.parametrize(
    "response",
    [
        {"statusCode": "many"},
        {"statusCode": None},
        {"statusCode": 99},
        {"statusCode": 101},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
        {"statusCode": 200, "body": "\ud800"},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": None}},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "cookies": "a=1"},
    ],
)
def test_a_malformed_response_is_rejected(response: Any) -> None:
    with pytest.raises(MalformedResponse):
        http_response(json.dumps(response).encode())
