"""Query parameters other than filters."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api import value_parsers
from api.markets.cursor import MAX_LENGTH
from api.markets.filters import FILTERS
from api.markets.sorting import SORT_ORDERS
from kalshi_markets.columns import COLUMNS, COLUMNS_BY_NAME, DEFAULT_COLUMNS, Column

MAX_ITEMS: Final = 10_000
MAX_OFFSET: Final = 1_000_000_000
MAX_CHANGE_NUMBER: Final = 2**63 - 1
MAX_UNIX_SECOND: Final = int(value_parsers.MAX_UNIX_SECONDS) - 1
MAX_NAME_LENGTH: Final = 100
FORMATS: Final = ("json", "ndjson", "csv")
PERIODS: Final = (1, 60, 1440)
COUNTS: Final = ("none", "estimated", "exact")


@dataclass(frozen=True)
class Parameter:
    """Query parameter other than a filter.

    name: the parameter's name, and the field of Query that it sets.
    parse: converts the text of the value. Raises ValueError.
    example: a valid value.
    schema: the OpenAPI schema of the value.
    """

    name: str
    parse: Callable[[str], Any]
    description: str
    example: str
    schema: dict[str, Any]


def _one_of(*allowed_values: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in allowed_values:
            near = difflib.get_close_matches(value, allowed_values, 1)
            raise ValueError(
                f"must be one of {', '.join(allowed_values)}" + (f"; did you mean {near[0]}?" if near else "")
            )
        return value

    return parse


def _integer(minimum: int, maximum: int) -> Callable[[str], int]:
    return lambda value: value_parsers.parse_integer(value, minimum, maximum)


def _fields(value: str) -> tuple[Column, ...]:
    """Return the requested columns in their order, without duplicates. Raises ValueError."""
    groups = {"default": DEFAULT_COLUMNS, "all": COLUMNS}
    chosen: dict[str, Column] = {}
    for name in value.split(","):
        if name not in groups and name not in COLUMNS_BY_NAME:
            near = difflib.get_close_matches(name[:MAX_NAME_LENGTH], [*groups, *COLUMNS_BY_NAME], 1)
            suggestion = f"did you mean {near[0]}?" if near else "GET /markets/columns lists them"
            raise ValueError(f"takes names of columns, default and all, parted by commas; {suggestion}")
        chosen |= {column.name: column for column in groups.get(name) or [COLUMNS_BY_NAME[name]]}
    return tuple(chosen.values())


def _cursor(value: str) -> str:
    if not 0 < len(value) <= MAX_LENGTH:
        raise ValueError(f"must have 1 to {MAX_LENGTH:,} characters")
    return value


def _seconds(value: str) -> int:
    seconds = value_parsers.parse_integer(value, 0, MAX_CHANGE_NUMBER)
    if seconds > MAX_UNIX_SECOND:
        raise ValueError("is beyond the year 5000; are these milliseconds? It takes seconds")
    return seconds


def _period(value: str) -> int:
    if value not in map(str, PERIODS):
        raise ValueError("must be 1, 60 or 1440 minutes")
    return int(value)


def _integer_schema(minimum: int, maximum: int, default: int | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return schema if default is None else schema | {"default": default}


def _enum_schema(allowed_values: Sequence[str], default: str | None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "enum": [*allowed_values]}
    return schema if default is None else schema | {"default": default}


LISTING_PARAMETERS: Final = {
    setting.name: setting
    for setting in (
        Parameter(
            "limit",
            _integer(1, MAX_ITEMS),
            "How many markets at most.",
            "100",
            _integer_schema(1, MAX_ITEMS, 100),
        ),
        Parameter(
            "offset",
            _integer(0, MAX_OFFSET),
            "How many markets to pass over first; a cursor is faster and misses nothing.",
            "0",
            _integer_schema(0, MAX_OFFSET, 0),
        ),
        Parameter(
            "cursor",
            _cursor,
            "Goes on where a page ended: its `next_cursor`, with the same parameters; `limit` and `format` may change.",
            "…",
            {"type": "string"},
        ),
        Parameter(
            "order_by",
            _one_of(*SORT_ORDERS),
            "What to order by; `recent` is close_time, else open_time. Markets without a value come last either way.",
            "recent",
            _enum_schema([*SORT_ORDERS], "recent"),
        ),
        Parameter(
            "order_direction",
            _one_of("desc", "asc"),
            "Which way; markets with equal values go by ticker in the same direction.",
            "desc",
            _enum_schema(["desc", "asc"], "desc"),
        ),
        Parameter(
            "min_duration_minutes",
            value_parsers.parse_number,
            "close_time is at least so many minutes after open_time; fractions count.",
            "15",
            {"type": "number"},
        ),
        Parameter(
            "max_duration_minutes",
            value_parsers.parse_number,
            "close_time is at most so many minutes after open_time; fractions count.",
            "60",
            {"type": "number"},
        ),
        Parameter(
            "fields",
            _fields,
            "Which columns, and in which order: names, `default` and `all`, parted by commas.",
            "default,last_price_dollars",
            {"type": "string", "default": "default"},
        ),
        Parameter(
            "count_total",
            _one_of(*COUNTS),
            "Whether to say how many markets match in all: `estimated` is the database's guess, which costs nothing;"
            " `exact` counts them.",
            "estimated",
            _enum_schema(COUNTS, "none"),
        ),
        Parameter(
            "changed_since",
            _integer(0, MAX_CHANGE_NUMBER),
            "Only markets that changed after this change number, in the order of their changes. Ask next from the"
            " answer's change_number.",
            "0",
            _integer_schema(0, MAX_CHANGE_NUMBER),
        ),
        Parameter(
            "format",
            _one_of(*FORMATS),
            "The body's format; left out, the Accept header decides, else it is JSON.",
            "ndjson",
            _enum_schema(FORMATS, None),
        ),
    )
}


CANDLESTICK_PARAMETERS: Final = {
    setting.name: setting
    for setting in (
        Parameter(
            "start_ts",
            _seconds,
            "The first end of a period, in Unix seconds; by default 24 hours before end_ts.",
            "1795435200",
            _integer_schema(0, MAX_UNIX_SECOND),
        ),
        Parameter(
            "end_ts",
            _seconds,
            "The last end of a period, in Unix seconds; by default now.",
            "1795521600",
            _integer_schema(0, MAX_UNIX_SECOND),
        ),
        Parameter(
            "period_interval",
            _period,
            "Minutes of a period.",
            "60",
            {"type": "integer", "enum": [*PERIODS], "default": 60},
        ),
        LISTING_PARAMETERS["format"],
    )
}
"""Parameters of GET /markets/{ticker}/candlesticks, by name."""


def describe_column(column: Column) -> dict[str, Any]:
    """Return the JSON object of a column, with all parameters that filter by it."""
    return {
        "name": column.name,
        "kind": column.kind.value,
        "default": column.in_default_response,
        "orderable": column.orderable,
        "values": list(column.allowed_values) or None,
        "filters": [name for name, filter_ in FILTERS.items() if filter_.column is column],
        "about": column.description,
    }
