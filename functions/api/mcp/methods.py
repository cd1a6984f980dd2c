"""Methods of the protocol: discovery, the list of tools, and the call of a tool."""

from collections.abc import Mapping
from typing import Any, Final

from api.mcp.messages import INVALID_PARAMS, METHOD_NOT_FOUND, Message, ProtocolError
from api.mcp.revisions import STATELESS, SUPPORTED, WITH_INITIALIZE
from api.mcp.tool import ToolContext, call_tool
from api.mcp.tools import TOOLS

SERVER_INFO: Final = {"name": "kalshi-markets", "title": "Kalshi Markets API", "version": "1"}
CAPABILITIES: Final[Mapping[str, Any]] = {"tools": {}}
INSTRUCTIONS: Final = (
    "All markets of the Kalshi exchange, live and settled, as this service last read them. Find markets with"
    " search_markets, then use get_market and get_candlesticks with a ticker. Prices are in dollars: 0.42 is a"
    " probability of 42 %. Results are compact extracts: each has api_url, the HTTP request for the complete data, and"
    " crawled_at or as_of, the age of the data. GET /llms.txt describes the HTTP API."
)
CACHE_HINT: Final = {"ttlMs": 3_600_000, "cacheScope": "public"}
"""Lifetime of lists, which change with a deployment only (server/utilities/caching)."""


async def run_method(message: Message, revision: str, context: ToolContext) -> Mapping[str, Any]:
    """Return the result of a request. Raises ProtocolError."""
    if revision == STATELESS:
        result = await _stateless_result(message, context)
        return {"resultType": "complete", **result, "_meta": {"io.modelcontextprotocol/serverInfo": SERVER_INFO}}
    match message.method:
        case "initialize":
            return _initialize(message)
        case "ping":
            return {}
        case "tools/list":
            return _list_tools(message)
        case "tools/call":
            return await _call_tool(message, context)
    raise _method_not_found()


async def _stateless_result(message: Message, context: ToolContext) -> Mapping[str, Any]:
    match message.method:
        case "server/discover":
            described = {"supportedVersions": [*SUPPORTED], "capabilities": CAPABILITIES, "instructions": INSTRUCTIONS}
            return described | CACHE_HINT
        case "tools/list":
            return {**_list_tools(message), **CACHE_HINT}
        case "tools/call":
            return await _call_tool(message, context)
    raise _method_not_found()


def _method_not_found() -> ProtocolError:
    return ProtocolError(METHOD_NOT_FOUND, "Method not found. This server has tools/list and tools/call.")


def _initialize(message: Message) -> Mapping[str, Any]:
    """Return the revision that the client requests if the server has it, else the newest one with `initialize`."""
    requested = message.params.get("protocolVersion")
    if not isinstance(requested, str):
        raise ProtocolError(INVALID_PARAMS, "protocolVersion must be a string.")
    return {
        "protocolVersion": requested if requested in WITH_INITIALIZE else WITH_INITIALIZE[0],
        "capabilities": CAPABILITIES,
        "serverInfo": SERVER_INFO,
        "instructions": INSTRUCTIONS,
    }


def _list_tools(message: Message) -> Mapping[str, Any]:
    if message.params.get("cursor") is not None:
        raise ProtocolError(INVALID_PARAMS, "cursor is invalid: the list of tools has one page. Leave it out.")
    return {"tools": [tool.definition() for tool in TOOLS.values()]}


async def _call_tool(message: Message, context: ToolContext) -> Mapping[str, Any]:
    name, arguments = message.params.get("name"), message.params.get("arguments", {})
    tool = TOOLS.get(name) if isinstance(name, str) else None
    if tool is None:
        raise ProtocolError(INVALID_PARAMS, f"Unknown tool. name must be one of {', '.join(TOOLS)}.")
    if not isinstance(arguments, Mapping):
        raise ProtocolError(INVALID_PARAMS, "arguments must be an object.")
    return await call_tool(tool, arguments, context)
