"""Filter parameters: the table of operators, combined with the columns. Each operator contains its documentation."""

import csv
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from api import value_parsers
from api.listing import regex_guard, text_search
from api.listing.sorting import CASTS
from kalshi_markets.columns import Column, Kind

_ALL: Final = frozenset(Kind)
_ORDERED: Final = frozenset({Kind.NUMBER, Kind.TIME})
_STRINGS: Final = frozenset({Kind.STRING})
_SCALARS: Final = frozenset({Kind.STRING, Kind.NUMBER, Kind.TIME})
MAX_VALUES: Final = 1_000
"""Maximum number of values of an `__in` filter."""

_SCHEMA_TYPES: Final = {Kind.NUMBER: "number", Kind.BOOLEAN: "boolean"}

_INTEGER_DIGITS: Final = {"integer": 9, "bigint": 18}
"""Number of decimal digits that always fit into the SQL type."""


_CATEGORY_SQL: Final = {
    "": "({column} = {0} OR {alias}.categories ? {0})",
    "__in": "({column} = ANY({0}) OR {alias}.categories ?| {0})",
}
"""Conditions on the primary category and on all categories, by suffix of the operator."""

_EXAMPLES: Final = {
    "ticker": "KXBTCD-26NOV2417-T91249.99",
    "event_ticker": "KXBTCD-26NOV2417",
    "series_ticker": "KXBTCD",
    "category": "Crypto",
    "categories": '["Crypto"]',
    "tags": '["Bitcoin"]',
}
"""Example values of columns whose values look different from others of their kind, by the column's name."""

HasWords = Callable[[Column, Collection[str]], Collection[str]]
"""Function that returns the subset of undocumented words that are stored in a column."""


def no_words(_: Column, __: Collection[str]) -> Collection[str]:
    """Return no words, so that only documented words are valid."""
    return ()


def _parse_value(filter_: "Filter", text: str, has_words: HasWords) -> value_parsers.SqlValue:
    _check_words(filter_, [text], has_words)
    return value_parsers.PARSERS[filter_.column.kind](text)


def _parse_list(filter_: "Filter", text: str, has_words: HasWords) -> list[value_parsers.SqlValue]:
    try:
        [record] = csv.reader([text], strict=True)
    except (csv.Error, ValueError):
        raise ValueError('must be one line of CSV, such as a,"b, with a comma",c') from None
    if len(record) > MAX_VALUES:
        raise ValueError(f"must have at most {MAX_VALUES:,} values")
    _check_words(filter_, record, has_words)
    return [value_parsers.PARSERS[filter_.column.kind](value) for value in record or [""]]


def _check_words(filter_: "Filter", texts: Sequence[str], has_words: HasWords) -> None:
    """Raise ValueError for a word that is neither documented nor stored. A stored word may be new on the exchange."""
    column = filter_.column
    unlisted = (
        [value_parsers.parse_text(text) for text in texts if text not in column.allowed_values]
        if column.allowed_values
        else []
    )
    missing = set(unlisted).difference(has_words(column, unlisted)) if unlisted else set()
    for word in unlisted:
        if word in missing:
            known = ", ".join(value or "(empty)" for value in column.allowed_values)
            meant = filter_.synonyms.get(word)
            raise ValueError(f"must be one of {known}" + (f"; did you mean {meant}?" if meant else ""))


def _parse_flag(_: "Filter", text: str, __: HasWords) -> bool:
    return value_parsers.parse_boolean(text)


def _parse_regex(_: "Filter", text: str, __: HasWords) -> str:
    if reason := regex_guard.rejection_reason(text):
        raise ValueError(reason)
    return regex_guard.translated(text)


def _parse_substring(_: "Filter", text: str, __: HasWords) -> str:
    if not text:
        raise ValueError("must not be empty, which matches every value")
    return value_parsers.parse_text(text)


class Operator(NamedTuple):
    """Operator of a filter, named by the suffix that follows the column's name.

    sql: condition with the placeholders {column} and {0} (the value); empty if it depends on the value: text_search.
    sql_if_false: condition for the value false of a boolean operator, whose `sql` is for true.
    description: sentence without its subject, which is the column's name.
    cast: SQL type of the value; {type} is the column's type.
    example: example value; empty: the column's own example.
    excludes_null: the operator never matches NULL.
    """

    suffix: str
    kinds: frozenset[Kind]
    sql: str
    description: str
    parse: Callable[["Filter", str, HasWords], value_parsers.SqlValue | list[value_parsers.SqlValue]] = _parse_value
    sql_if_false: str = ""
    cast: str = "{type}"
    example: str = ""
    excludes_null: bool = True


OPERATORS: Final = (
    Operator("", _ALL, "{column} = {0}", "equals this value"),
    Operator(
        "_regex",
        _STRINGS,
        "",
        "matches this regular expression, case-insensitive",
        _parse_regex,
        example="bitcoin|ethereum",
    ),
    Operator("__eq", _ORDERED, "{column} = {0}", "equals this value"),
    Operator("__lt", _ORDERED, "{column} < {0}", "is less than this value"),
    Operator("__lte", _ORDERED, "{column} <= {0}", "is less than or equal to this value"),
    Operator("__gt", _ORDERED, "{column} > {0}", "is greater than this value"),
    Operator("__gte", _ORDERED, "{column} >= {0}", "is greater than or equal to this value"),
    Operator(
        "__ne", _SCALARS, "{column} IS DISTINCT FROM {0}", "differs from this value or is missing", excludes_null=False
    ),
    Operator(
        "__in",
        _SCALARS,
        "{column} = ANY({0})",
        f"equals one of up to {MAX_VALUES:,} comma-separated values (one line of CSV)",
        _parse_list,
        cast="{type}[]",
    ),
    Operator(
        "__isnull",
        _ALL,
        "{column} IS NULL",
        "is missing (true) or present (false)",
        _parse_flag,
        sql_if_false="{column} IS NOT NULL",
        example="false",
        excludes_null=False,
    ),
    Operator(
        "__icontains",
        _STRINGS,
        "",
        "contains this literal text, case-insensitive",
        _parse_substring,
        example="bitcoin",
    ),
    Operator(
        "__startswith",
        _STRINGS,
        "",
        "starts with this literal text, case-sensitive",
        _parse_substring,
        example="KX",
    ),
)


class Condition(NamedTuple):
    """Condition of a WHERE clause: a filter with its values.

    sql: condition with the placeholders {column}, {searched} (the column in lower case, as indexed), {alias} (the alias
    of its table) and {0}, {1}, … (the values).
    cast: SQL type of the values.
    """

    filter: "Filter"
    sql: str
    values: Sequence[value_parsers.SqlValue | list[value_parsers.SqlValue]]
    cast: str


@dataclass(frozen=True)
class Filter:
    """Query parameter that filters rows: a column and an operator.

    rows: noun for the rows, such as "markets".
    synonyms: common words for the column's allowed values, and these values.
    """

    column: Column
    operator: Operator
    rows: str
    synonyms: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        """Query parameter name, such as `volume__gte`."""
        return self.column.name + self.operator.suffix

    @property
    def is_pattern(self) -> bool:
        """Return whether the value is a regular expression."""
        return self.operator.parse is _parse_regex

    @property
    def example(self) -> str:
        """Example of a valid value."""
        column = self.column
        known = [word for word in column.allowed_values if word]
        general = _EXAMPLES.get(column.name) or value_parsers.EXAMPLES[column.kind]
        return self.operator.example or (known or [general])[0]

    @property
    def description(self) -> str:
        """Description for the documentation."""
        rows, column = self.rows.capitalize(), self.column
        secondary = " Secondary categories count, too." if self._list_sql else ""
        return f"{rows} whose {column.name} {self.operator.description}. {column.description}{secondary}"

    @property
    def _list_sql(self) -> str:
        """SQL that replaces the operator's for a column whose rows have further values in a list."""
        return _CATEGORY_SQL.get(self.operator.suffix, "") if self.column.name == "category" else ""

    @property
    def schema(self) -> dict[str, Any]:
        """OpenAPI schema of the parameter's value."""
        operator, column = self.operator, self.column
        if operator.sql_if_false:
            return {"type": "boolean"}
        if operator.parse in (_parse_regex, _parse_substring):
            return {"type": "string", "minLength": 1}
        if operator.parse is _parse_list:
            return {"type": "string"}
        if column.allowed_values:
            # Not an enum: a word that is new on the exchange is valid as soon as a row has it.
            return {"type": "string", "examples": list(column.allowed_values)}
        # A time is a string: ISO 8601 or Unix seconds.
        return {"type": _SCHEMA_TYPES.get(column.kind, "string")}

    def condition(self, text: str, has_words: HasWords = no_words) -> Condition:
        """Parse a value into a condition.

        Raises ValueError, whose message continues a sentence that begins with the parameter's name, and any error of
        has_words.
        """
        operator = self.operator
        value = operator.parse(self, text, has_words)
        sql = self._list_sql or operator.sql
        compared: Sequence[value_parsers.SqlValue | list[value_parsers.SqlValue]] = [value]
        if operator.sql_if_false:
            sql, compared = (operator.sql if value else operator.sql_if_false), []
        elif self.column.kind is Kind.STRING and isinstance(value, str):
            sql, compared = text_search.text_condition(
                operator.suffix, value, indexed=self.column.text_indexed and not self.column.orderable
            ) or (sql, compared)
        return Condition(self, sql, compared, operator.cast.format(type=_type(self.column, compared)))


def _type(column: Column, compared: Sequence[value_parsers.SqlValue | list[value_parsers.SqlValue]]) -> str:
    """Return the SQL type that the values are cast to.

    Integers for an integer column are cast to the column's type, because its index does not support numeric.
    """
    digits = _INTEGER_DIGITS.get(column.sql_type)
    flat = [item for value in compared for item in (value if isinstance(value, list) else [value])]
    if digits and all(re.fullmatch(r"-?[0-9]+", str(item)) and len(str(item)) <= digits for item in flat):
        return column.sql_type
    return CASTS[column.kind]


def make_filters(
    columns: Iterable[Column], rows: str, synonyms: Mapping[str, Mapping[str, str]]
) -> Mapping[str, Filter]:
    """Return all filters of the columns, by parameter name.

    rows: noun for the rows.
    synonyms: the synonyms of Filter by name of the column.
    """
    filters = (
        Filter(column, operator, rows, synonyms.get(column.name, {}))
        for column in columns
        for operator in OPERATORS
        if column.filterable and column.kind in operator.kinds
    )
    return {filter_.name: filter_ for filter_ in filters}
