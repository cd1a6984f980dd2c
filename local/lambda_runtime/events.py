"""Events in the format of AWS, and responses in the format that API Gateway accepts.

HTTP: payload format 2.0, docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import binascii
import json
import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from local.lambda_runtime.sandbox import ACCOUNT, REGION

DOMAIN: Final = "localhost"
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TEXT_TYPE: Final = re.compile(r"text/.*|application/(json|javascript|xml|[\w.-]+\+(json|xml))")
_HOP_BY_HOP_HEADERS: Final = {"connection", "keep-alive", "trailer", "transfer-encoding", "upgrade"}
"""Headers of one connection. The gateway does not pass them on."""


class MalformedResponse(Exception):
    """Response of a function without the format that API Gateway requires."""


@dataclass(frozen=True)
class HttpRequest:
    """HTTP request as the gateway received it.

    path: still percent-encoded.
    headers: in their order, with lower-case names.
    port: the gateway's port.
    """

    method: str
    path: str
    query: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    source_ip: str = "127.0.0.1"
    protocol: str = "HTTP/1.1"
    port: int = 80


@dataclass(frozen=True)
class HttpResponse:
    """HTTP response to the client. headers: in their order, including Set-Cookie."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def http_event(request: HttpRequest, request_id: str) -> dict[str, Any]:
    """Return the event for a request to an API with the routes ANY / and ANY /{proxy+}."""
    # HTTP APIs decode the path in rawPath and in http.path alike (github.com/aws/aws-lambda-dotnet/pull/1901), and drop
    # the part after an encoded ? (github.com/middleapi/standard-server/pull/93).
    path = unquote(request.path).partition("?")[0]
    headers, cookies = _event_headers(request)
    now = datetime.now(UTC)
    route = "ANY /" if path == "/" else "ANY /{proxy+}"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": headers["host"].partition(":")[0],
            "domainPrefix": "local",
            "http": {
                "method": request.method,
                "path": path,
                "protocol": request.protocol,
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": route,
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
    }
    if path != "/":
        event["pathParameters"] = {"proxy": path.removeprefix("/")}
    if cookies:
        event["cookies"] = cookies
    if parameters := _join_repeated(parse_qsl(request.query, keep_blank_values=True)):
        event["queryStringParameters"] = parameters
    return event | _event_body(request.body, headers.get("content-type", ""))


def authorizer_event(request: HttpRequest, request_id: str, identity: str) -> dict[str, Any]:
    """Return the event for an authorizer, payload format 2.0. identity: value of its identity source.

    docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
    """
    event = http_event(request, request_id)
    for name in ("body", "isBase64Encoded"):
        event.pop(name, None)
    path = request.path.lstrip("/")
    arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:local/$default/{request.method}/{path}"
    return event | {"type": "REQUEST", "routeArn": arn, "identitySource": [identity]}


def scheduled_event() -> dict[str, Any]:
    """Return a scheduled event for the present time.

    docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html
    """
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{ACCOUNT}:rule/local"],
        "detail": {},
    }


def http_response(payload: bytes) -> HttpResponse:
    """Return the HTTP response for a function's JSON response. Raises MalformedResponse."""
    try:
        response = json.loads(payload)
    except ValueError:
        raise MalformedResponse("it is not JSON") from None
    if not isinstance(response, dict) or "statusCode" not in response:
        # Without statusCode, API Gateway infers the status and the content type.
        body = response.encode() if isinstance(response, str) else payload
        return HttpResponse(200, [("content-type", "application/json")], body)
    return HttpResponse(_status(response["statusCode"]), _response_headers(response), _response_body(response))


def _event_headers(request: HttpRequest) -> tuple[dict[str, str], list[str]]:
    cookies = [
        pair.strip() for name, value in request.headers if name == "cookie" for pair in value.split(";") if pair.strip()
    ]
    headers = _join_repeated([(name, value) for name, value in request.headers if name != "cookie"])
    if not _HOST.fullmatch(headers.get("host", "")):
        headers["host"] = f"{DOMAIN}:{request.port}"
    forwarded = [value for value in (headers.get("x-forwarded-for"), request.source_ip) if value]
    headers |= {
        "x-forwarded-for": ", ".join(forwarded),
        "x-forwarded-port": str(request.port),
        "x-forwarded-proto": "http",
    }
    return headers, cookies


def _join_repeated(pairs: list[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _event_body(body: bytes, content_type: str) -> dict[str, Any]:
    if not body:
        return {"isBase64Encoded": False}
    media_type = content_type.partition(";")[0].strip().lower()
    if not media_type or _TEXT_TYPE.fullmatch(media_type):
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def _status(value: Any) -> int:
    try:
        status = int(value)
    except (TypeError, ValueError):
        raise MalformedResponse(f"statusCode is {value!r}") from None
    if not 200 <= status <= 599:
        raise MalformedResponse(f"statusCode is {status}")
    return status


def _response_headers(response: dict[str, Any]) -> list[tuple[str, str]]:
    headers, cookies = response.get("headers") or {}, response.get("cookies") or []
    if not isinstance(headers, dict) or not isinstance(cookies, list):
        raise MalformedResponse("headers must be an object, cookies a list")
    pairs = [(name.lower(), _text(value)) for name, value in headers.items()]
    pairs = [pair for pair in pairs if pair[0] not in _HOP_BY_HOP_HEADERS] + [
        ("set-cookie", _text(cookie)) for cookie in cookies
    ]
    for name, value in pairs:
        if not _TOKEN.fullmatch(name) or not value.isascii() or not value.replace("\t", " ").isprintable():
            raise MalformedResponse(f"the header {name!r} cannot be sent")
    return pairs


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool() | int() | float():
            return json.dumps(value)
        case _:
            raise MalformedResponse("a header must be a string, a number or a boolean")


def _response_body(response: dict[str, Any]) -> bytes:
    body = response.get("body") or ""
    if not isinstance(body, str):
        raise MalformedResponse("body must be a string")
    try:
        return base64.b64decode(body, validate=True) if response.get("isBase64Encoded") else body.encode()
    except (binascii.Error, UnicodeEncodeError) as error:
        raise MalformedResponse(f"body: {error}") from None
