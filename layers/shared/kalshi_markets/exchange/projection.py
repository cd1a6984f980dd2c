"""A Market object of the exchange -> a row of ours, or the reason why PostgreSQL could not hold it.

Reading is lenient where the exchange may change (unknown members, absent ones, numbers sent as strings or as numbers)
and exact where it matters: no number passes through a float, no missing value becomes a zero.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any, Final

from kalshi_markets.columns import FROM_MARKET, Column, Kind

Value = str | bool | None
Row = dict[str, Value]
"""By column name. Numbers, times and JSON are text, for PostgreSQL to read."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_SQL_RANGE: Final = {"integer": 2**31, "bigint": 2**63}
# PostgreSQL's text takes any Unicode but NUL; a lone surrogate is no Unicode.
_NOT_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
LONGEST_TICKER: Final = 200
"""Characters; the longest seen has 57. An index takes no more than 2,700 bytes."""
# How deep a JSON value may be nested: far more than the exchange's, far less than Python's and PostgreSQL's stacks.
_DEEPEST: Final = 50


class Refused(Exception):
    """The object cannot become a row; the message names the member and what is wrong with it."""


def project(market: Mapping[str, Any]) -> Row:
    """The row of a Market object, with every column that comes from it. Raises Refused."""
    if not isinstance(market, Mapping):
        raise Refused("not an object")
    row = {column.name: _value(column, market.get(column.member)) for column in FROM_MARKET}
    ticker = row["ticker"]
    if not isinstance(ticker, str) or not 0 < len(ticker) <= LONGEST_TICKER:
        raise Refused(f"ticker: must have 1 to {LONGEST_TICKER} characters")
    if row["subtitle"] is None:
        row["subtitle"] = row["yes_sub_title"]
    row["liquidity"] = _liquidity(row)
    return row


def _value(column: Column, value: Any) -> Value:
    if value is None:
        return None
    try:
        return _READERS[column.kind](column, value)
    except ValueError as error:
        raise Refused(f"{column.member}: {error}") from None


def _string(_: Column, value: Any) -> str:
    return _storable(value) if isinstance(value, str) else json_text(value)


def _storable(text: str) -> str:
    if _NOT_TEXT.search(text):
        raise ValueError("holds a character that PostgreSQL cannot store")
    return text


def _number(column: Column, value: Any) -> str | None:
    if value == "":
        return None
    text = format(value, "f") if isinstance(value, Decimal) and _modest(value) else str(value)
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        raise ValueError("is not a number")
    if limit := _SQL_RANGE.get(column.sql_type):
        if Decimal(text) % 1 or not -limit <= Decimal(text) < limit:
            raise ValueError(f"is not a number that {column.sql_type} can hold")
        return str(int(Decimal(text)))
    return text


def _time(_: Column, value: Any) -> str | None:
    if value == "":
        return None
    try:
        instant = datetime.fromisoformat(value)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (TypeError, ValueError, OverflowError):
        raise ValueError("is not a time") from None


def _boolean(_: Column, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")  # noqa: TRY004  # one error for every wrong value
    return value


def _json(_: Column, value: Any) -> str:
    return json_text(value)


_READERS: Final[Mapping[Kind, Callable[[Column, Any], Value]]] = {
    Kind.STRING: _string,
    Kind.NUMBER: _number,
    Kind.TIME: _time,
    Kind.BOOLEAN: _boolean,
    Kind.JSON: _json,
}


def json_text(value: Any, depth: int = 0) -> str:
    """JSON of a parsed value, its Decimals digit for digit. Raises ValueError when PostgreSQL could not store it."""
    if depth > _DEEPEST:
        raise ValueError("is nested too deep")
    if isinstance(value, str):
        return json.dumps(_storable(value), ensure_ascii=False)
    if isinstance(value, Mapping):
        members = (f"{json_text(str(key))}:{json_text(member, depth + 1)}" for key, member in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(json_text(member, depth + 1) for member in value) + "]"
    if isinstance(value, Decimal):
        if not _modest(value):
            raise ValueError("holds an absurd number")
        return str(value)
    return json.dumps(value)


def _modest(number: Decimal) -> bool:
    """Whether it can be written out; 1E+999999999 is ten characters of JSON and a gigabyte of digits."""
    return abs(number.adjusted()) <= 60


def _liquidity(row: Row) -> str | None:
    """What rests at the best bid and ask, in whole cents; null where the exchange did not tell it."""
    sides = [row[name] for name in ("yes_bid_dollars", "yes_bid_size", "yes_ask_dollars", "yes_ask_size")]
    if None in sides:
        return None
    with localcontext(prec=200):  # enough for every digit that _NUMBER lets through
        bid, bid_size, ask, ask_size = (Decimal(str(side)) for side in sides)
        cents = (bid * bid_size + (1 - ask) * ask_size) * 100
        return format(cents.quantize(Decimal(1), rounding=ROUND_HALF_EVEN), "f")
