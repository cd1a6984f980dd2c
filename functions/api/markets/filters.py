"""The filter grammar, as a table: an operator is one line of it, and documents itself."""

import csv
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api import value_parsers
from api.markets import regex_guard, text_search
from kalshi_markets.columns import COLUMNS, Column, Kind

_ALL: Final = frozenset(Kind)
_ORDERED: Final = frozenset({Kind.NUMBER, Kind.TIME})
_STRINGS: Final = frozenset({Kind.STRING})
_SCALARS: Final = frozenset({Kind.STRING, Kind.NUMBER, Kind.TIME})
MAX_VALUES: Final = 1_000
"""What `__in` takes."""

CASTS: Final[Mapping[Kind, str]] = {
    Kind.STRING: "text",
    Kind.NUMBER: "numeric",
    Kind.TIME: "timestamptz",
    Kind.BOOLEAN: "boolean",
    Kind.JSON: "jsonb",
}

_SCHEMA_TYPES: Final = {Kind.NUMBER: "number", Kind.BOOLEAN: "boolean"}

_INTEGER_DIGITS: Final = {"integer": 9, "bigint": 18}
"""How many always fit."""

EXCHANGE_STATUS_FILTERS: Final = {
    "open": "active",
    "unopened": "initialized",
    "paused": "inactive",
    "settled": "finalized",
}
"""The exchange's filter words for a status, which are not the market object's."""


HasWords = Callable[[Column, Collection[str]], Collection[str]]
"""Which of some words, none of them documented, a column has in the table."""


def no_words(_: Column, __: Collection[str]) -> Collection[str]:
    """Return none of them: only documented words are taken."""
    return ()


def _parse_value(column: Column, text: str, has_words: HasWords) -> value_parsers.SqlValue:
    _check_words(column, [text], has_words)
    return value_parsers.PARSERS[column.kind](text)


def _parse_list(column: Column, text: str, has_words: HasWords) -> list[value_parsers.SqlValue]:
    try:
        [record] = csv.reader([text], strict=True)
    except (csv.Error, ValueError):
        raise ValueError('must be one line of CSV, such as a,"b, with a comma",c') from None
    if len(record) > MAX_VALUES:
        raise ValueError(f"has {len(record):,} values; {MAX_VALUES:,} are the most")
    _check_words(column, record, has_words)
    return [value_parsers.PARSERS[column.kind](value) for value in record or [""]]


def _check_words(column: Column, texts: Sequence[str], has_words: HasWords) -> None:
    """Raises ValueError for a word that is neither documented nor in the table: the exchange may have invented one."""
    unlisted = (
        [value_parsers.parse_text(text) for text in texts if text not in column.allowed_values]
        if column.allowed_values
        else []
    )
    missing = set(unlisted).difference(has_words(column, unlisted)) if unlisted else set()
    if missing:
        raise ValueError(_unknown_value_message(column, next(word for word in unlisted if word in missing)))


def _parse_flag(_: Column, text: str, __: HasWords) -> bool:
    return value_parsers.parse_boolean(text)


def _parse_regex(_: Column, text: str, __: HasWords) -> str:
    if reason := regex_guard.rejection_reason(text):
        raise ValueError(reason)
    return regex_guard.translated(text)


def _parse_substring(_: Column, text: str, __: HasWords) -> str:
    if not text:
        raise ValueError("is empty, which would match everything")
    return value_parsers.parse_text(text)


@dataclass(frozen=True)
class Operator:
    """A suffix of a column's name.

    sql: {column} and {0}, the value, are filled in; empty where it depends on the value, see text_search.
    sql_if_false: where the value is a flag, `sql` is for true and this for false.
    description: "{name} …", for people. cast: {type} is the column's. example: where the column's own will not do.
    excludes_null: whether it never matches a missing value.
    """

    suffix: str
    kinds: frozenset[Kind]
    sql: str
    description: str
    parse: Callable[[Column, str, HasWords], value_parsers.SqlValue | list[value_parsers.SqlValue]] = _parse_value
    sql_if_false: str = ""
    cast: str = "{type}"
    example: str = ""
    excludes_null: bool = True


OPERATORS: Final = (
    Operator("", _ALL, "{column} = {0}", "is exactly this"),
    Operator(
        "_regex",
        _STRINGS,
        "",
        "matches this, whatever the case",
        _parse_regex,
        example="bitcoin|ethereum",
    ),
    Operator("__eq", _ORDERED, "{column} = {0}", "is exactly this"),
    Operator("__lt", _ORDERED, "{column} < {0}", "is less than this"),
    Operator("__lte", _ORDERED, "{column} <= {0}", "is this or less"),
    Operator("__gt", _ORDERED, "{column} > {0}", "is more than this"),
    Operator("__gte", _ORDERED, "{column} >= {0}", "is this or more"),
    Operator("__ne", _SCALARS, "{column} IS DISTINCT FROM {0}", "is not this, or missing", excludes_null=False),
    Operator(
        "__in",
        _SCALARS,
        "{column} = ANY({0})",
        f"is one of these, up to {MAX_VALUES:,}: a line of CSV",
        _parse_list,
        cast="{type}[]",
    ),
    Operator(
        "__isnull",
        _ALL,
        "{column} IS NULL",
        "is missing (true) or is there (false)",
        _parse_flag,
        sql_if_false="{column} IS NOT NULL",
        example="false",
        excludes_null=False,
    ),
    Operator(
        "__icontains",
        _STRINGS,
        "",
        "contains this, literally, whatever the case",
        _parse_substring,
        example="bitcoin",
    ),
    Operator(
        "__startswith",
        _STRINGS,
        "",
        "begins with this, literally",
        _parse_substring,
        example="KX",
    ),
)


@dataclass(frozen=True)
class Condition:
    """A filter with what it compares with.

    sql: {column}, {searched} (the column as words are looked for in it) and {0}, {1}, … for the values are to be filled
    in.
    """

    filter: "Filter"
    sql: str
    values: Sequence[value_parsers.SqlValue | list[value_parsers.SqlValue]]
    cast: str


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
        return self.operator.parse is _parse_regex

    @property
    def example(self) -> str:
        """A value that it takes."""
        known = [word for word in self.column.allowed_values if word]
        return self.operator.example or (known or [value_parsers.EXAMPLES[self.column.kind]])[0]

    @property
    def description(self) -> str:
        """A sentence for people."""
        return f"Markets whose {self.column.name} {self.operator.description}. {self.column.description}"

    @property
    def schema(self) -> dict[str, Any]:
        """Of its value, as OpenAPI describes it."""
        operator, column = self.operator, self.column
        if operator.sql_if_false:
            return {"type": "boolean"}
        if operator.parse in (_parse_regex, _parse_substring):
            return {"type": "string", "minLength": 1}
        if operator.parse is _parse_list:
            return {"type": "string"}
        if column.allowed_values:
            # No enum: a word that the exchange has invented since is taken when a market has it.
            return {"type": "string", "examples": list(column.allowed_values)}
        # A time is ISO 8601 or Unix seconds, a number keeps all its digits: both are text of a form of their own.
        return {"type": _SCHEMA_TYPES.get(column.kind, "string")}

    def condition(self, text: str, has_words: HasWords = no_words) -> Condition:
        """Raises ValueError with the rest of a sentence that begins with the name, and what has_words raises."""
        operator = self.operator
        value = operator.parse(self.column, text, has_words)
        sql: str = operator.sql
        compared: Sequence[value_parsers.SqlValue | list[value_parsers.SqlValue]] = [value]
        if operator.sql_if_false:
            sql, compared = (operator.sql if value else operator.sql_if_false), []
        elif self.column.kind is Kind.STRING and isinstance(value, str):
            sql, compared = text_search.text_condition(
                operator.suffix, value, indexed=self.column.text_indexed and not self.column.orderable
            ) or (sql, compared)
        return Condition(self, sql, compared, operator.cast.format(type=_type(self.column, compared)))


def _type(column: Column, compared: Sequence[value_parsers.SqlValue | list[value_parsers.SqlValue]]) -> str:
    """What values are cast to: a whole number to a column of such, whose index would not serve a numeric."""
    digits = _INTEGER_DIGITS.get(column.sql_type)
    flat = [item for value in compared for item in (value if isinstance(value, list) else [value])]
    if digits and all(re.fullmatch(r"-?[0-9]+", str(item)) and len(str(item)) <= digits for item in flat):
        return column.sql_type
    return CASTS[column.kind]


def _unknown_value_message(column: Column, value: str) -> str:
    known = ", ".join(word or "(empty)" for word in column.allowed_values)
    if column.name == "status" and value in EXCHANGE_STATUS_FILTERS:
        return f"takes the market's own words: for {value} say {EXCHANGE_STATUS_FILTERS[value]} (one of {known})"
    return f"must be one of {known}"


FILTERS: Final[Mapping[str, Filter]] = {
    made.name: made
    for made in (
        Filter(column, operator) for column in COLUMNS for operator in OPERATORS if column.kind in operator.kinds
    )
}
"""By the parameter's name."""
