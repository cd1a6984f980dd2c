"""Clients that call the handlers in this process, as Lambda does."""

import asyncio
import base64
import gzip
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock
from urllib.parse import quote, unquote, urlsplit

from aws_lambda_powertools.utilities.typing import LambdaContext

from api.app import lambda_handler
from api.resources import Resources
from crawler.handler import handler as crawler_handler

SCHEDULED = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}


class Context(LambdaContext):
    """Lambda context of an invocation. seconds: time until the timeout."""

    def __init__(self, seconds: float = 60) -> None:
        self._function_name = "function"
        self._memory_limit_in_mb = 512
        self._invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
        self._aws_request_id = "request"
        self._ends_at = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override]  # a method on Lambda, a property there
        """Return the remaining time in milliseconds."""
        return round((self._ends_at - time.monotonic()) * 1000)


@contextmanager
def variables(environment: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables of this process for the duration of the context."""
    with mock.patch.dict("os.environ", environment):
        yield


def crawl(environment: Mapping[str, str], seconds: float = 60) -> dict[str, Any]:
    """Invoke the crawler once and return its summary."""
    with variables(environment):
        return crawler_handler(SCHEDULED, Context(seconds))


@dataclass
class ApiResponse:
    """HTTP response. size: bytes of the Lambda response."""

    status: int
    headers: Mapping[str, str]
    text: str
    size: int

    @property
    def json(self) -> Any:
        """JSON body, with numbers as text, so that no digit is lost."""
        return json.loads(self.text, parse_float=str)


@dataclass
class ApiClient:
    """API function in one environment."""

    environment: Mapping[str, str]
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        # As in the handler's module. The loop is stored, because a crawl in the same process leaves no current loop.
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._adapter = lambda_handler(self.resources)

    def close(self) -> None:
        """Close all open connections, of those resources that requests have created."""
        created = vars(self.resources)
        for name in {"database", "candle_cache"} & created.keys():
            created[name].close()
        if "exchange" in created:
            self._loop.run_until_complete(created["exchange"].aclose())
        self._loop.close()

    def get(self, url: str, **headers: str) -> ApiResponse:
        """Send a GET request. A `_` in a header's name stands for `-`."""
        return self.request("GET", url, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, url: str, body: Any, **headers: str) -> ApiResponse:
        """Send a POST request. A body that is not a string or bytes is encoded as JSON."""
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        return self.request("POST", url, text, headers)

    def request(
        self, method: str, url: str, body: str | bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> ApiResponse:
        """Send a request as an API Gateway event and return the HTTP response."""
        response = self.invoke(method, url, body, headers)
        raw = response["body"].encode()
        if response["isBase64Encoded"]:
            raw = base64.b64decode(raw)
        if response["headers"].get("content-encoding") == "gzip":
            raw = gzip.decompress(raw)
        return ApiResponse(response["statusCode"], response["headers"], raw.decode(), len(json.dumps(response)))

    def invoke(
        self, method: str, url: str, body: str | bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send a request as an API Gateway event and return the Lambda response."""
        parts = urlsplit(url)
        event = {
            "version": "2.0",
            "rawPath": unquote(parts.path),  # API Gateway decodes it, too
            "rawQueryString": parts.query,
            "headers": {"host": "test", "content-type": "application/json", **(headers or {})},
            "requestContext": {
                "requestId": "request-id",
                "http": {"method": method, "path": unquote(parts.path), "sourceIp": "::1"},
            },
            "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
            "isBase64Encoded": isinstance(body, bytes),
        }
        asyncio.set_event_loop(self._loop)
        with variables(self.environment):
            return self._adapter(event, Context(29))  # type: ignore[arg-type]  # Mangum has its own context type


def escaped(**parameters: str) -> str:
    """Return a query string."""
    return "&".join(f"{name}={quote(value)}" for name, value in parameters.items())


def items(api: ApiClient, url: str) -> list[dict[str, Any]]:
    """Return the items of a page of markets."""
    answer = api.get(url)
    assert answer.status == 200, answer.text
    assert answer.json["count"] == len(answer.json["items"])
    markets: list[dict[str, Any]] = answer.json["items"]
    return markets


def error(answer: ApiResponse, status: int, code: str) -> dict[str, Any]:
    """Check status, code and shape of an error response, and return its body."""
    assert answer.status == status, answer.text
    body: dict[str, Any] = answer.json
    assert set(body) == {"detail", "code", "hint", "request_id"}
    assert body["code"] == code
    assert body["request_id"] == answer.headers["x-request-id"] == "request-id"
    assert body["hint"]
    return body
