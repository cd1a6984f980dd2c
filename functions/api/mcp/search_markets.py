"""Tool that searches markets, with the grammar of GET /markets and short pages."""

from typing import Any, Final

from starlette.responses import Response

from api.errors import validation_error
from api.formats import CSV
from api.listing.endpoints import list_rows
from api.markets.sql import RESOURCE as MARKETS
from api.mcp.api_calls import Pairs, api_url, dump, get_request, query_pairs, query_string, records_of, text_of
from api.mcp.schemas import listing_schema
from api.mcp.tool import Answer, Arguments, Tool, ToolContext
from api.query_string import Parameter, integer, integer_schema, invalid_parameter

MAX_ROWS: Final = 50
DEFAULT_ROWS: Final = 20
PATH: Final = "/markets"
FIELDS: Final = (
    *("ticker", "title", "subtitle", "status", "result", "yes_bid_dollars", "yes_ask_dollars"),
    *("last_price_dollars", "volume", "close_time"),
)
"""Columns of an answer without `fields`. The default of GET /markets has long texts."""
LIMIT: Final = Parameter(
    "limit",
    integer(1, MAX_ROWS),
    f"Maximum number of markets, from 1 to {MAX_ROWS}.",
    str(DEFAULT_ROWS),
    integer_schema(1, MAX_ROWS, DEFAULT_ROWS),
)


async def run(arguments: Arguments, context: ToolContext) -> Answer:
    """Return one page of markets. Raises ApiError and DatabaseError."""
    pairs = _pairs(arguments)
    request = get_request(context.request, PATH, query_string([*pairs, ("format", CSV.name)]))
    response = list_rows(request, context.resources, MARKETS)
    table = text_of(response)
    url = api_url(context.request, PATH, query_string(pairs))
    return Answer(dump({"count": len(records_of(table)) - 1, **_page_facts(response), "api_url": url}), table)


def _pairs(arguments: Arguments) -> Pairs:
    """Return the parameters of GET /markets. Raises ApiError."""
    members = {"fields": [*FIELDS], "limit": DEFAULT_ROWS, **arguments}
    filters = members.pop("filters", {})
    if not isinstance(filters, dict):
        raise validation_error([invalid_parameter("filters", "must be an object", '{"volume_24h__gte": 100}')])
    pairs = query_pairs(members) + query_pairs(filters)
    _check_limit(dict(pairs)["limit"])
    return pairs


def _check_limit(text: str) -> None:
    try:
        LIMIT.parse(text)
    except ValueError as error:
        hint = f"limit={MAX_ROWS}, then continue with the cursor. GET /markets has up to 10,000 markets a page."
        raise validation_error([invalid_parameter("limit", str(error), hint)]) from None


def _page_facts(response: Response) -> dict[str, Any]:
    """Return the facts of a page in CSV: its next cursor, its total if there is one, and the age of the data."""
    headers = response.headers
    facts: dict[str, Any] = {"next_cursor": headers.get("x-next-cursor")}
    if "x-total-count" in headers:
        facts["total"] = int(headers["x-total-count"])
    if "x-truncated" in headers:
        facts["truncated"] = True
    return facts | {"crawled_at": headers.get("x-crawled-at")}


TOOL: Final = Tool(
    "search_markets",
    "Search markets",
    "Find markets by words, filters and sort order. The answer is JSON with count, next_cursor (send it as cursor with"
    " the same arguments for the next page; null on the last), crawled_at (time of the data) and api_url, then the"
    " markets as CSV. api_url is the same request over HTTP, its cursor included: limit may be up to 10,000, format"
    " json, ndjson or csv. It is null if it is too long for a URL: POST /markets has the same parameters in its body.",
    listing_schema(LIMIT, FIELDS),
    run,
)
