"""Messages of the Model Context Protocol, written out."""

import json
from collections.abc import Mapping
from typing import Any

import httpx

VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
ACCEPT = "application/json, text/event-stream"


def request(method: str, params: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a request of the newest revision. changes: other members."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), "_meta": META}, **changes}


def headers(message: Mapping[str, Any], **changes: str | None) -> dict[str, str]:
    """Return the headers of a request. changes: other values, None for none; a `_` stands for `-`."""
    values: dict[str, str | None] = {
        "accept": ACCEPT,
        "content-type": "application/json",
        "mcp-protocol-version": VERSION,
        "mcp-method": message["method"],
        "mcp-name": message["params"].get("name"),
    }
    values |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in values.items() if value is not None}


def rpc(
    http: httpx.Client, method: str, params: Mapping[str, Any] | None = None, **changes: str | None
) -> httpx.Response:
    """Send a request of the newest revision. changes: other headers."""
    message = request(method, params)
    return post(http, message, **headers(message, **changes))


def post(http: httpx.Client, message: Any, **values: str) -> httpx.Response:
    """Send a body with these headers. A body that is not bytes is encoded as JSON."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return http.post("/mcp", content=body, headers={name.replace("_", "-"): value for name, value in values.items()})
