"""Query of GET /markets/facets: the filters of GET /markets, and the columns whose values are counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from api.listing.filters import HasWords
from api.listing.query import parse_listing
from api.markets.query import GRAMMAR, Query
from api.query_string import Parameter, integer, integer_schema
from kalshi_markets.columns import FACETS

DEFAULT_VALUES: Final = 10
MAX_VALUES: Final = 1_000


def _parse_facets(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(value.split(",")))
    if not {*names} <= {*FACETS}:
        raise ValueError(f"must be comma-separated names of {', '.join(FACETS)}")
    return names


FACET_PARAMETERS: Final[Mapping[str, Parameter]] = {
    "facet": Parameter(
        "facet",
        _parse_facets,
        f"Columns whose values are counted: comma-separated names of {', '.join(FACETS)}.",
        "status,category",
        {"type": "string", "default": ",".join(FACETS)},
    ),
    "limit": Parameter(
        "limit",
        integer(1, MAX_VALUES),
        f"Maximum number of values of each facet, from 1 to {MAX_VALUES:,}.",
        str(DEFAULT_VALUES),
        integer_schema(1, MAX_VALUES, DEFAULT_VALUES),
    ),
    **{name: GRAMMAR.parameters[name] for name in ("search", "min_duration_minutes", "max_duration_minutes")},
}
"""Parameters other than filters, by name."""

FACET_GRAMMAR: Final = GRAMMAR._replace(parameters=FACET_PARAMETERS)


@dataclass
class FacetQuery(Query):
    """Parsed query of GET /markets/facets.

    facet: names of the columns whose values are counted.
    limit: maximum number of values of each facet.
    """

    facet: tuple[str, ...] = FACETS
    limit: int = DEFAULT_VALUES


def parse_facet_query(query_string: bytes, has_words: HasWords) -> FacetQuery:
    """Parse the query string of GET /markets/facets. Raises ApiError, and any error of has_words."""
    return parse_listing(FacetQuery(FACET_GRAMMAR), query_string, has_words)
