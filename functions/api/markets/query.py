"""Query of GET /markets."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from api.errors import Problem
from api.listing.filters import HasWords, no_words
from api.listing.query import Grammar, ListingQuery, parse_listing
from api.markets.parameters import CHANGE_ORDER, FILTERS, ID_COLUMN, LISTING_PARAMETERS, SORT_ORDERS
from api.markets.suggestions import SYNONYMS
from api.query_string import invalid_parameter, parse_parameters
from kalshi_markets.columns import DEFAULT_COLUMNS, Column

GRAMMAR: Final = Grammar(ID_COLUMN, LISTING_PARAMETERS, FILTERS, SORT_ORDERS, CHANGE_ORDER, DEFAULT_COLUMNS, SYNONYMS)


@dataclass
class Query(ListingQuery):
    """Parsed query of GET /markets.

    min_duration_minutes, max_duration_minutes: decimal text.
    """

    min_duration_minutes: str | None = None
    max_duration_minutes: str | None = None

    def check_combinations(self) -> Problem | None:
        """Check parameters that depend on each other, and decode the cursor. Return the first problem, else None."""
        minimum, maximum = self.min_duration_minutes, self.max_duration_minutes
        if minimum is not None and maximum is not None and Decimal(minimum) > Decimal(maximum):
            message = "must not exceed max_duration_minutes"
            return invalid_parameter("min_duration_minutes", message, "Swap the two values.")
        return super().check_combinations()


def parse_query(query_string: bytes, has_words: HasWords = no_words) -> Query:
    """Parse the query string of GET /markets.

    has_words: returns the subset of undocumented words that are stored in a column.
    Raises ApiError, a 422 that lists up to MAX_PROBLEMS invalid parameters, and any error of has_words.
    """
    return parse_listing(Query(GRAMMAR), query_string, has_words)


def parse_fields(query_string: bytes) -> tuple[Column, ...]:
    """Parse the query string of GET /markets/{ticker}, whose only parameter is `fields`. Raises ApiError."""
    fields: tuple[Column, ...] = parse_parameters(query_string, {"fields": LISTING_PARAMETERS["fields"]}).get(
        "fields", DEFAULT_COLUMNS
    )
    return fields
