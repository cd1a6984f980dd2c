"""Gateway over a real function and real sockets."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from local.lambda_runtime.gateway import BODY_BYTES, HEAD_BYTES, Gateway, gateway_in_thread
from local.lambda_runtime.http_server import listen
from local.lambda_runtime.lambda_function import LambdaFunction
from local.lambda_runtime.sandbox import FunctionSpec
from tests.support.waiting import wait_until

HANDLER = """
import base64, json, os, time

def handler(event, context):
    command = event["rawPath"].strip("/")
    value = event["rawQueryString"]
    if command == "response":
        return json.loads(event["body"])
    if command == "sleep":
        time.sleep(float(value))
    if command == "wait":
        open(value + "/started", "w").close()
        while not os.path.exists(value + "/released"):
            time.sleep(0.01)
    if command == "raise":
        raise ValueError("a secret")
    if command == "exit":
        os._exit(1)
    if command == "large":
        return {"statusCode": 200, "body": "x" * 6_300_000}
    body = "" if event["requestContext"]["http"]["method"] == "HEAD" else json.dumps(event)
    return {"statusCode": 200, "headers": {"content-type": "application/json", "content-length": "7"}, "body": body}
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> FunctionSpec:
    folder = tmp_path_factory.mktemp("function")
    (folder / "app.py").write_text(HANDLER)
    return FunctionSpec("f", "app.handler", folder, timeout=60)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def url(spec: FunctionSpec, lines: list[str]) -> Iterator[str]:
    with gateway_in_thread(spec, workers=2, log=lines.append) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def test_a_request_reaches_the_function_as_an_event(client: httpx.Client, url: str) -> None:
    answer = client.get("/markets?limit=5&limit=6", headers={"X-Mixed-Case": "Yes", "Cookie": "a=1; b=2"})
    event = answer.json()
    assert event["rawPath"] == "/markets"
    assert event["rawQueryString"] == "limit=5&limit=6"
    assert event["queryStringParameters"] == {"limit": "5,6"}
    assert event["headers"]["x-mixed-case"] == "Yes"
    assert event["headers"]["host"] == url.removeprefix("http://")
    assert event["headers"]["x-forwarded-port"] == str(port_of(url))
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert event["requestContext"]["requestId"] == answer.headers["apigw-requestid"]


def test_an_odd_request_line_is_passed_on_as_sent(url: str) -> None:
    request = b"GET /a%2Fb%zz//?a=%zz&&b=a+b%20c?d&%E9= HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port_of(url))) as connection:
        connection.sendall(request)
        raw = b"".join(iter(lambda: connection.recv(65536), b""))
    event = json.loads(raw.partition(b"\r\n\r\n")[2])
    assert event["rawPath"] == "/a/b%zz//"
    assert event["rawQueryString"] == "a=%zz&&b=a+b%20c?d&%E9="
    assert event["headers"]["host"] == f"localhost:{port_of(url)}"


def test_malformed_http_is_a_400(url: str) -> None:
    with socket.create_connection(("127.0.0.1", port_of(url))) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_any_method_reaches_the_function(client: httpx.Client, method: str) -> None:
    assert client.request(method, "/").json()["requestContext"]["http"]["method"] == method


def test_head_has_headers_and_no_body(client: httpx.Client) -> None:
    answer = client.head("/")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "7"
    assert client.get("/").json()["requestContext"]["http"]["method"] == "GET"


def test_bodies_reach_the_function_whole_text_and_binary(client: httpx.Client) -> None:
    text = client.post("/", content='{"é": 1}'.encode(), headers={"content-type": "application/json"}).json()
    assert (text["body"], text["isBase64Encoded"]) == ('{"é": 1}', False)
    content = bytes(range(256)) * 4000
    binary = client.post("/", content=content, headers={"content-type": "application/octet-stream"}).json()
    assert binary["isBase64Encoded"] is True
    assert base64.b64decode(binary["body"]) == content


def respond(client: httpx.Client, response: Any) -> httpx.Response:
    return client.post("/response", json=response)


def test_binary_answers_cookies_and_headers_reach_the_client(client: httpx.Client) -> None:
    answer = respond(
        client,
        {
            "statusCode": 418,
            "headers": {"content-type": "image/png", "X-Other": "1"},
            "cookies": ["a=1", "b=2"],
            "body": base64.b64encode(b"\x89PNG").decode(),
            "isBase64Encoded": True,
        },
    )
    assert (answer.status_code, answer.content) == (418, b"\x89PNG")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-other"] == "1"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


def test_without_a_status_code_the_response_is_a_json_body(client: httpx.Client) -> None:
    answer = respond(client, {"a": 1})
    assert (answer.status_code, answer.json()) == (200, {"a": 1})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_content_has_none(client: httpx.Client, status: int) -> None:
    answer = respond(client, {"statusCode": status, "body": "ignored"})
    assert (answer.status_code, answer.content) == (status, b"")


@pytest.mark.parametrize("path", ["/raise", "/exit", "/large"])
def test_a_failure_of_the_function_is_a_500_that_tells_nothing(
    client: httpx.Client, lines: list[str], path: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
    assert any(line.startswith(f"GET {path}: ") for line in lines)
    assert client.get("/").status_code == 200


def test_a_malformed_response_is_a_500(client: httpx.Client) -> None:
    answer = respond(client, {"statusCode": "no"})
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})


def test_a_body_over_the_gateways_limit_is_a_413(client: httpx.Client) -> None:
    answer = client.post("/", content=b"x" * (BODY_BYTES + 1))
    assert (answer.status_code, answer.json()) == (413, {"message": "Request Entity Too Large"})


def test_a_body_over_the_gateways_limit_without_a_length_is_a_413(client: httpx.Client) -> None:
    answer = client.post("/", content=(b"x" * 65536 for _ in range(BODY_BYTES // 65536 + 1)))
    assert answer.status_code == 413


def head(size: int, line: int) -> bytes:
    """Return a request without a body, of `size` bytes with a request line of `line` bytes."""
    start = b"GET /?" + b"a" * (line - len("GET /? HTTP/1.1\r\n")) + b" HTTP/1.1\r\n"
    headers = b"host: localhost\r\nconnection: close\r\nx: "
    return start + headers + b"b" * (size - len(start) - len(headers) - 2) + b"\r\n\r\n"


def raw(url: str, request: bytes) -> tuple[int, Any]:
    with socket.create_connection(("127.0.0.1", port_of(url))) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    start, _, body = answer.partition(b"\r\n\r\n")
    return int(start.split()[1]), json.loads(body)


@pytest.mark.parametrize("line", [100, 10_000])
def test_a_request_line_and_headers_of_the_gateways_limit_pass(url: str, line: int) -> None:
    assert raw(url, head(HEAD_BYTES, line))[0] == 200


@pytest.mark.parametrize(
    ("size", "line", "status", "message"),
    [
        (HEAD_BYTES + 1, 100, 431, "Request Header Fields Too Large"),
        (HEAD_BYTES + 1, 10_000, 431, "Request Header Fields Too Large"),
        (30_000, 29_000, 414, "Request-URI Too Long"),
        (300_000, 299_000, 414, "Request-URI Too Long"),
        (300_000, 100, 431, "Request Header Fields Too Large"),
    ],
)
def test_a_longer_one_is_an_error_in_the_gateways_shape(
    url: str, size: int, line: int, status: int, message: str
) -> None:
    assert raw(url, head(size, line)) == (status, {"message": message})


def test_a_preflight_request_is_answered_by_the_gateway(client: httpx.Client) -> None:
    request_headers = {"origin": "https://example.com", "access-control-request-method": "POST"}
    answer = client.options("/raise", headers=request_headers | {"access-control-request-headers": "content-type"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET,HEAD,POST"
    assert answer.headers["access-control-allow-headers"] == "accept,authorization,content-type,if-none-match,x-api-key"
    assert answer.headers["access-control-max-age"] == "3600"


@pytest.mark.parametrize("path", ["/", "/raise"])
def test_a_page_of_another_origin_may_read_every_answer(client: httpx.Client, path: str) -> None:
    headers = client.get(path, headers={"origin": "https://example.com"}).headers
    assert headers["access-control-allow-origin"] == headers["access-control-expose-headers"] == "*"
    assert not [name for name in client.get(path).headers if name.startswith("access-control-")]


def test_cors_headers_of_the_function_do_not_count(client: httpx.Client) -> None:
    own = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "https://mine", "Access-Control-Max-Age": "1"}}
    assert not [name for name in respond(client, own).headers if name.startswith("access-control-")]


def test_an_event_over_lambdas_limit_is_a_413(client: httpx.Client) -> None:
    answer = client.post("/", content=b"x" * 5_000_000, headers={"content-type": "application/zip"})
    assert (answer.status_code, answer.json()) == (413, {"message": "Request Entity Too Large"})


def test_requests_over_the_number_of_sandboxes_wait_for_one(client: httpx.Client) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.get("/sleep?0.3"), range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert time.monotonic() - began >= 0.6


def test_a_request_over_the_integration_time_is_a_503_and_a_later_one_is_answered(
    spec: FunctionSpec, tmp_path: Path
) -> None:
    with (
        gateway_in_thread(spec, workers=1, integration_seconds=1) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        answer = client.get(f"/wait?{tmp_path}")
        assert (answer.status_code, answer.json()) == (503, {"message": "Service Unavailable"})
        (tmp_path / "released").touch()
        wait_until(lambda: client.get("/").status_code == 200)  # on a slow machine, others take too long as well


def test_a_request_in_work_when_the_gateway_stops_is_a_503(spec: FunctionSpec, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool, httpx.Client(timeout=60) as client:
        with gateway_in_thread(spec, workers=1) as url:
            answer = pool.submit(client.get, f"{url}/wait?{tmp_path}")
            wait_until((tmp_path / "started").exists)
        assert answer.result().status_code == 503


def test_more_requests_than_the_queue_takes_are_a_429(spec: FunctionSpec, tmp_path: Path) -> None:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(LambdaFunction(spec, max_waiting=0)) as function,
        portal.wrap_async_context_manager(Gateway(function).serve(listen())) as url,
        httpx.Client(base_url=url, timeout=60) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(client.get, f"/wait?{tmp_path}")
        wait_until((tmp_path / "started").exists)
        answers = [client.get("/") for _ in range(3)]
        (tmp_path / "released").touch()
        assert first.result().status_code == 200
    assert [(answer.status_code, answer.json()) for answer in answers] == [(429, {"message": "Too Many Requests"})] * 3


def test_each_request_is_logged_in_one_line(client: httpx.Client, lines: list[str]) -> None:
    lines.clear()
    client.get("/markets?a=%20")
    [line] = [line for line in lines if line.startswith("GET /markets")]
    assert line.startswith("GET /markets?a=%20 200 ")
    assert line.endswith(" kB")


def test_a_stopped_gateway_leaves_its_port(spec: FunctionSpec) -> None:
    with gateway_in_thread(spec, workers=1) as url:
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(url)))
