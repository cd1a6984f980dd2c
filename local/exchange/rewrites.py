"""What a fault does to the JSON of an answer, or to the query that asks for it."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.exchange.catalogue import Exchange, JsonObject, to_json
from local.exchange.cursor import decode
from local.exchange.effects import Handler, Values

NESTING = 10_000  # deeper than any parser's or database's stack
# Of each content, the member it is put in and its JSON text.
UNSTORABLE = {
    "nul": ("title", r'"Will \u0000 end it?"'),
    "surrogate": ("title", r'"Will \ud800 pair up?"'),
    "number": ("floor_strike", "1e999999"),
    "nesting": ("custom_strike", "[" * NESTING + "]" * NESTING),
    "year": ("close_time", '"99999-12-31T00:00:00Z"'),
}


def truncated(values: Values, _: Exchange) -> Handler:
    return _rewriting(lambda body, _: body[: min(values["bytes"], len(body) // 2)])


def malformed(_: Values, __: Exchange) -> Handler:
    return _rewriting(lambda body, _: body[:-1] + b",}")


def short_page(values: Values, _: Exchange) -> Handler:
    """By a smaller limit, so that the cursor fits the rows."""

    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        query = _query(scope)
        asked = query.get("limit", "")
        if not asked or (asked.isdecimal() and (asked == "0" or int(asked[:9]) > values["rows"])):
            query["limit"] = str(values["rows"])
        await app({**scope, "query_string": urlencode(query).encode()}, receive, send)

    return handle


def repeated_cursor(_: Values, __: Exchange) -> Handler:
    def repeat(answer: JsonObject, scope: Scope) -> bytes:
        asked = _query(scope).get("cursor")
        return to_json({**answer, "cursor": asked} if asked and "cursor" in answer else answer)

    return _rewriting(lambda body, scope: repeat(json.loads(body), scope))


def empty_page(_: Values, exchange: Exchange) -> Handler:
    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        after = decode(_query(scope).get("cursor"))
        if after and after.ticker.endswith(
            "~"
        ):  # listing.py: this is behind an empty page, whose cursor it would repeat
            await app(scope, receive, send)
            return
        usual = exchange.empty_pages

        async def restore(message: Message) -> None:
            exchange.empty_pages = usual
            await send(message)

        # Nothing else runs until the answer is made: the first wait is that of sending it.
        exchange.empty_pages = 1.0
        await app(scope, receive, restore)

    return handle


def field_drift(values: Values, _: Exchange) -> Handler:
    member, change = values["member"], values["change"]

    def drift(row: JsonObject) -> JsonObject:
        if change == "new":
            return {**row, f"{member}_v2": {"value": row.get(member), "unit": "new"}}
        if change == "retyped" and member in row:
            return {**row, member: [row[member]]}
        return {name: value for name, value in row.items() if name != member or change == "retyped"}

    def rewrite(body: bytes, _: Scope) -> bytes:
        answer = json.loads(body)
        for rows in _lists(answer):
            rows[:] = map(drift, rows)
        return to_json({name: drift(value) if isinstance(value, dict) else value for name, value in answer.items()})

    return _rewriting(rewrite)


def unstorable(values: Values, _: Exchange) -> Handler:
    member, content = UNSTORABLE[values["content"]]
    mark = "what is to be put here"  # no encoder writes what must stand here

    def rewrite(body: bytes, _: Scope) -> bytes:
        answer = json.loads(body)
        for rows in _lists(answer):
            rows[: values["rows"]] = [{**row, member: mark} for row in rows[: values["rows"]]]
        return to_json(answer).replace(to_json(mark), content.encode())

    return _rewriting(rewrite)


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1")))


def _lists(answer: JsonObject) -> Iterator[list[JsonObject]]:
    """The lists of objects in an answer."""
    return (rows for rows in answer.values() if isinstance(rows, list) and rows and isinstance(rows[0], dict))


def _rewriting(rewrite: Callable[[bytes, Scope], bytes]) -> Handler:
    """Passes the whole body of a 200 through a function; any other answer stays as it is."""

    async def handle(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def hold(message: Message) -> None:
            messages.append(message)

        await app(_uncompressed(scope), receive, hold)
        start, *parts = messages
        body = b"".join(part.get("body", b"") for part in parts)
        if start["status"] == 200 and body:
            with suppress(ValueError):  # another fault may have left no JSON
                body = rewrite(body, scope)
            MutableHeaders(scope=start)["content-length"] = str(len(body))
        await send(start)
        await send({"type": "http.response.body", "body": body})

    return handle


def _uncompressed(scope: Scope) -> Scope:
    """The request as that of a client that takes no compression; only prepared pages are compressed further in."""
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]}
