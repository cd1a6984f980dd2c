"""GET /events/{event_ticker}/markets: the grammar of GET /markets for the markets of one event, ordered by strike."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from api.events.resource import RESOURCE as EVENTS
from api.listing.endpoints import list_rows
from api.listing.filters import HasWords
from api.listing.parameters import sort_parameters
from api.listing.query import parse_listing
from api.listing.sorting import SortOrder
from api.markets.query import GRAMMAR, Query
from api.markets.sql import Markets
from api.query_string import Parameter
from api.resources import Resources
from api.value_parsers import parse_number
from kalshi_markets.columns import MARKETS, Table
from kalshi_markets.text import is_valid_pg_text

_STRIKES: Final = re.compile(r"\{(?:-Infinity|([^,]+)),(?:Infinity|([^,]+))\}")


def _parse_strikes(text: str) -> str:
    """Parse the key of the order by strike, an array of the lower and the upper strike. Raises ValueError."""
    match = _STRIKES.fullmatch(text)
    if not match:
        raise ValueError("must be an array of two strikes")
    for strike in filter(None, match.groups()):
        parse_number(strike)
    return text


STRIKE_ORDER: Final = SortOrder(
    # A market without a lower strike begins below all others; one without an upper strike ends above all others.
    "ARRAY[coalesce({alias}.floor_strike, '-Infinity'), coalesce({alias}.cap_strike, 'Infinity')]",
    "coalesce({alias}.floor_strike, {alias}.cap_strike)",
    Table.DETAILS,
    "numeric[]",
    _parse_strikes,
    direction="asc",
)
SORT_ORDERS: Final[Mapping[str, SortOrder]] = {"strike": STRIKE_ORDER, **GRAMMAR.sort_orders}
STRIKE_PARAMETERS: Final[Mapping[str, Parameter]] = {
    parameter.name: parameter
    for parameter in sort_parameters(
        MARKETS.name,
        MARKETS.key,
        SORT_ORDERS,
        "`strike` is floor_strike, then cap_strike, ascending by default; `recent` is close_time, else open_time",
    )
}
"""Parameters that differ from those of GET /markets, by name."""


class EventMarkets(Markets):
    """Listing of the markets of one event."""

    grammar = GRAMMAR._replace(parameters={**GRAMMAR.parameters, **STRIKE_PARAMETERS}, sort_orders=SORT_ORDERS)

    def parse_query(self, query_string: bytes, has_words: HasWords) -> Query:
        """Parse the query string of the listing. Raises ApiError, and any error of has_words."""
        return parse_listing(Query(self.grammar), query_string, has_words)


RESOURCE: Final = EventMarkets()


def respond(request: Request, event_ticker: str, service: Resources) -> Response:
    """Return the response of GET /events/{event_ticker}/markets. Raises ApiError and DatabaseError.

    The event is one more filter, so a cursor belongs to its event.
    """
    if not is_valid_pg_text(event_ticker) or not _exists(service, event_ticker):
        raise EVENTS.not_found()
    query_string = b"event_ticker=" + quote(event_ticker, safe="").encode() + b"&" + request.scope["query_string"]
    return list_rows(request, service, RESOURCE, query_string)


def _exists(service: Resources, event_ticker: str) -> bool:
    """Return whether the event is known, or one of its markets is."""
    table = service.database.settings.table
    statement = f"""
        SELECT EXISTS (SELECT FROM {table}_events WHERE event_ticker = $1::text)
            OR EXISTS (SELECT FROM {table}_details WHERE event_ticker = $1::text)"""
    [[exists]] = service.database.query(statement, event_ticker)
    return bool(exists)
