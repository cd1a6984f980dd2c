"""The query parameters of GET /markets that are no filters."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api import values
from api.cursor import LONGEST
from api.filters import FILTERS
from api.orders import ORDERS
from kalshi_markets.columns import BY_NAME, COLUMNS, DEFAULT, Column

MOST_ITEMS: Final = 10_000
MOST_OFFSET: Final = 1_000_000_000
MOST_CHANGE: Final = 2**63 - 1
MOST_SECOND: Final = int(values.MILLISECONDS_FROM) - 1
LONGEST_NAME: Final = 100
FORMATS: Final = ("json", "ndjson", "csv")
PERIODS: Final = (1, 60, 1440)
COUNTS: Final = ("none", "estimated", "exact")


@dataclass(frozen=True)
class Setting:
    """One query parameter that is no filter. name: also the field of Query that it sets; example: a value to try."""

    name: str
    read: Callable[[str], Any]
    about: str
    example: str
    schema: dict[str, Any]


def _one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            near = difflib.get_close_matches(value, words, 1)
            raise ValueError(f"must be one of {', '.join(words)}" + (f"; did you mean {near[0]}?" if near else ""))
        return value

    return read


def _whole(least: int, most: int) -> Callable[[str], int]:
    return lambda value: values.whole(value, least, most)


def _fields(value: str) -> tuple[Column, ...]:
    """Columns in the order asked, each once."""
    groups = {"default": DEFAULT, "all": COLUMNS}
    chosen: dict[str, Column] = {}
    for name in value.split(","):
        if name not in groups and name not in BY_NAME:
            near = difflib.get_close_matches(name[:LONGEST_NAME], [*groups, *BY_NAME], 1)
            suggestion = f"did you mean {near[0]}?" if near else "GET /markets/columns lists them"
            raise ValueError(f"takes names of columns, default and all, parted by commas; {suggestion}")
        chosen |= {column.name: column for column in groups.get(name) or [BY_NAME[name]]}
    return tuple(chosen.values())


def _cursor(value: str) -> str:
    if not 0 < len(value) <= LONGEST:
        raise ValueError(f"must have 1 to {LONGEST:,} characters")
    return value


def _seconds(value: str) -> int:
    found = values.whole(value, 0, MOST_CHANGE)
    if found > MOST_SECOND:
        raise ValueError("is beyond the year 5000; are these milliseconds? It takes seconds")
    return found


def _period(value: str) -> int:
    if value not in map(str, PERIODS):
        raise ValueError("must be 1, 60 or 1440 minutes")
    return int(value)


def _whole_schema(least: int, most: int, usual: int | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    return schema if usual is None else schema | {"default": usual}


def _word_schema(words: Sequence[str], usual: str | None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "enum": [*words]}
    return schema if usual is None else schema | {"default": usual}


SETTINGS: Final = {
    setting.name: setting
    for setting in (
        Setting(
            "limit",
            _whole(1, MOST_ITEMS),
            "How many markets at most.",
            "100",
            _whole_schema(1, MOST_ITEMS, 100),
        ),
        Setting(
            "offset",
            _whole(0, MOST_OFFSET),
            "How many markets to pass over first; a cursor is faster and misses nothing.",
            "0",
            _whole_schema(0, MOST_OFFSET, 0),
        ),
        Setting(
            "cursor",
            _cursor,
            "Goes on where a page ended: its `next_cursor`, with the same parameters; `limit` and `format` may change.",
            "…",
            {"type": "string"},
        ),
        Setting(
            "order_by",
            _one_of(*ORDERS),
            "What to order by; `recent` is close_time, else open_time. Markets without a value come last either way.",
            "recent",
            _word_schema([*ORDERS], "recent"),
        ),
        Setting(
            "order_direction",
            _one_of("desc", "asc"),
            "Which way; markets with equal values go by ticker in the same direction.",
            "desc",
            _word_schema(["desc", "asc"], "desc"),
        ),
        Setting(
            "min_duration_minutes",
            values.number,
            "close_time is at least so many minutes after open_time; fractions count.",
            "15",
            {"type": "number"},
        ),
        Setting(
            "max_duration_minutes",
            values.number,
            "close_time is at most so many minutes after open_time; fractions count.",
            "60",
            {"type": "number"},
        ),
        Setting(
            "fields",
            _fields,
            "Which columns, and in which order: names, `default` and `all`, parted by commas.",
            "default,last_price_dollars",
            {"type": "string", "default": "default"},
        ),
        Setting(
            "count_total",
            _one_of(*COUNTS),
            "Whether to say how many markets match in all: `estimated` is the database's guess, which costs nothing;"
            " `exact` counts them.",
            "estimated",
            _word_schema(COUNTS, "none"),
        ),
        Setting(
            "changed_since",
            _whole(0, MOST_CHANGE),
            "Only markets that changed after this change number, in the order of their changes. Ask next from the"
            " answer's change_number.",
            "0",
            _whole_schema(0, MOST_CHANGE),
        ),
        Setting(
            "format",
            _one_of(*FORMATS),
            "The body's format; left out, the Accept header decides, else it is JSON.",
            "ndjson",
            _word_schema(FORMATS, None),
        ),
    )
}


CANDLESTICKS: Final = {
    setting.name: setting
    for setting in (
        Setting(
            "start_ts",
            _seconds,
            "The first end of a period, in Unix seconds; by default 24 hours before end_ts.",
            "1795435200",
            _whole_schema(0, MOST_SECOND),
        ),
        Setting(
            "end_ts",
            _seconds,
            "The last end of a period, in Unix seconds; by default now.",
            "1795521600",
            _whole_schema(0, MOST_SECOND),
        ),
        Setting(
            "period_interval",
            _period,
            "Minutes of a period.",
            "60",
            {"type": "integer", "enum": [*PERIODS], "default": 60},
        ),
        SETTINGS["format"],
    )
}
"""Of GET /markets/{ticker}/candlesticks."""


def describe(column: Column) -> dict[str, Any]:
    """A column for programs, with every parameter that filters by it."""
    return {
        "name": column.name,
        "kind": column.kind.value,
        "default": column.default,
        "orderable": column.orderable,
        "values": list(column.values) or None,
        "filters": [name for name, narrowing in FILTERS.items() if narrowing.column is column],
        "about": column.about,
    }
