"""Resource of GET /events: the columns, synonyms and errors of events."""

from typing import Final

from api.errors import ApiError, ErrorCode
from api.listing import suggestions
from api.listing.table_resource import TableResource, make_grammar
from kalshi_markets.columns import Table
from kalshi_markets.event_columns import EVENTS

SYNONYMS: Final = suggestions.Synonyms(
    {**suggestions.NAMES, **dict.fromkeys(suggestions.SEARCH_NAMES, "search")},
    {column.source_field: column.name for column in EVENTS.columns}
    | dict.fromkeys(("id", "event", "ticker", "symbol"), "event_ticker")
    | {"series": "series_ticker", "name": "title", "subtitle": "sub_title", "date": "strike_date"}
    | dict.fromkeys(("updated", "updated_ts"), "last_updated_ts"),
    {"tickers": "event_ticker", "event_tickers": "event_ticker", "series_tickers": "series_ticker"},
)


class Events(TableResource):
    """Listing of the events."""

    entity = EVENTS
    table = Table.EVENTS
    grammar = make_grammar(EVENTS, SYNONYMS, "default,product_metadata")
    row = "event"
    few_fields = "event_ticker,title"

    def not_found(self) -> ApiError:
        """Return the 404 error for an unknown event ticker."""
        hint = "Search with /events?search= and a word of the title."
        return ApiError(ErrorCode.EVENT_NOT_FOUND, "Event not found", hint)


RESOURCE: Final = Events()
