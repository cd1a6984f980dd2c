"""HTTP side of POST /mcp: checks of the request, statuses, and one JSON response.

The server sends nothing on its own, so it has no stream: each response is application/json, which the specification
permits (basic/transports/streamable-http, Sending Messages). GET and DELETE are a 405.
"""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from api.mcp.messages import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Message,
    ProtocolError,
    id_of,
    parse_json,
    parse_message,
    result,
)
from api.mcp.methods import run_method
from api.mcp.revisions import STATELESS, WITH_BATCHES, check_version, revision_of
from api.mcp.tool import ToolContext
from api.query_string import reject_parameters
from api.resources import Resources
from api.responses import json_response

MAX_BATCH: Final = 10
_LOOPBACK: Final = ("localhost", "127.0.0.1")
_JSON_RANGES: Final = ("application/json", "application/*", "*/*")


class _Reply(NamedTuple):
    """Response to one message. body: None for a notification."""

    status: int
    body: Any


async def respond(request: Request, resources: Resources, *, deadline: float) -> Response:
    """Return the response of POST /mcp.

    deadline: time.monotonic() value by which calls to the exchange must end.
    Raises ApiError for a query string.
    """
    reject_parameters(request.scope["query_string"])
    reply = _rejected(request) or await _reply(request, ToolContext(request, resources, deadline))
    if reply.body is None:
        return Response(status_code=reply.status)
    return json_response(request, json.dumps(reply.body, separators=(",", ":")), reply.status)


def _rejected(request: Request) -> _Reply | None:
    """Return the error of a request whose Origin or Accept header is invalid; None if both are valid."""
    if not _is_own_origin(request.headers.get("origin"), request.headers.get("host", "")):
        message = "Origin must be this server's own. Send the request without the header, or from a page of this host."
        return _Reply(403, ProtocolError(INVALID_REQUEST, message).body(None))
    ranges = [part.partition(";")[0].strip() for part in request.headers.get("accept", "*/*").lower().split(",")]
    if not any(range_ in _JSON_RANGES for range_ in ranges):
        message = "Accept must contain application/json: this server sends no other type."
        return _Reply(406, ProtocolError(INVALID_REQUEST, message).body(None))
    return None


def _is_own_origin(origin: str | None, host: str) -> bool:
    """Return whether a request comes from no page, or from a page of this server.

    A page that rebinds its own name to this server's address has this name as its origin and as its host, so their
    equality proves nothing for http. With https the server would need a certificate for the name. So the origin is
    https or a loopback name, and its host is that of the request: the API's domain, or the custom domain.
    """
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
        name = parts.hostname
    except ValueError:
        return False
    return parts.netloc == host and (parts.scheme == "https" or (parts.scheme == "http" and name in _LOOPBACK))


async def _reply(request: Request, context: ToolContext) -> _Reply:
    try:
        value = parse_json(await request.body())
        if isinstance(value, list):
            return await _reply_to_batch(request, context, value)
    except ProtocolError as error:
        return _Reply(400, error.body(None))
    return await _reply_to_one(request, context, value)


async def _reply_to_batch(request: Request, context: ToolContext, values: Sequence[object]) -> _Reply:
    """Return the replies to the messages of a batch, without those to notifications. Raises ProtocolError."""
    if check_version(request.headers.get("mcp-protocol-version")) != WITH_BATCHES:
        raise ProtocolError(INVALID_REQUEST, f"Only the revision {WITH_BATCHES} has batches. Send one message.")
    if not 0 < len(values) <= MAX_BATCH:
        raise ProtocolError(INVALID_REQUEST, f"A batch must have 1 to {MAX_BATCH} messages.")
    replies = [await _reply_to_one(request, context, value) for value in values]
    bodies = [reply.body for reply in replies if reply.body is not None]
    return _Reply(200 if bodies else 202, bodies or None)


async def _reply_to_one(request: Request, context: ToolContext, value: object) -> _Reply:
    try:
        message = parse_message(value)
        revision = revision_of(request.headers, message)
    except ProtocolError as error:
        return _Reply(400, error.body(id_of(value)))
    if message.id is None:
        return _Reply(202, None)
    return await _run(message, message.id, revision, context)


async def _run(message: Message, id_: str | int, revision: str, context: ToolContext) -> _Reply:
    try:
        return _Reply(200, result(id_, await run_method(message, revision, context)))
    except ProtocolError as error:
        # To a client of an earlier revision, a 404 means that its session has ended.
        status = (404 if error.code == METHOD_NOT_FOUND else 400) if revision == STATELESS else 200
        return _Reply(status, error.body(id_))
