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
            suggestion = f"did you mean {near[0]}?" if near else "see GET /markets/columns for the names"
            raise ValueError(f"must be comma-separated column names, default or all; {suggestion}")
        chosen |= {column.name: column for column in groups.get(name) or [COLUMNS_BY_NAME[name]]}
    return tuple(chosen.values())


def _cursor(value: str) -> str:
    if not 0 < len(value) <= MAX_LENGTH:
        raise ValueError(f"must have 1 to {MAX_LENGTH:,} characters")
    return value


def _seconds(value: str) -> int:
    seconds = value_parsers.parse_integer(value, 0, MAX_CHANGE_NUMBER)
    if seconds > MAX_UNIX_SECOND:
        raise ValueError("must be before the year 5138; use Unix seconds, not milliseconds")
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
            "Maximum number of markets.",
            "100",
            _integer_schema(1, MAX_ITEMS, 100),
        ),
        Parameter(
            "offset",
            _integer(0, MAX_OFFSET),
            "Number of markets to skip. Prefer a cursor: it is faster and does not miss rows.",
            "0",
            _integer_schema(0, MAX_OFFSET, 0),
        ),
        Parameter(
            "cursor",
            _cursor,
            "Continues after the previous page: its `next_cursor`, with the same parameters; `limit` and `format` may"
            " change.",
            "…",
            {"type": "string"},
        ),
        Parameter(
            "order_by",
            _one_of(*SORT_ORDERS),
            "Sort key; `recent` is close_time, else open_time. Markets without a value come last in both directions.",
            "recent",
            _enum_schema([*SORT_ORDERS], "recent"),
        ),
        Parameter(
            "order_direction",
            _one_of("desc", "asc"),
            "Sort direction; markets with equal values are sorted by ticker in the same direction.",
            "desc",
            _enum_schema(["desc", "asc"], "desc"),
        ),
        Parameter(
            "min_duration_minutes",
            value_parsers.parse_number,
            "Minimum number of minutes from open_time to close_time; fractions are allowed.",
            "15",
            {"type": "number"},
        ),
        Parameter(
            "max_duration_minutes",
            value_parsers.parse_number,
            "Maximum number of minutes from open_time to close_time; fractions are allowed.",
            "60",
            {"type": "number"},
        ),
        Parameter(
            "fields",
            _fields,
            "Columns to return, in this order: comma-separated names, `default` and `all`.",
            "default,last_price_dollars",
            {"type": "string", "default": "default"},
        ),
        Parameter(
            "count_total",
            _one_of(*COUNTS),
            "Total number of matching markets: `none` omits it, `estimated` is the query planner's estimate, `exact`"
            " counts them, which is slower.",
            "estimated",
            _enum_schema(COUNTS, "none"),
        ),
        Parameter(
            "changed_since",
            _integer(0, MAX_CHANGE_NUMBER),
            "Only markets that changed after this change number, in the order of their changes. Continue with the"
            " change_number of the response.",
            "0",
            _integer_schema(0, MAX_CHANGE_NUMBER),
        ),
        Parameter(
            "format",
            _one_of(*FORMATS),
            "Format of the response body. Default: the format of the Accept header, else JSON.",
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
            "Earliest end of a period, in Unix seconds. Default: 24 hours before end_ts.",
            "1795435200",
            _integer_schema(0, MAX_UNIX_SECOND),
        ),
        Parameter(
            "end_ts",
            _seconds,
            "Latest end of a period, in Unix seconds. Default: now.",
            "1795521600",
            _integer_schema(0, MAX_UNIX_SECOND),
        ),
        Parameter(
            "period_interval",
            _period,
            "Length of a period, in minutes.",
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
