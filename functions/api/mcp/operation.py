"""OpenAPI object of POST /mcp. The protocol's own schema defines the messages."""

from collections.abc import Mapping
from typing import Any, Final

from api.mcp.revisions import SUPPORTED

_OBJECT: Final = {"type": "object"}
_MESSAGE: Final = {
    "type": "object",
    "properties": {
        "jsonrpc": {"const": "2.0"},
        "id": {"type": ["string", "integer"]},
        "method": {"type": "string"},
        "params": _OBJECT,
    },
    "required": ["jsonrpc", "method"],
}
_ERRORS: Final = {
    "400": "invalid message, header or revision",
    "403": "Origin of another site",
    "404": "unknown method",
    "406": "Accept without application/json",
}


def _json(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"application/json": {"schema": schema}}


DESCRIPTION: Final = (
    f"JSON-RPC 2.0 over Streamable HTTP, revisions {', '.join(SUPPORTED)}"
    " (modelcontextprotocol.io/specification). `tools/list` describes the tools."
)
REQUEST_BODY: Final = {"required": True, "content": _json(_MESSAGE)}
RESPONSES: Final = {
    "200": {"description": "Result, or an error of a revision with `initialize`", "content": _json(_OBJECT)},
    "202": {"description": "Notification accepted"},
    **{
        status: {"description": f"JSON-RPC error: {about}", "content": _json(_OBJECT)}
        for status, about in _ERRORS.items()
    },
}
