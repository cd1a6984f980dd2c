"""GET /llms.txt: a guide to this API for language models, in the Markdown of llmstxt.org.

Facts that a table of the code has are read from it: columns, operators, parameters and limits.
"""

from pathlib import Path
from string import Template
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from api.candlesticks.request import CANDLESTICK_PARAMETERS, MAX_TICKERS
from api.errors import ErrorCode
from api.listing.filters import OPERATORS
from api.listing.parameters import DEFAULT_LIMIT, MAX_LIMIT
from api.markets.parameters import LISTING_PARAMETERS
from api.mcp.revisions import SUPPORTED
from api.mcp.tools import TOOLS
from api.query_string import reject_parameters
from api.responses import text_response
from kalshi_markets.columns import FACETS, MARKETS, Column, Kind

_GUIDE: Final = Template((Path(__file__).parent / "llms.txt").read_text(encoding="utf-8"))
_SHOWN: Final = (
    *("status", "category", "series_ticker", "event_title", "yes_bid_dollars", "yes_ask_dollars"),
    *("last_price_dollars", "volume_24h"),
)
"""Columns that are described although the default response does not have them."""


def respond(request: Request) -> Response:
    """Return the response of GET /llms.txt; a 304 if the client has the current text. Raises ApiError."""
    reject_parameters(request.scope["query_string"])
    text = render(f"{request.url.scheme}://{request.url.netloc}")
    return text_response(request, text, "text/plain; charset=utf-8", {"x-content-type-options": "nosniff"})


def render(base: str) -> str:
    """Return the guide. base: scheme and host of the service."""
    return _GUIDE.substitute(
        base=base,
        facets=", ".join(FACETS),
        candlestick_parameters=", ".join(CANDLESTICK_PARAMETERS),
        max_tickers=f"{MAX_TICKERS:,}",
        parameters=_parameters(),
        operators=_operators(),
        columns=_columns(),
        number_of_columns=len(MARKETS.columns),
        default_limit=DEFAULT_LIMIT,
        max_limit=f"{MAX_LIMIT:,}",
        errors=_errors(),
        revisions=", ".join(SUPPORTED),
        tools=", ".join(TOOLS),
    )


def _parameters() -> str:
    return "\n".join(f"- {parameter.name}: {parameter.description}" for parameter in LISTING_PARAMETERS.values())


def _operators() -> str:
    return "\n".join(
        f"- column{operator.suffix}= {_kinds(operator.kinds)}: {operator.description}" for operator in OPERATORS
    )


def _kinds(kinds: frozenset[Kind]) -> str:
    return "(all kinds)" if len(kinds) == len(Kind) else f"({', '.join(kind for kind in Kind if kind in kinds)})"


def _columns() -> str:
    columns = [column for column in MARKETS.columns if column.in_default_response or column.name in _SHOWN]
    return "\n".join(map(_column, columns))


def _column(column: Column) -> str:
    values = (
        f" One of {', '.join(value or '(empty)' for value in column.allowed_values)}." if column.allowed_values else ""
    )
    return f"- {column.name} ({column.kind}): {column.description}{values}"


def _errors() -> str:
    """Return the error codes by status."""
    statuses = sorted({code.status for code in ErrorCode})
    return "; ".join(f"{s}: {', '.join(code.code for code in ErrorCode if code.status == s)}" for s in statuses)
