"""Faults of a request and of its response on the wire.

Faults of the JSON are in rewrites.py, extras.py and paging.py.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.exchange.catalogue import Exchange
from local.exchange.clock import SECOND
from local.exchange.http.errors import service_error, too_many
from local.exchange.http.signatures import is_signed

Values = Mapping[str, Any]  # the parsed parameters of a rule
# Responds in place of the application, or wraps it.
Handler = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]
HandlerFactory = Callable[[Values, Exchange], Handler]


def latency(values: Values, _: Exchange) -> Handler:
    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(values["seconds"])
        await app(scope, receive, send)

    return handle


def too_many_requests(values: Values, _: Exchange) -> Handler:
    async def handle(_: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        error = too_many(is_object=values["body"] == "object")
        await JSONResponse(error.body, error.status)(scope, receive, send)

    return handle


def server_error(values: Values, _: Exchange) -> Handler:
    """Return a handler that responds with a 5xx: 500 and 503 as JSON of the exchange, 502 and 504 as HTML of a proxy.

    /exchange/status has its normal body with 503 and 504 (docs.kalshi.com, Get Exchange Status).
    """
    status = int(values["status"])

    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_status(message: Message) -> None:
            await send({**message, "status": status} if message["type"] == "http.response.start" else message)

        if scope["path"].endswith("/exchange/status") and status in (503, 504):
            await app(scope, receive, send_with_status)
        else:
            await _failure(status)(scope, receive, send)

    return handle


def _failure(status: int) -> Response:
    if status in (502, 504):
        return HTMLResponse(f"<html><body><h1>{status} ERROR</h1>The request failed.</body></html>", status)
    code = {500: "internal_server_error", 503: "service_unavailable"}[status]
    return JSONResponse(service_error(status, code, code.replace("_", " ")).body, status)


def html(_: Values, __: Exchange) -> Handler:
    async def handle(_: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        page = "<!DOCTYPE html><html><body><h1>Checking your browser</h1></body></html>"
        await HTMLResponse(page)(scope, receive, send)

    return handle


def cut(values: Values, _: Exchange) -> Handler:
    """Return a handler that omits the end of the body. The server then closes the connection."""

    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        remaining: int = values["bytes"]

        async def send_less(message: Message) -> None:
            nonlocal remaining
            if message["type"] != "http.response.body":
                await send(message)
                return
            body: bytes = message.get("body", b"")
            is_last = not message.get("more_body", False)
            part = body[: min(remaining, len(body) - is_last)]  # the last byte is always missing, even of a short body
            remaining -= len(part)
            if part:
                await send({"type": "http.response.body", "body": part, "more_body": True})

        await app(scope, receive, send_less)

    return handle


def clock_skew(values: Values, _: Exchange) -> Handler:
    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        scope["request_state"].skew += int(values["seconds"] * SECOND)
        await app(scope, receive, send)

    return handle


@dataclass(slots=True)
class _CachedResponse:
    """Cached response: the instant when it was made, its messages, and the number of cache hits."""

    at: int
    messages: list[Message] = field(default_factory=list)
    hits: int = 0


def stale_cache(values: Values, exchange: Exchange) -> Handler:
    """Return a handler that caches responses to unsigned requests for `seconds`, by path, query and content encoding.

    Only responses with the status 200 are cached. Signed requests are not cached (observed on production, 2026-08).
    """
    cache: dict[tuple[str, bytes, str], _CachedResponse] = {}

    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if is_signed(headers):
            await app(scope, receive, send)
            return
        now = exchange.clock.now()
        lifetime = values["seconds"] * SECOND
        # The age of a cached response is negative if the clock was set back.
        expired = [key for key, cached in cache.items() if not 0 <= now - cached.at < lifetime]
        for key in expired:
            del cache[key]
        key = (scope["path"], scope["query_string"], headers.get("accept-encoding", ""))
        response = cache.get(key)
        if response:
            response.hits += 1
        else:
            response = _CachedResponse(now)
            await app(scope, receive, _collect(response.messages))
            if response.messages[0]["status"] == 200:
                cache[key] = response
        await _send_cached(response, send)

    return handle


def _collect(messages: list[Message]) -> Send:
    async def collect(message: Message) -> None:
        messages.append(message)

    return collect


async def _send_cached(response: _CachedResponse, send: Send) -> None:
    start, *rest = response.messages
    start = {**start, "headers": list(start["headers"])}
    MutableHeaders(scope=start)["x-kalshi-cache-hits"] = str(response.hits)
    for message in (start, *rest):
        await send(message)
