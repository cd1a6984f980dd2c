"""From the exchange's Market object to a row of the table.

Lenient where the exchange may change (unknown members, absent ones, numbers sent as strings or as numbers)
and exact where it matters: no number passes through a float, no missing value becomes a zero.

A walk sees most markets unchanged, so a market is read in two steps: `sight` reads its quotes and takes a digest of its
terms, untouched; only where that digest is news are the terms read (`full_row`).
"""

import hashlib
import json
import marshal
import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeGuard

from kalshi_markets import columns
from kalshi_markets.columns import MARKET_COLUMNS, Column, Kind, Table
from kalshi_markets.exchange import values
from kalshi_markets.exchange.values import PLAIN_NUMBER, has_printable_size, parse_number, parse_time

SqlText = str | bool | None
MarketRow = dict[str, SqlText]
"""By column name. Numbers, times and JSON are text, for PostgreSQL to read."""

_SQL_RANGE: Final = {"integer": 2**31, "bigint": 2**63}
# PostgreSQL's text takes any Unicode but NUL; a lone surrogate is no Unicode.
_NOT_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
MAX_TICKER_LENGTH: Final = 200
"""Characters; the longest seen has 57. An index takes no more than 2,700 bytes."""
# How deep a JSON value may be nested: far more than the exchange's, far less than Python's and PostgreSQL's stacks.
_MAX_DEPTH: Final = 50
# Enough for every digit that PLAIN_NUMBER lets through.
_DECIMAL_CONTEXT: Final = Context(prec=200, rounding=ROUND_HALF_EVEN)

_ABSENT_IF_EMPTY: Final = frozenset(
    {"subtitle", "functional_strike", "early_close_condition", "mve_collection_ticker", "primary_participant_key"}
    | {"settlement_bounds_type"}
)
"""Texts whose absence the exchange also writes as an empty one (subtitle: observed on production, 2026-02). Of other
texts an empty one says something: no result yet, no further rules."""
_QUOTES: Final = [column for column in MARKET_COLUMNS if column.table is Table.QUOTES and column.name != "liquidity"]
_DETAILS: Final = [column for column in MARKET_COLUMNS if column.table is not Table.QUOTES and column.name != "ticker"]
_QUOTE_NAMES: Final = tuple(column.name for column in _QUOTES)
_get_quotes: Final = itemgetter(*(column.source_field for column in _QUOTES))
_DETAIL_FIELDS: Final = tuple(column.source_field for column in _DETAILS)
# All quotes of a market at once, as the exchange usually sends them.
_QUOTES_PATTERN: Final = re.compile("\n".join([rf"(?:{PLAIN_NUMBER.pattern})"] * len(_QUOTES)))
# A digest stands for what this code makes of a text too: another projection reads everything again.
PARSER_FINGERPRINT: Final = hashlib.blake2b(
    b"".join(Path(file).read_bytes() for file in (__file__, columns.__file__, values.__file__)), digest_size=16
).digest()


class InvalidMarket(Exception):
    """The object cannot become a row; the message names the member and what is wrong with it."""


class ParsedMarket(NamedTuple):
    """A market as a walk meets it. quotes: by column.

    digest: of its terms as they were sent; object_hash: of its whole text, if it is known. 32 hexadecimal digits.
    """

    ticker: str
    quotes: MarketRow
    details_hash: str
    fields: Mapping[str, Any]
    object_hash: str | None = None


def is_valid_pg_text(text: object) -> TypeGuard[str]:
    """Whether it is a text that PostgreSQL can hold."""
    return isinstance(text, str) and not _NOT_TEXT.search(text)


def parse_market(market: Mapping[str, Any], object_hash: str | None = None) -> ParsedMarket:
    """Reads what a market must be known by and what trading moves. Raises InvalidMarket."""
    if not isinstance(market, Mapping):
        raise InvalidMarket("not an object")
    ticker = market.get("ticker")
    if not isinstance(ticker, str) or not 0 < len(ticker) <= MAX_TICKER_LENGTH:
        raise InvalidMarket(f"ticker: must have 1 to {MAX_TICKER_LENGTH} characters")
    if not is_valid_pg_text(ticker):
        raise InvalidMarket("ticker: contains a character that PostgreSQL cannot store")
    return ParsedMarket(ticker, _quotes(market), _digest(market), market, object_hash)


def market_row(market: Mapping[str, Any]) -> MarketRow:
    """The row of a Market object, with every column that comes from it. Raises InvalidMarket."""
    return full_row(parse_market(market))


def full_row(market: ParsedMarket) -> MarketRow:
    """The same of a market that was sighted. Raises InvalidMarket."""
    terms = {column.name: _value(column, market.fields.get(column.source_field)) for column in _DETAILS}
    if terms["subtitle"] is None:
        terms["subtitle"] = terms["yes_sub_title"]
    return {"ticker": market.ticker, **terms, **market.quotes}


def _quotes(market: Mapping[str, Any]) -> MarketRow:
    try:
        values = _get_quotes(market)
        is_plain = _QUOTES_PATTERN.fullmatch("\n".join(values)) is not None
    except (KeyError, TypeError):  # one is missing, or is no string
        is_plain = False
    if is_plain:
        row: MarketRow = dict(zip(_QUOTE_NAMES, values, strict=True))
    else:
        row = {column.name: _value(column, market.get(column.source_field)) for column in _QUOTES}
    row["liquidity"] = _liquidity(row)
    return row


def _digest(market: Mapping[str, Any]) -> str:
    values = map(market.get, _DETAIL_FIELDS)
    terms = [str(value) if type(value) is Decimal else value for value in values]  # marshal knows no Decimal
    try:
        # In the version that has no references: equal values are equal bytes, without JSON's escaping.
        sent = marshal.dumps(terms, 2)
    except ValueError:  # one within a JSON member
        sent = json.dumps(terms, default=str).encode()
    return hashlib.blake2b(sent, digest_size=16, key=PARSER_FINGERPRINT).hexdigest()


def _value(column: Column, value: Any) -> SqlText:
    if value is None:
        return None
    try:
        return _CONVERTERS[column.kind](column, value)
    except ValueError as error:
        raise InvalidMarket(f"{column.source_field}: {error}") from None


def _string(column: Column, value: Any) -> str | None:
    if value == "" and column.name in _ABSENT_IF_EMPTY:
        return None
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
        raise ValueError("must be true or false")  # noqa: TRY004  # one error for every wrong value
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
    """JSON of a parsed value, its Decimals digit for digit. Raises ValueError when PostgreSQL could not store it."""
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


def _liquidity(row: MarketRow) -> str | None:
    """What rests at the best bid and ask, in whole cents; null where the exchange did not tell it."""
    bid, bid_size = row["yes_bid_dollars"], row["yes_bid_size"]
    ask, ask_size = row["yes_ask_dollars"], row["yes_ask_size"]
    if bid is None or bid_size is None or ask is None or ask_size is None:
        return None
    bids = _DECIMAL_CONTEXT.multiply(Decimal(bid), Decimal(bid_size))
    dollars = _DECIMAL_CONTEXT.fma(_DECIMAL_CONTEXT.subtract(1, Decimal(ask)), Decimal(ask_size), bids)
    return format(_DECIMAL_CONTEXT.quantize(_DECIMAL_CONTEXT.multiply(dollars, 100), Decimal(1)), "f")
