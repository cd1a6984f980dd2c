"""Tools: their definitions, and calls whose errors are results.

An error that a model can correct is a result with isError, not an error of the protocol (server/tools, Error Handling).
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from starlette.requests import Request

from api.errors import ApiError, from_service_error
from api.middleware import request_id
from api.resources import Resources
from kalshi_markets.database import DatabaseError, NoFreeConnection
from kalshi_markets.logs import make_logger
from kalshi_markets.secrets_manager import SecretUnavailable
from kalshi_markets.settings import SettingsError

logger = make_logger("api")

Arguments = Mapping[str, Any]


class ToolContext(NamedTuple):
    """HTTP request of a call, and what a tool needs to run.

    deadline: time.monotonic() value by which calls to the exchange must end.
    """

    request: Request
    resources: Resources
    deadline: float


class Answer(NamedTuple):
    """Answer of a tool.

    facts: JSON text of an object: the figures, the age of the data, and api_url.
    table: CSV with a header line; empty if there is none.
    """

    facts: str
    table: str = ""


@dataclass(frozen=True)
class Tool:
    """Tool of the server.

    schema: JSON Schema of the arguments.
    run: returns the answer. Raises ApiError, DatabaseError, SettingsError and SecretUnavailable.
    """

    name: str
    title: str
    description: str
    schema: Mapping[str, Any]
    run: Callable[[Arguments, ToolContext], Awaitable[Answer]]

    def definition(self) -> Mapping[str, Any]:
        """Return the JSON object that describes the tool in a list."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.schema,
            "annotations": {"readOnlyHint": True},
        }


async def call_tool(tool: Tool, arguments: Arguments, context: ToolContext) -> Mapping[str, Any]:
    """Return the result of a call. Errors of the API are results, too."""
    try:
        answer = await tool.run(arguments, context)
    except ApiError as error:
        return _error(error, context)
    except (DatabaseError, SettingsError, SecretUnavailable) as error:
        if isinstance(error, NoFreeConnection):
            await context.resources.aclose()  # as for any request (app.py)
        api_error = from_service_error(error)
        fields = {"code": api_error.code.code, "error": type(error).__name__, "tool": tool.name}
        logger.error("tool failed", extra=fields | {"request_id": request_id(context.request.scope)})
        return _error(api_error, context)
    texts = [text for text in answer if text]
    return {"content": [{"type": "text", "text": text} for text in texts], "isError": False}


def _error(error: ApiError, context: ToolContext) -> Mapping[str, Any]:
    text = json.dumps(error.body(request_id(context.request.scope)), ensure_ascii=False)
    return {"content": [{"type": "text", "text": text}], "isError": True}
