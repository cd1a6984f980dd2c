"""JSON-RPC 2.0 messages (jsonrpc.org/specification): parsing, results and errors."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

JsonObject = Mapping[str, Any]

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
HEADER_MISMATCH: Final = -32020
"""Headers that are missing or differ from the body (basic/transports/streamable-http, Server Validation)."""
UNSUPPORTED_VERSION: Final = -32022
"""Revision that the server does not have (basic/versioning, Protocol Version Negotiation)."""


class ProtocolError(Exception):
    """Error of a message, not of a tool. data: further JSON for programs; None if there is none."""

    def __init__(self, code: int, message: str, data: JsonObject | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def body(self, id_: str | int | None) -> JsonObject:
        """Return the JSON-RPC message. id_: ID of the request; None if the body has no valid one."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return {"jsonrpc": "2.0", **({} if id_ is None else {"id": id_}), "error": error}


class Message(NamedTuple):
    """Request or notification. id: None for a notification."""

    id: str | int | None
    method: str
    params: JsonObject

    @property
    def meta(self) -> JsonObject:
        """Metadata of the request, `_meta`; empty if it has none."""
        meta = self.params.get("_meta")
        return meta if isinstance(meta, Mapping) else {}


def result(id_: str | int, value: JsonObject) -> JsonObject:
    """Return the response to a request."""
    return {"jsonrpc": "2.0", "id": id_, "result": value}


def parse_json(body: bytes) -> Any:
    """Parse a body. Numbers with a fraction are decimals, so no digit is lost. Raises ProtocolError."""
    try:
        value = json.loads(body, parse_float=Decimal, parse_constant=_reject, object_pairs_hook=_unique)
        json.dumps(value, ensure_ascii=False, default=str).encode()  # raises ValueError for a lone surrogate
    except (ValueError, RecursionError, ArithmeticError):
        message = "Parse error: the body must be JSON in UTF-8, without repeated members. Send one JSON-RPC message."
        raise ProtocolError(PARSE_ERROR, message) from None
    return value


def _reject(constant: str) -> None:
    raise ValueError(constant)


def _unique(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of an object. Raises ValueError for a repeated one, whose first value would be ignored."""
    values = dict(members)
    if len(values) < len(members):
        raise ValueError("repeated member")
    return values


def id_of(value: object) -> str | int | None:
    """Return the ID of a message that may be invalid; None if it has no valid one."""
    id_ = value.get("id") if isinstance(value, Mapping) else None
    return id_ if isinstance(id_, str | int) and not isinstance(id_, bool) else None


def parse_message(value: object) -> Message:
    """Return the message of a parsed body. Raises ProtocolError."""
    if not isinstance(value, Mapping) or value.get("jsonrpc") != "2.0":
        raise ProtocolError(INVALID_REQUEST, 'The body must be one JSON-RPC message with "jsonrpc": "2.0".')
    if not isinstance(value.get("method"), str):
        raise ProtocolError(INVALID_REQUEST, "method must be a string. This server sends no requests to respond to.")
    if "id" in value and id_of(value) is None:
        raise ProtocolError(INVALID_REQUEST, "id must be a string or an integer. Leave it out for a notification.")
    params = value.get("params", {})
    if not isinstance(params, Mapping):
        raise ProtocolError(INVALID_PARAMS, "params must be an object.")
    return Message(id_of(value), value["method"], params)
