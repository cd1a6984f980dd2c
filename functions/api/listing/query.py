"""Query of a listing: the grammar of its parameters, and their parsed values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from api.errors import Problem, validation_error
from api.listing.cursor import Position, decode
from api.listing.filters import Condition, Filter, HasWords
from api.listing.parameters import DEFAULT_LIMIT
from api.listing.sorting import SortOrder
from api.listing.suggestions import Synonyms
from api.query_string import (
    MAX_NAME_LENGTH,
    Parameter,
    check_text,
    invalid_parameter,
    parse_each,
    unknown_parameter,
)
from kalshi_markets.columns import Column

_CURSOR_INDEPENDENT: Final = frozenset({"cursor", "limit", "offset", "format"})
"""Parameters that may differ between the pages of one listing."""


class Grammar(NamedTuple):
    """Parameters of a listing.

    parameters: parameters other than filters, by name. Each sets the field of the query with its name.
    id_column: the name of the column that identifies a row.
    sort_orders: by value of `order_by`; the first is the default.
    change_order: sort order of a query with `changed_since`.
    """

    id_column: str
    parameters: Mapping[str, Parameter]
    filters: Mapping[str, Filter]
    sort_orders: Mapping[str, SortOrder]
    change_order: SortOrder
    default_columns: tuple[Column, ...]
    synonyms: Synonyms

    def suggest(self, unknown: str) -> str | None:
        """Return the parameter that an unknown name most likely means; None if there is none."""
        return self.synonyms.suggest(unknown, self.parameters, self.filters)

    def hint(self, name: str) -> str:
        """Return a valid use of a parameter."""
        if name in self.parameters:
            return f"{name}={self.parameters[name].example}"
        filter_ = self.filters[name]
        if filter_.is_pattern:
            return f"{filter_.column.name}__icontains=bitcoin, a faster search without a pattern"
        return f"{name}={filter_.example}"


@dataclass
class ListingQuery:
    """Parsed query of a listing.

    order_by, order_direction: empty means the default.
    search: words that every row has in its searched text.
    format: None means the format of the Accept header.
    """

    grammar: Grammar
    conditions: list[Condition] = field(default_factory=list)
    order_by: str = ""
    order_direction: str = ""
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    fields: tuple[Column, ...] = ()
    cursor: str | None = None
    position: Position | None = None
    """Position after which the page starts, decoded from the cursor."""
    count_total: str = "none"
    format: str | None = None
    changed_since: int | None = None
    search: tuple[str, ...] = ()
    raw_parameters: dict[str, str] = field(default_factory=dict)
    """All parameters of the request, percent-decoded, by name."""

    def __post_init__(self) -> None:
        self.order_by = self.order_by or next(iter(self.grammar.sort_orders))
        self.order_direction = self.order_direction or self.order.direction
        self.fields = self.fields or self.grammar.default_columns

    @property
    def order(self) -> SortOrder:
        """Sort order of the rows."""
        return self.grammar.change_order if self.changed_since is not None else self.grammar.sort_orders[self.order_by]

    @property
    def descending(self) -> bool:
        """Return whether the rows are in descending order."""
        return self.changed_since is None and self.order_direction == "desc"

    @property
    def cursor_parameters(self) -> dict[str, str]:
        """Parameters that must be equal in every request with a cursor of this query."""
        order = {"order_by": self.order_by, "order_direction": self.order_direction}
        return order | {name: value for name, value in self.raw_parameters.items() if name not in _CURSOR_INDEPENDENT}

    def check_combinations(self) -> Problem | None:
        """Check parameters that depend on each other, and decode the cursor. Return the first problem, else None."""
        for name in ("order_by", "order_direction"):
            if self.changed_since is not None and name in self.raw_parameters:
                message = "cannot be combined with changed_since, which defines the order"
                return invalid_parameter(name, message, "Remove it.")
        if self.cursor is None:
            return None
        if "offset" in self.raw_parameters:
            message = "cannot be combined with cursor, which contains the position"
            return invalid_parameter("offset", message, "Remove one of them.")
        known = {*self.grammar.parameters, *self.grammar.filters}
        try:
            self.position = decode(self.cursor, self.cursor_parameters, self.order.parse, known)
        except ValueError as error:
            return invalid_parameter("cursor", str(error), "Use next_url, or restart without a cursor.")
        return None


AnyQuery = TypeVar("AnyQuery", bound=ListingQuery)


def parse_listing(query: AnyQuery, query_string: bytes, has_words: HasWords) -> AnyQuery:
    """Set the parameters of a query string in a query, and return it.

    has_words: returns the subset of undocumented words that are stored in a column.
    Raises ApiError, a 422 that lists the problems, and any error of has_words.
    """

    def parse(name: str, value: str) -> Problem | None:
        return _set_parameter(query, name, value, has_words)

    query.raw_parameters = parse_each(query_string, parse)
    if "order_direction" not in query.raw_parameters:
        query.order_direction = query.order.direction
    if problem := query.check_combinations():
        raise validation_error([problem])
    return query


def _set_parameter(query: ListingQuery, name: str, value: str, has_words: HasWords) -> Problem | None:
    """Set one parameter in the query. Return the problem if it is unknown or invalid."""
    grammar = query.grammar
    try:
        if parameter := grammar.parameters.get(name):
            setattr(query, name, parameter.parse(check_text(value)))
        elif filter_ := grammar.filters.get(name):
            query.conditions.append(filter_.condition(check_text(value), has_words))
        else:
            return _unknown(grammar, name[:MAX_NAME_LENGTH])
    except ValueError as error:
        return invalid_parameter(name, str(error), grammar.hint(name))
    return None


def _unknown(grammar: Grammar, name: str) -> Problem:
    meant = grammar.suggest(name)
    hint = f"Try {grammar.hint(meant)}" if meant else "See GET /docs for all parameters."
    message = f"unknown parameter {name}" + (f"; did you mean {meant}?" if meant else "")
    return unknown_parameter(name, message, hint)
