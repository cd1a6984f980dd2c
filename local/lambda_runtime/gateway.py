"""HTTP API in front of a function, with API Gateway's limits.

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
"""

import asyncio
import base64
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from anyio.from_thread import start_blocking_portal
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from local.lambda_runtime import cors
from local.lambda_runtime.authorizer import Authorizer
from local.lambda_runtime.events import HttpRequest, MalformedResponse, http_event, http_response
from local.lambda_runtime.http_server import listen, port_of, serve
from local.lambda_runtime.lambda_errors import LambdaError, RequestTooLarge, Throttled
from local.lambda_runtime.lambda_function import LambdaFunction
from local.lambda_runtime.sandbox import FunctionSpec, Log

BODY_BYTES: Final = 10 * 1024 * 1024
HEAD_BYTES: Final = 10_240
"""Limit of the request line and headers together. AWS documents the limit, but not the status of a longer request."""
INTEGRATION_SECONDS: Final = 29.0
"""Maximum duration of a request, including the wait for a free sandbox."""
GRACE_SECONDS: Final = 1.0
_AUTHORIZER_MESSAGES: Final = {401: "Unauthorized", 403: "Forbidden", 500: "Internal Server Error"}
WORKERS: Final = 4


class Gateway:
    """ASGI application that invokes a function for each request.

    authorizer: decides on requests before the function; None: every request is authorized.
    log: receives a line for each request, and a line for each failure of the function.
    """

    def __init__(
        self,
        function: LambdaFunction,
        *,
        authorizer: Authorizer | None = None,
        integration_seconds: float = INTEGRATION_SECONDS,
        log: Log = print,
    ) -> None:
        self._function = function
        self._authorizer = authorizer
        self._integration_seconds = integration_seconds
        self._log = log
        self._invocations: set[asyncio.Task[bytes]] = set()
        self._timeouts: set[asyncio.Timeout] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request: the ASGI interface."""
        started = time.monotonic()
        request_id = base64.urlsafe_b64encode(os.urandom(11)).decode()
        request = Request(scope, receive)
        response = await self._answer(request, request_id)
        cors.replace_cors_headers(request.method, request.headers, response.headers)
        response.headers["apigw-requestid"] = request_id
        milliseconds = (time.monotonic() - started) * 1000
        line = f"{scope['method']} {_target(request)} {response.status_code}"
        self._log(f"{line} {milliseconds:,.0f} ms {len(response.body) / 1000:,.1f} kB")
        await response(scope, receive, send)

    @asynccontextmanager
    async def serve(self, listener: socket.socket) -> AsyncIterator[str]:
        """Serve on the socket and yield the base URL.

        At the end, open requests have GRACE_SECONDS until they receive a 503.
        """
        async with serve(self, listener):
            try:
                yield f"http://127.0.0.1:{port_of(listener)}"
            finally:
                at = asyncio.get_running_loop().time() + GRACE_SECONDS
                for timeout in self._timeouts:
                    if not timeout.expired():
                        timeout.reschedule(at)

    async def _answer(self, request: Request, request_id: str) -> Response:
        if error := _reject_too_long(request):
            return error
        if cors.is_preflight(request.method, request.headers):
            return Response(status_code=204)
        if self._authorizer and (status := await self._authorizer.reject(_to_http_request(request, b""), request_id)):
            return _message(status, _AUTHORIZER_MESSAGES[status])
        body = await _read_body(request)
        if body is None:
            return _message(413, "Request Entity Too Large")
        event = json.dumps(http_event(_to_http_request(request, body), request_id)).encode()
        try:
            payload = await self._invoke(event)
            return _response(payload, head=request.method == "HEAD")
        except RequestTooLarge:
            return _message(413, "Request Entity Too Large")
        except Throttled:
            return _message(429, "Too Many Requests")
        except TimeoutError:
            return _message(503, "Service Unavailable")
        except (LambdaError, MalformedResponse) as error:
            self._log(f"{request.method} {request.url.path}: {type(error).__name__}: {error}")
            return _message(500, "Internal Server Error")

    async def _invoke(self, event: bytes) -> bytes:
        """Invoke the function. After a timeout, the function continues, as on AWS. Raises LambdaError, TimeoutError."""
        invocation = asyncio.create_task(self._function.invoke(event))
        self._invocations.add(invocation)
        invocation.add_done_callback(self._consume_exception)
        async with asyncio.timeout(self._integration_seconds) as timeout:
            self._timeouts.add(timeout)
            try:
                return await asyncio.shield(invocation)
            finally:
                self._timeouts.discard(timeout)

    def _consume_exception(self, invocation: asyncio.Task[bytes]) -> None:
        self._invocations.discard(invocation)
        if not invocation.cancelled():
            invocation.exception()  # mark it as retrieved: after a timeout, nothing awaits the task


@contextmanager
def gateway_in_thread(
    spec: FunctionSpec, *, workers: int = WORKERS, integration_seconds: float = INTEGRATION_SECONDS, log: Log = print
) -> Iterator[str]:
    """Run a function with a gateway in front of it in a thread, on a free port, and yield the base URL."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(LambdaFunction(spec, concurrency=workers, log=log)) as function,
        portal.wrap_async_context_manager(
            Gateway(function, integration_seconds=integration_seconds, log=log).serve(listen())
        ) as url,
    ):
        yield url


def _reject_too_long(request: Request) -> Response | None:
    scope = request.scope
    line = len(f"{scope['method']} {_target(request)} HTTP/{scope['http_version']}\r\n")
    headers = sum(len(name) + len(value) + len(": \r\n") for name, value in scope["headers"])
    if line > HEAD_BYTES:
        return _message(414, "Request-URI Too Long")
    return _message(431, "Request Header Fields Too Large") if line + headers > HEAD_BYTES else None


def _target(request: Request) -> str:
    """Return the path and the query string of the request, still encoded."""
    path, query = (request.scope[name].decode("latin-1") for name in ("raw_path", "query_string"))
    return f"{path}?{query}" if query else path


async def _read_body(request: Request) -> bytes | None:
    """Return the request body, or None if it is over the limit."""
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > BODY_BYTES:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            return None
    return bytes(body)


def _to_http_request(request: Request, body: bytes) -> HttpRequest:
    scope = request.scope
    return HttpRequest(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=[(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]],
        body=body,
        source_ip=request.client.host if request.client else "",
        protocol=f"HTTP/{scope['http_version']}",
        port=scope["server"][1],
    )


def _response(payload: bytes, *, head: bool) -> Response:
    answer = http_response(payload)
    response = Response(b"" if head or answer.status in (204, 304) else answer.body, answer.status)
    for name, value in answer.headers:
        if name != "content-length":
            response.headers.append(name, value)
        elif head and value.isdecimal():  # the length of the GET response; for other methods Starlette sets it
            response.headers[name] = value
    return response


def _message(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)
