"""Query of GET /markets."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from api.errors import Problem
from api.listing.filters import Condition, HasWords, no_words
from api.listing.query import Grammar, ListingQuery, parse_listing
from api.markets.parameters import CHANGE_ORDER, FILTERS, LISTING_PARAMETERS, SORT_ORDERS
from api.markets.suggestions import SYNONYMS
from api.query_string import invalid_parameter
from kalshi_markets.columns import MARKETS

GRAMMAR: Final = Grammar(
    MARKETS.key, LISTING_PARAMETERS, FILTERS, SORT_ORDERS, CHANGE_ORDER, MARKETS.default_columns, SYNONYMS
)
SETTLED: Final = "finalized"
"""Status of settled markets, which the partial indexes of unsettled ones exclude."""


@dataclass
class Query(ListingQuery):
    """Parsed query of GET /markets.

    min_duration_minutes, max_duration_minutes: decimal text.
    series_is_small: the series of the filter on series_ticker has so few markets that all of them can be sorted.
    """

    min_duration_minutes: str | None = None
    max_duration_minutes: str | None = None
    series_is_small: bool = False

    def filter_by(self, column: str) -> Condition | None:
        """Return the filter for one exact value of a column; None if there is none."""
        for condition in self.conditions:
            if condition.filter.column.name == column and condition.filter.operator.suffix == "":
                return condition
        return None

    @property
    def excludes_settled(self) -> bool:
        """Return whether a filter on status accepts only statuses of unsettled markets."""
        filters = (_exact_values(condition, "status") for condition in self.conditions)
        return any(values and SETTLED not in values for values in filters)

    def check_combinations(self) -> Problem | None:
        """Check parameters that depend on each other, and decode the cursor. Return the first problem, else None."""
        minimum, maximum = self.min_duration_minutes, self.max_duration_minutes
        if minimum is not None and maximum is not None and Decimal(minimum) > Decimal(maximum):
            message = "must not exceed max_duration_minutes"
            return invalid_parameter("min_duration_minutes", message, "Swap the two values.")
        if self.order.only_unsettled and not self.excludes_settled and not self._has_few_markets():
            message = (
                f"{self.order_by} requires a filter by status or status__in that excludes {SETTLED},"
                " or a filter by series_ticker or event_ticker"
            )
            return invalid_parameter("order_by", message, "Add status=active.")
        return super().check_combinations()

    def _has_few_markets(self) -> bool:
        names = ("series_ticker", "event_ticker")
        return any(_exact_values(condition, name) for condition in self.conditions for name in names)


def _exact_values(condition: Condition, column: str) -> list[object]:
    """Return the values that a filter accepts, if it is an exact one on this column."""
    if condition.filter.column.name != column or condition.filter.operator.suffix not in ("", "__in"):
        return []
    return [item for value in condition.values for item in (value if isinstance(value, list) else [value])]


def parse_query(query_string: bytes, has_words: HasWords = no_words) -> Query:
    """Parse the query string of GET /markets.

    has_words: returns the subset of undocumented words that are stored in a column.
    Raises ApiError, a 422 that lists up to MAX_PROBLEMS invalid parameters, and any error of has_words.
    """
    return parse_listing(Query(GRAMMAR), query_string, has_words)
