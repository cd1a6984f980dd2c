"""Query parameters that every listing has, other than filters."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from api.formats import FORMAT_PARAMETER
from api.listing.cursor import MAX_LENGTH
from api.listing.sorting import SortOrder
from api.query_string import MAX_NAME_LENGTH, Parameter, enum_schema, integer, integer_schema, one_of
from kalshi_markets.columns import Column

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 10_000
MAX_OFFSET: Final = 1_000_000_000
MAX_CHANGE_NUMBER: Final = 2**63 - 1
DIRECTIONS: Final = ("desc", "asc")
COUNTS: Final = ("none", "estimated", "exact")


def _parse_cursor(value: str) -> str:
    if not 0 < len(value) <= MAX_LENGTH:
        raise ValueError(f"must have 1 to {MAX_LENGTH:,} characters")
    return value


CURSOR_PARAMETER: Final = Parameter(
    "cursor",
    _parse_cursor,
    "Continues after the previous page: its `next_cursor`, with the same parameters; `limit` and `format` may change.",
    "…",
    {"type": "string"},
)


def page_parameters(rows: str) -> list[Parameter]:
    """Return the parameters of the page: limit, offset and cursor. rows: noun for the rows, such as "markets"."""
    return [
        limit_parameter(rows),
        Parameter(
            "offset",
            integer(0, MAX_OFFSET),
            f"Number of {rows} to skip. Prefer a cursor: it is faster and does not miss rows.",
            "0",
            integer_schema(0, MAX_OFFSET, 0),
        ),
        CURSOR_PARAMETER,
    ]


def limit_parameter(rows: str) -> Parameter:
    """Return the parameter for the number of rows on a page."""
    return Parameter(
        "limit",
        integer(1, MAX_LIMIT),
        f"Maximum number of {rows}.",
        str(DEFAULT_LIMIT),
        integer_schema(1, MAX_LIMIT, DEFAULT_LIMIT),
    )


def sort_parameters(rows: str, id_column: str, sort_orders: Mapping[str, SortOrder], notes: str) -> list[Parameter]:
    """Return the parameters of the sort order. The first sort order is the default.

    notes: a description of sort orders that are not columns.
    """
    names = [*sort_orders]
    directions = {order.direction for order in sort_orders.values()}
    return [
        Parameter(
            "order_by",
            one_of(names),
            f"Sort key; {notes}. {rows.capitalize()} without a value come last in both directions.",
            names[0],
            enum_schema(names, names[0]),
        ),
        Parameter(
            "order_direction",
            one_of(DIRECTIONS),
            f"Sort direction; {rows} with equal values are sorted by {id_column} in the same direction.",
            DIRECTIONS[0],
            enum_schema(DIRECTIONS, directions.pop() if len(directions) == 1 else None),
        ),
    ]


def output_parameters(
    rows: str, columns: Iterable[Column], default_columns: Sequence[Column], example: str
) -> list[Parameter]:
    """Return the parameters of the response: fields, count_total, changed_since and format.

    example: an example of `fields`.
    """
    return [
        Parameter(
            "fields",
            _fields_parser(columns, default_columns, f"see GET /{rows}/columns for the names"),
            "Columns to return, in this order: comma-separated names, `default` and `all`.",
            example,
            {"type": "string", "default": "default"},
        ),
        Parameter(
            "count_total",
            one_of(COUNTS),
            f"Total number of matching {rows}: `none` omits it, `estimated` is the query planner's estimate, `exact`"
            " counts them, which is slower.",
            "estimated",
            enum_schema(COUNTS, "none"),
        ),
        Parameter(
            "changed_since",
            integer(0, MAX_CHANGE_NUMBER),
            f"Only {rows} that changed after this change number, in the order of their changes. Continue with the"
            " change_number of the response.",
            "0",
            integer_schema(0, MAX_CHANGE_NUMBER),
        ),
        FORMAT_PARAMETER,
    ]


def _fields_parser(
    columns: Iterable[Column], default_columns: Sequence[Column], advice: str
) -> Callable[[str], tuple[Column, ...]]:
    """Return a parser of column names. It returns the columns in the order of the request, without duplicates.

    advice: the end of the error message for a name that is not similar to any column's.
    """
    by_name = {column.name: column for column in columns}
    groups = {"default": default_columns, "all": [*by_name.values()]}

    def parse(value: str) -> tuple[Column, ...]:
        chosen: dict[str, Column] = {}
        for name in value.split(","):
            if name not in groups and name not in by_name:
                near = difflib.get_close_matches(name[:MAX_NAME_LENGTH], [*groups, *by_name], 1)
                suggestion = f"did you mean {near[0]}?" if near else advice
                raise ValueError(f"must be comma-separated column names, default or all; {suggestion}")
            chosen |= {column.name: column for column in groups.get(name) or [by_name[name]]}
        return tuple(chosen.values())

    return parse
