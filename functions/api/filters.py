"""The filter grammar, as a table: an operator is one line of it, and documents itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from api import patterns, values
from kalshi_markets.columns import COLUMNS, Column, Kind

_ALL: Final = frozenset(Kind)
_ORDERED: Final = frozenset({Kind.NUMBER, Kind.TIME})
_STRINGS: Final = frozenset({Kind.STRING})


@dataclass(frozen=True)
class Operator:
    """A suffix of a column's name. sql: {column} and {value} are filled in; about: "{name} …", for people."""

    suffix: str
    kinds: frozenset[Kind]
    sql: str
    about: str


OPERATORS: Final = (
    Operator("", _ALL, "{column} = {value}", "is exactly this"),
    # The column compares by code point; letters have cases by the database's own rules only.
    Operator("_regex", _STRINGS, '{column} COLLATE "default" ~* {value}', "matches this, whatever the case"),
    Operator("__eq", _ORDERED, "{column} = {value}", "is exactly this"),
    Operator("__lt", _ORDERED, "{column} < {value}", "is less than this"),
    Operator("__lte", _ORDERED, "{column} <= {value}", "is this or less"),
    Operator("__gt", _ORDERED, "{column} > {value}", "is more than this"),
    Operator("__gte", _ORDERED, "{column} >= {value}", "is this or more"),
)

CASTS: Final[Mapping[Kind, str]] = {
    Kind.STRING: "text",
    Kind.NUMBER: "numeric",
    Kind.TIME: "timestamptz",
    Kind.BOOLEAN: "boolean",
    Kind.JSON: "jsonb",
}

EXCHANGE_WORDS: Final = {"open": "active", "unopened": "initialized", "paused": "inactive", "settled": "finalized"}
"""The exchange's filter words for a status, which are not the market object's."""


@dataclass(frozen=True)
class Filter:
    """One query parameter that narrows the answer: a column and what to compare it with."""

    column: Column
    operator: Operator

    @property
    def name(self) -> str:
        """As in the query."""
        return self.column.name + self.operator.suffix

    @property
    def is_pattern(self) -> bool:
        """Whether its value is a regular expression."""
        return self.operator.suffix == "_regex"

    def read(self, value: str) -> values.SqlValue:
        """The statement's parameter. Raises ValueError with the rest of a sentence that begins with the name."""
        if self.is_pattern:
            if reason := patterns.objection(value):
                raise ValueError(reason)
            return value
        if self.column.values and value not in self.column.values:
            raise ValueError(_unknown_word(self.column, value))
        return values.READERS[self.column.kind](value)


def _unknown_word(column: Column, value: str) -> str:
    words = ", ".join(word or "(empty)" for word in column.values)
    if column.name == "status" and value in EXCHANGE_WORDS:
        return f"takes the market's own words: for {value} say {EXCHANGE_WORDS[value]} (one of {words})"
    return f"must be one of {words}"


FILTERS: Final[Mapping[str, Filter]] = {
    made.name: made
    for made in (
        Filter(column, operator) for column in COLUMNS for operator in OPERATORS if column.kind in operator.kinds
    )
}
"""By the parameter's name."""
