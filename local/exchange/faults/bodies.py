"""Helpers for faults that change the query of a request or the body of its response."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.exchange.catalogue import Exchange, JsonObject
from local.exchange.faults.effects import Handler


def query_of(scope: Scope) -> dict[str, str]:
    """Return the query parameters of a request."""
    return dict(parse_qsl(scope["query_string"].decode("latin-1")))


def with_query(scope: Scope, query: dict[str, str]) -> Scope:
    """Return the request with other query parameters."""
    return {**scope, "query_string": urlencode(query).encode()}


def with_setting(name: str, value: object, exchange: Exchange) -> Handler:
    """Return a handler during whose responses an attribute of the exchange has a value."""

    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        previous = getattr(exchange, name)

        async def restore(message: Message) -> None:
            setattr(exchange, name, previous)
            await send(message)

        # No other request runs before the response is made: the first await is the one that sends it.
        setattr(exchange, name, value)
        await app(scope, receive, restore)

    return handle


def rewriting(rewrite: Callable[[bytes, Scope], bytes]) -> Handler:
    """Return a handler that passes the full body of a 200 through a function. Other responses are unchanged."""

    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def hold(message: Message) -> None:
            messages.append(message)

        await app(_uncompressed(scope), receive, hold)
        start, *parts = messages
        body = b"".join(part.get("body", b"") for part in parts)
        if start["status"] == 200 and body:
            with suppress(ValueError):  # another fault may have made the JSON invalid
                body = rewrite(body, scope)
            MutableHeaders(scope=start)["content-length"] = str(len(body))
        await send(start)
        await send({"type": "http.response.body", "body": body})

    return handle


def lists_of(answer: JsonObject) -> Iterator[list[JsonObject]]:
    """Return the lists of objects in a response."""
    return (rows for rows in answer.values() if isinstance(rows, list) and rows and isinstance(rows[0], dict))


def _uncompressed(scope: Scope) -> Scope:
    """Return the request without Accept-Encoding, so that prepared pages are not compressed."""
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]}
