"""Conversion of a member of the exchange's objects to the value of a column."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from kalshi_markets.columns import Column, Kind
from kalshi_markets.exchange.values import has_printable_size, parse_number, parse_time
from kalshi_markets.text import is_valid_pg_text

SqlText = str | bool | None
Row = dict[str, SqlText]
"""Values by column name. Numbers, times and JSON are texts that PostgreSQL parses."""

_SQL_RANGE: Final = {"integer": 2**31, "bigint": 2**63}
# Maximum nesting of a JSON value: more than the exchange uses, less than Python's and PostgreSQL's stacks permit.
_MAX_DEPTH: Final = 50


def sql_text(column: Column, value: Any) -> SqlText:
    """Return the value of a column. Raises ValueError with the reason, which follows the member's name."""
    return None if value is None else _CONVERTERS[column.kind](column, value)


def _string(_: Column, value: Any) -> str | None:
    return _storable(value) if isinstance(value, str) else json_text(value)


def _storable(text: str) -> str:
    if not is_valid_pg_text(text):
        raise ValueError("contains a character that PostgreSQL cannot store")
    return text


def _number(column: Column, value: Any) -> str | None:
    if value == "":
        return None
    text = parse_number(value)
    if limit := _SQL_RANGE.get(column.sql_type):
        if Decimal(text) % 1 or not -limit <= Decimal(text) < limit:
            raise ValueError(f"must be an integer in the range of {column.sql_type}")
        return str(int(Decimal(text)))
    return text


def _time(_: Column, value: Any) -> str | None:
    return None if value == "" else parse_time(value).isoformat()


def _boolean(_: Column, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004  # one error for every invalid value
    return value


def _json(_: Column, value: Any) -> str:
    return json_text(value)


_CONVERTERS: Final[Mapping[Kind, Callable[[Column, Any], SqlText]]] = {
    Kind.STRING: _string,
    Kind.NUMBER: _number,
    Kind.TIME: _time,
    Kind.BOOLEAN: _boolean,
    Kind.JSON: _json,
}


def json_text(value: Any, depth: int = 0) -> str:
    """Return the JSON of a parsed value with all digits of its Decimals.

    Raises ValueError if PostgreSQL cannot store it.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("is nested too deeply")
    if isinstance(value, str):
        return json.dumps(_storable(value), ensure_ascii=False)
    if isinstance(value, Mapping):
        members = (f"{json_text(str(key))}:{json_text(member, depth + 1)}" for key, member in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(json_text(member, depth + 1) for member in value) + "]"
    if isinstance(value, Decimal):
        if not has_printable_size(value):
            raise ValueError("contains a number that is out of range")
        return str(value)
    return json.dumps(value)
