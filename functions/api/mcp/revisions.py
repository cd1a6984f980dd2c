"""Revisions of the protocol, and the headers that repeat a request's revision, method and name.

A request of the revision 2026-07-28 has its revision and the client's capabilities in `params._meta`, and the headers
MCP-Protocol-Version, Mcp-Method and, for a tool, Mcp-Name (basic/transports/streamable-http, Request Metadata). Earlier
revisions begin with `initialize` and have at most the header MCP-Protocol-Version. A request without it has the
revision 2025-03-26, as the specification permits.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from api.mcp.messages import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    UNSUPPORTED_VERSION,
    Message,
    ProtocolError,
)

STATELESS: Final = "2026-07-28"
WITH_INITIALIZE: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
"""Revisions that begin with `initialize`, newest first."""
WITH_BATCHES: Final = "2025-03-26"
"""Revision that has batches; the next one removed them (2025-06-18, changelog)."""
SUPPORTED: Final = (STATELESS, *WITH_INITIALIZE)

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
_NAMED_METHOD: Final = "tools/call"
_BASE64: Final = ("=?base64?", "?=")
"""Start and end of a header's value in base64 (basic/transports/streamable-http, Value Encoding)."""


def revision_of(headers: Mapping[str, str], message: Message) -> str:
    """Return the revision of a message, after a check of its headers. Raises ProtocolError.

    headers: with case-insensitive names.
    """
    header = headers.get("mcp-protocol-version")
    if VERSION_KEY in message.meta and header != message.meta[VERSION_KEY]:
        raise _mismatch("MCP-Protocol-Version", f"params._meta[{VERSION_KEY!r}]")
    version = check_version(header)
    if version == STATELESS and message.id is not None:
        _check_stateless_request(headers, message)
    return version


def check_version(header: str | None) -> str:
    """Return the revision that the header MCP-Protocol-Version names. Raises ProtocolError."""
    if header is None:
        return WITH_BATCHES
    if header not in SUPPORTED:
        data = {"supported": [*SUPPORTED], "requested": header}
        raise ProtocolError(UNSUPPORTED_VERSION, "Unsupported protocol version", data)
    return header


def _check_stateless_request(headers: Mapping[str, str], message: Message) -> None:
    missing = [key for key in (VERSION_KEY, CAPABILITIES_KEY) if key not in message.meta]
    if missing:
        raise ProtocolError(INVALID_PARAMS, f"params._meta must have {' and '.join(missing)}.")
    if not isinstance(message.meta[CAPABILITIES_KEY], Mapping):
        raise ProtocolError(INVALID_PARAMS, f"{CAPABILITIES_KEY} must be an object.")
    if headers.get("mcp-method") != message.method:
        raise _mismatch("Mcp-Method", "method")
    if message.method == _NAMED_METHOD and "name" in message.params:
        name = message.params["name"]
        if not isinstance(name, str) or _decoded(headers.get("mcp-name")) != name:
            raise _mismatch("Mcp-Name", "params.name")


def _decoded(value: str | None) -> str | None:
    """Return the value of a header that may be in base64; None if it is missing or invalid."""
    start, end = _BASE64
    if value is None or not (value.startswith(start) and value.endswith(end)):
        return value
    try:
        return base64.b64decode(value[len(start) : -len(end)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _mismatch(header: str, member: str) -> ProtocolError:
    message = f"Header mismatch: {header} is missing or differs from {member}. Send the value of the body."
    return ProtocolError(HEADER_MISMATCH, message)
