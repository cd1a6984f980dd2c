"""Gateway with the real authorizer in front of a function: its answers are those of API Gateway."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from local.lambda_runtime import authorizer
from local.lambda_runtime.authorizer import Authorizer
from local.lambda_runtime.events import HttpRequest, authorizer_event
from local.lambda_runtime.functions import function_spec
from local.lambda_runtime.gateway import Gateway
from local.lambda_runtime.http_server import listen
from local.lambda_runtime.lambda_function import LambdaFunction
from local.lambda_runtime.sandbox import FunctionSpec

KEY = "0123456789abcdef" * 3
UNAUTHORIZED, FORBIDDEN = (401, {"message": "Unauthorized"}), (403, {"message": "Forbidden"})
HANDLER = """
def handler(event, context):
    return {"statusCode": 200, "body": event["rawPath"]}
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> FunctionSpec:
    """Return a function that responds with the path of the request."""
    folder = tmp_path_factory.mktemp("function")
    (folder / "app.py").write_text(HANDLER)
    return FunctionSpec("f", "app.handler", folder, timeout=60)


@contextmanager
def served(api: FunctionSpec, spec: FunctionSpec, lines: list[str]) -> Iterator[httpx.Client]:
    """Run a gateway with an authorizer and yield a client. lines: receives all lines of gateway and functions."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(LambdaFunction(api, log=lines.append)) as function,
        portal.wrap_async_context_manager(LambdaFunction(spec, log=lines.append)) as decision,
        portal.wrap_async_context_manager(
            Gateway(function, authorizer=Authorizer(decision, lines.append), log=lines.append).serve(listen())
        ) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def client(api: FunctionSpec, lines: list[str]) -> Iterator[httpx.Client]:
    with served(api, function_spec("authorizer", {"API_KEY": KEY}), lines) as client:
        yield client
    assert lines
    assert [line for line in lines if KEY in line] == []


def answer(response: httpx.Response) -> tuple[int, Any]:
    assert response.headers["content-type"] == "application/json"
    return response.status_code, response.json()


@pytest.mark.parametrize("header", ["x-api-key", "X-API-Key", "X-Api-KEY"])
def test_the_right_key_reaches_the_function_whatever_the_case_of_the_header(client: httpx.Client, header: str) -> None:
    response = client.get("/markets", headers={header: KEY})
    assert (response.status_code, response.text) == (200, "/markets")
    assert client.head("/markets", headers={header: KEY}).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"x-api-key": ""}, {"authorization": f"Bearer {KEY}"}])
def test_a_request_without_a_key_is_a_401(client: httpx.Client, headers: dict[str, str]) -> None:
    assert answer(client.get("/markets", headers=headers)) == UNAUTHORIZED
    assert answer(client.post("/mcp", headers=headers, json={})) == UNAUTHORIZED
    assert answer(client.get("/markets?x-api-key=k", headers=headers)) == UNAUTHORIZED


@pytest.mark.parametrize("key", ["wrong", KEY[:-1], f"{KEY},{KEY}"])
def test_a_request_with_another_key_is_a_403(client: httpx.Client, key: str) -> None:
    assert answer(client.get("/markets", headers={"x-api-key": key})) == FORBIDDEN
    assert answer(client.get("/nowhere", headers={"x-api-key": key})) == FORBIDDEN


def test_a_repeated_header_is_not_the_key(client: httpx.Client) -> None:
    assert answer(client.get("/markets", headers=[("x-api-key", KEY), ("x-api-key", KEY)])) == FORBIDDEN


@pytest.mark.parametrize("path", ["/", "/explore", "/explore/markets/A", "/docs", "/assets/0/style.css", "/llms.txt"])
@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}])
def test_the_pages_are_served_without_a_key(client: httpx.Client, path: str, headers: dict[str, str]) -> None:
    response = client.get(path, headers=headers)
    assert (response.status_code, response.text) == (200, path)


def test_a_preflight_request_needs_no_key_and_permits_the_header(client: httpx.Client) -> None:
    headers = {"origin": "https://example.com", "access-control-request-method": "GET"}
    response = client.options("/markets", headers=headers)
    assert response.status_code == 204
    assert "x-api-key" in response.headers["access-control-allow-headers"].split(",")
    assert client.options("/markets").status_code == 200, "it reaches the function"


def test_a_page_of_another_origin_may_read_a_rejection(client: httpx.Client) -> None:
    response = client.get("/markets", headers={"origin": "https://example.com"})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, "*")


def test_a_result_is_cached_for_five_minutes(
    api: FunctionSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.py").write_text(
        "answers = [True, False]\ndef handler(event, context):\n    return {'isAuthorized': answers.pop(0)}\n"
    )
    with served(api, FunctionSpec("a", "app.handler", tmp_path), []) as client:
        statuses = [client.get(path, headers={"x-api-key": KEY}).status_code for path in ("/a", "/b")]
        monkeypatch.setattr(authorizer, "RESULT_SECONDS", -1)
        statuses.append(client.get("/a", headers={"x-api-key": KEY}).status_code)
    assert statuses == [200, 200, 403]


@pytest.mark.parametrize("body", ["raise ValueError", "return {'isAuthorized': 'yes'}", "return None"])
def test_a_failing_authorizer_lets_nothing_through(api: FunctionSpec, tmp_path: Path, body: str) -> None:
    (tmp_path / "app.py").write_text(f"def handler(event, context):\n    {body}\n")
    lines: list[str] = []
    with served(api, FunctionSpec("a", "app.handler", tmp_path), lines) as client:
        assert answer(client.get("/markets", headers={"x-api-key": KEY})) == (500, {"message": "Internal Server Error"})
        assert client.get("/").status_code == 200
    assert any(line.startswith("the authorizer failed: ") for line in lines)


def test_an_event_has_the_fields_of_payload_format_2() -> None:
    headers = [("host", "localhost"), ("x-api-key", "k")]
    event = authorizer_event(HttpRequest("POST", "/markets/A%2FB", "limit=1", headers, b"{}"), "id=", "k")
    assert (event["version"], event["type"], event["identitySource"]) == ("2.0", "REQUEST", ["k"])
    arn = "arn:aws:execute-api:us-east-1:123456789012:local/$default/POST/markets/A%2FB"
    assert event["routeArn"] == arn
    assert (event["rawPath"], event["rawQueryString"]) == ("/markets/A/B", "limit=1")
    assert event["headers"]["x-api-key"] == "k"
    assert event["requestContext"]["http"]["method"] == "POST"
    assert not {"body", "isBase64Encoded"} & event.keys()
