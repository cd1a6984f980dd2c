"""Query strings: the typed query of GET /markets, and validation for the other endpoints."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from api.errors import ApiError, ErrorCode, Problem, validation_error
from api.markets.cursor import Position, decode
from api.markets.filters import FILTERS, Condition, HasWords, no_words
from api.markets.parameters import LISTING_PARAMETERS, MAX_NAME_LENGTH, Parameter
from api.markets.sorting import CHANGE_ORDER, SORT_ORDERS, SortOrder
from api.markets.suggestions import suggestion
from kalshi_markets.columns import DEFAULT_COLUMNS, Column

MAX_PARAMETERS: Final = 100
MAX_PROBLEMS: Final = 10
_CURSOR_INDEPENDENT: Final = frozenset({"cursor", "limit", "offset", "format"})
"""Parameters that may differ between the pages of one listing."""
_NAMES: Final = frozenset({*LISTING_PARAMETERS, *FILTERS})


@dataclass
class Query:
    """Parsed query of GET /markets.

    min_duration_minutes, max_duration_minutes: decimal text.
    format: None means the format of the Accept header.
    """

    conditions: list[Condition] = field(default_factory=list)
    min_duration_minutes: str | None = None
    max_duration_minutes: str | None = None
    order_by: str = "recent"
    order_direction: str = "desc"
    limit: int = 100
    offset: int = 0
    fields: tuple[Column, ...] = DEFAULT_COLUMNS
    cursor: str | None = None
    position: Position | None = None
    """Position after which the page starts, decoded from the cursor."""
    count_total: str = "none"
    format: str | None = None
    changed_since: int | None = None
    raw_parameters: dict[str, str] = field(default_factory=dict)
    """All parameters of the request, percent-decoded, by name."""

    @property
    def order(self) -> SortOrder:
        """Sort order of the rows."""
        return CHANGE_ORDER if self.changed_since is not None else SORT_ORDERS[self.order_by]

    @property
    def descending(self) -> bool:
        """Return whether the rows are in descending order."""
        return self.changed_since is None and self.order_direction == "desc"

    @property
    def cursor_parameters(self) -> dict[str, str]:
        """Parameters that must be equal in every request with a cursor of this query."""
        order = {"order_by": self.order_by, "order_direction": self.order_direction}
        return order | {name: value for name, value in self.raw_parameters.items() if name not in _CURSOR_INDEPENDENT}


def parse_query(query_string: bytes, has_words: HasWords = no_words) -> Query:
    """Parse the query string of GET /markets.

    has_words: returns the subset of undocumented words that are stored in a column.
    Raises ApiError, a 422 that lists up to MAX_PROBLEMS invalid parameters, and any error of has_words.
    """
    query, problems = Query(), []
    for name, value in _pairs(query_string):
        problem = (
            _repeated_parameter(name)
            if name in query.raw_parameters
            else _apply_parameter(query, name, value, has_words)
        )
        query.raw_parameters[name] = value
        if problem:
            problems.append(problem)
        if len(problems) == MAX_PROBLEMS:
            break
    if not problems and (problem := _check_combinations(query)):
        problems.append(problem)
    if problems:
        raise validation_error(problems)
    return query


def parse_fields(query_string: bytes) -> tuple[Column, ...]:
    """Parse the query string of an endpoint whose only parameter is `fields`. Raises ApiError."""
    others = [name for name, _ in _pairs(query_string) if name != "fields"]
    if others:
        message = "unknown parameter: this endpoint accepts only fields"
        raise validation_error(
            [Problem(ErrorCode.UNKNOWN_PARAMETER, ("query", others[0][:MAX_NAME_LENGTH]), message, "Remove it.")]
        )
    return parse_query(query_string).fields


def parse_parameters(query_string: bytes, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Parse the query string of an endpoint that has these parameters and no filters. Raises ApiError.

    The result has the value of each parameter that the request contains.
    """
    values: dict[str, Any] = {}
    problems = []
    for name, value in _pairs(query_string):
        if name not in parameters:
            message = f"unknown parameter: this endpoint accepts only {', '.join(parameters)}"
            problems.append(
                Problem(ErrorCode.UNKNOWN_PARAMETER, ("query", name[:MAX_NAME_LENGTH]), message, "Remove it.")
            )
        elif name in values:
            problems.append(_repeated_parameter(name))
        else:
            try:
                values[name] = parameters[name].parse(_storable(value))
            except ValueError as error:
                values[name] = None
                problems.append(_problem(name, str(error), f"{name}={parameters[name].example}"))
    if problems:
        raise validation_error(problems[:MAX_PROBLEMS])
    return values


def reject_parameters(query_string: bytes) -> None:
    """Raise ApiError if the query string has any parameter."""
    problems = [
        Problem(
            ErrorCode.UNKNOWN_PARAMETER,
            ("query", name[:MAX_NAME_LENGTH]),
            "unknown parameter: this endpoint accepts no parameters",
            "Remove it.",
        )
        for name, _ in _pairs(query_string)
    ]
    if problems:
        raise validation_error(problems)


def _pairs(query_string: bytes) -> Iterator[tuple[str, str]]:
    """Yield each parameter's name and value, percent-decoded. Raises ApiError."""
    if not query_string.isascii():
        raise _malformed("The query string contains non-ASCII characters.")
    fields = [field for field in query_string.split(b"&") if field]
    if len(fields) > MAX_PARAMETERS:
        message = f"the query string must have at most {MAX_PARAMETERS} parameters"
        raise validation_error([Problem(ErrorCode.INVALID_PARAMETER, ("query",), message, "Remove some of them.")])
    try:
        decoded = [
            [unquote_to_bytes(part.replace(b"+", b" ")).decode() for part in field.split(b"=", 1)] for field in fields
        ]
    except UnicodeDecodeError:
        raise _malformed("The query string is not valid UTF-8 after percent-decoding.") from None
    for name, *value in decoded:
        yield name, "".join(value)


def _malformed(detail: str) -> ApiError:
    return ApiError(ErrorCode.MALFORMED_QUERY, detail, "Percent-encode it as UTF-8, such as %C3%A9 for é.")


def _storable(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain a NUL character")
    return value


def _apply_parameter(query: Query, name: str, value: str, has_words: HasWords) -> Problem | None:
    """Set one parameter in the query. Return the problem if it is unknown or invalid."""
    try:
        if parameter := LISTING_PARAMETERS.get(name):
            setattr(query, name, parameter.parse(_storable(value)))
        elif filter_ := FILTERS.get(name):
            query.conditions.append(filter_.condition(_storable(value), has_words))
        else:
            return _unknown(name)
    except ValueError as error:
        return _problem(name, str(error), _hint(name))
    return None


def _unknown(name: str) -> Problem:
    name = name[:MAX_NAME_LENGTH]
    meant = suggestion(name)
    hint = f"Try {_hint(meant)}" if meant else "See GET /docs for all parameters."
    message = f"unknown parameter {name}" + (f"; did you mean {meant}?" if meant else "")
    return Problem(ErrorCode.UNKNOWN_PARAMETER, ("query", name), message, hint)


def _repeated_parameter(name: str) -> Problem:
    return _problem(name, "must not be repeated", "Remove one of them.")


def _problem(name: str, message: str, hint: str) -> Problem:
    name = name[:MAX_NAME_LENGTH]
    return Problem(ErrorCode.INVALID_PARAMETER, ("query", name), f"{name} {message}", hint)


def _hint(name: str) -> str:
    if name in LISTING_PARAMETERS:
        return f"{name}={LISTING_PARAMETERS[name].example}"
    filter_ = FILTERS[name]
    if filter_.is_pattern:
        return f"{filter_.column.name}__icontains=bitcoin, a faster search without a pattern"
    return f"{name}={filter_.example}"


def _check_combinations(query: Query) -> Problem | None:
    minimum, maximum = query.min_duration_minutes, query.max_duration_minutes
    if minimum is not None and maximum is not None and Decimal(minimum) > Decimal(maximum):
        message = "min_duration_minutes must not exceed max_duration_minutes"
        return Problem(ErrorCode.INVALID_PARAMETER, ("query", "min_duration_minutes"), message, "Swap the two values.")
    for name in ("order_by", "order_direction"):
        if query.changed_since is not None and name in query.raw_parameters:
            return _problem(name, "cannot be combined with changed_since, which defines the order", "Remove it.")
    if query.cursor is not None and "offset" in query.raw_parameters:
        return _problem("offset", "cannot be combined with cursor, which contains the position", "Remove one of them.")
    try:
        if query.cursor is not None:
            query.position = decode(query.cursor, query.cursor_parameters, query.order.kind, _NAMES)
    except ValueError as error:
        return _problem("cursor", str(error), "Use next_url, or restart without a cursor.")
    return None
