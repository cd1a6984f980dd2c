"""Requests of the API that answer the calls of tools: the same functions, without a second HTTP request."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from api.errors import validation_error
from api.listing.json_body import csv_line, takes_list
from api.listing.paging import MAX_LINK_LENGTH
from api.mcp.tool import Arguments
from api.query_string import MAX_NAME_LENGTH, invalid_parameter
from kalshi_markets.text import excerpt

Pairs = list[tuple[str, str]]

_RECORD: Final = re.compile(r'(?:"[^"]*"|[^"\r])*\r\n')


def query_pairs(arguments: Arguments) -> Pairs:
    """Return the parameters of a query string with the same meaning as the arguments. Raises ApiError."""
    return [(name, _text(name, value)) for name, value in arguments.items()]


def _text(name: str, value: Any) -> str:
    match value:
        case bool():
            return json.dumps(value)
        case str() | int() | Decimal():
            return str(value)
        case [_, *_] if takes_list(name) and all(isinstance(item, str | int | Decimal) for item in value):
            return csv_line([_text(name, item) for item in value])
    kinds = "a list of at least one string or number" if takes_list(name) else "a string, a number or a boolean"
    safe_name = excerpt(name, MAX_NAME_LENGTH)
    hint = f"Use {safe_name}__in for a list." if isinstance(value, list) else "Leave it out for its default."
    raise validation_error([invalid_parameter(safe_name, f"must be {kinds}", hint)])


def query_string(pairs: Pairs) -> str:
    """Return a query string, percent-encoded."""
    return urlencode(pairs, safe=",:", quote_via=quote)


def path_of(*parts: str) -> str:
    """Return a path, percent-encoded."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def get_request(request: Request, path: str, query: str) -> Request:
    """Return a GET request of the API, uncompressed and without conditions."""
    headers: list[tuple[bytes, bytes]] = []
    return Request({**request.scope, "method": "GET", "path": path, "query_string": query.encode(), "headers": headers})


def text_of(response: Response) -> str:
    """Return the text of a response to get_request."""
    return bytes(response.body).decode()


def records_of(table: str) -> list[str]:
    """Return the header line and the rows of a CSV table, with their line ends. A quoted cell may contain line ends."""
    return _RECORD.findall(table)


def api_url(request: Request, path: str, query: str = "") -> str | None:
    """Return the absolute URL of a GET request of the API, on the host of the request; None if it is too long."""
    url = f"{request.url.scheme}://{request.url.netloc}{path}{'?' if query else ''}{query}"
    return url if len(url) <= MAX_LINK_LENGTH else None


def dump(value: Mapping[str, Any]) -> str:
    """Return compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
