"""Resource of GET /series: the columns, synonyms and errors of series."""

from typing import Final

from api.errors import ApiError, ErrorCode
from api.listing import suggestions
from api.listing.table_resource import TableResource, make_grammar
from kalshi_markets.columns import Table
from kalshi_markets.event_columns import SERIES

SYNONYMS: Final = suggestions.Synonyms(
    {**suggestions.NAMES, **dict.fromkeys(("search", *suggestions.SEARCH_NAMES), "title__icontains")},
    {column.source_field: column.name for column in SERIES.columns}
    | dict.fromkeys(("id", "series", "symbol"), "series_ticker")
    | {"name": "title", "tag": "tags", "updated": "last_updated_ts", "updated_ts": "last_updated_ts"},
    {"tickers": "series_ticker", "series_tickers": "series_ticker", "categories": "category"},
)


class Series(TableResource):
    """Listing of the series."""

    entity = SERIES
    table = Table.SERIES
    grammar = make_grammar(SERIES, SYNONYMS, "default,market_counts")
    row = "series"
    few_fields = "series_ticker,title"

    def not_found(self) -> ApiError:
        """Return the 404 error for an unknown series ticker."""
        hint = "Search with /series?series_ticker__icontains= and a part of the ticker."
        return ApiError(ErrorCode.SERIES_NOT_FOUND, "Series not found", hint)


RESOURCE: Final = Series()
