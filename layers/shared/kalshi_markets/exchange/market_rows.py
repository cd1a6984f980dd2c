"""Conversion of the exchange's Market object to a row.

It accepts unknown members, missing members, and numbers as strings or as numbers. No number passes through a float,
and no missing value becomes zero.

Most markets of a page are unchanged, so the conversion has two steps. `parse_market` converts the quotes and hashes the
details without converting them. `full_row` converts the details, and is called only if their hash has changed.
"""

import hashlib
import json
import marshal
import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

from kalshi_markets import columns, text
from kalshi_markets.columns import MARKET_DETAILS, MARKET_QUOTES, Column
from kalshi_markets.exchange import column_values, values
from kalshi_markets.exchange.column_values import Row, SqlText, sql_text
from kalshi_markets.exchange.values import PLAIN_NUMBER
from kalshi_markets.text import MAX_TICKER_LENGTH, is_valid_pg_text

# Enough precision for every number that PLAIN_NUMBER matches.
_DECIMAL_CONTEXT: Final = Context(prec=200, rounding=ROUND_HALF_EVEN)

_ABSENT_IF_EMPTY: Final = frozenset(
    {"subtitle", "functional_strike", "early_close_condition", "mve_collection_ticker", "primary_participant_key"}
    | {"settlement_bounds_type"}
)
"""Text columns where an empty text means null (subtitle: observed on production, 2026-02).

In other columns an empty text is a value, such as "no result yet".
"""
# The liquidity is computed.
_SENT_QUOTES: Final = tuple(column for column in MARKET_QUOTES if column.name != "liquidity")
_QUOTE_NAMES: Final = tuple(column.name for column in _SENT_QUOTES)
_get_quotes: Final = itemgetter(*(column.source_field for column in _SENT_QUOTES))
_DETAIL_FIELDS: Final = tuple(column.source_field for column in MARKET_DETAILS)
# One match validates all quotes of a market, if each is a string as the exchange usually sends it.
_QUOTES_PATTERN: Final = re.compile("\n".join([rf"(?:{PLAIN_NUMBER.pattern})"] * len(_SENT_QUOTES)))
_PARSER_FILES: Final = (__file__, columns.__file__, column_values.__file__, values.__file__, text.__file__)
# Part of every hash, so that a change of the parser converts every market again.
PARSER_FINGERPRINT: Final = hashlib.blake2b(
    b"".join(Path(file).read_bytes() for file in _PARSER_FILES),
    digest_size=16,
).digest()


class InvalidMarket(Exception):
    """Market object that cannot be converted to a row. The message names the member and the reason."""


class ParsedMarket(NamedTuple):
    """Market whose quotes are converted and whose details are not.

    quotes: values by column name.
    details_hash: hash of the details as the exchange sent them, 32 hexadecimal digits.
    fields: the Market object.
    object_hash: hash of the object's text, 32 hexadecimal digits; None: unknown.
    """

    ticker: str
    quotes: Row
    details_hash: str
    fields: Mapping[str, Any]
    object_hash: str | None = None


def parse_market(market: Mapping[str, Any], object_hash: str | None = None) -> ParsedMarket:
    """Convert the ticker and the quotes of a Market object, and hash its details. Raises InvalidMarket."""
    if not isinstance(market, Mapping):
        raise InvalidMarket("not an object")
    ticker = market.get("ticker")
    if not isinstance(ticker, str) or not 0 < len(ticker) <= MAX_TICKER_LENGTH:
        raise InvalidMarket(f"ticker: must have 1 to {MAX_TICKER_LENGTH} characters")
    if not is_valid_pg_text(ticker):
        raise InvalidMarket("ticker: contains a character that PostgreSQL cannot store")
    return ParsedMarket(ticker, _quotes(market), _details_hash(market), market, object_hash)


def market_row(market: Mapping[str, Any]) -> Row:
    """Return the full row of a Market object. Raises InvalidMarket."""
    return full_row(parse_market(market))


def full_row(market: ParsedMarket) -> Row:
    """Return the full row of a parsed market. Raises InvalidMarket."""
    details = {column.name: _value(column, market.fields.get(column.source_field)) for column in MARKET_DETAILS}
    if details["subtitle"] is None:
        details["subtitle"] = details["yes_sub_title"]
    return {"ticker": market.ticker, **details, **market.quotes}


def _quotes(market: Mapping[str, Any]) -> Row:
    try:
        sent = _get_quotes(market)
        is_plain = _QUOTES_PATTERN.fullmatch("\n".join(sent)) is not None
    except (KeyError, TypeError):  # a quote is missing or is not a string
        is_plain = False
    if is_plain:
        row: Row = dict(zip(_QUOTE_NAMES, sent, strict=True))
    else:
        row = {column.name: _value(column, market.get(column.source_field)) for column in _SENT_QUOTES}
    row["liquidity"] = _liquidity(row)
    return row


def _details_hash(market: Mapping[str, Any]) -> str:
    """Return the hash of the details as the exchange sent them, 32 hexadecimal digits."""
    sent = map(market.get, _DETAIL_FIELDS)
    details = [str(value) if type(value) is Decimal else value for value in sent]  # marshal does not support Decimal
    try:
        # marshal is faster than JSON. Its version 2 writes no references, so equal details have equal bytes.
        encoded = marshal.dumps(details, 2)
    except ValueError:  # a list or an object among the details contains a Decimal
        encoded = json.dumps(details, default=str).encode()
    return hashlib.blake2b(encoded, digest_size=16, key=PARSER_FINGERPRINT).hexdigest()


def _value(column: Column, value: Any) -> SqlText:
    if value == "" and column.name in _ABSENT_IF_EMPTY:
        return None
    try:
        return sql_text(column, value)
    except ValueError as error:
        raise InvalidMarket(f"{column.source_field}: {error}") from None


def _liquidity(row: Row) -> str | None:
    """Return the value of the orders at the best bid and ask, in whole cents, or None if a quote is missing."""
    bid, bid_size = row["yes_bid_dollars"], row["yes_bid_size"]
    ask, ask_size = row["yes_ask_dollars"], row["yes_ask_size"]
    if bid is None or bid_size is None or ask is None or ask_size is None:
        return None
    bids = _DECIMAL_CONTEXT.multiply(Decimal(bid), Decimal(bid_size))
    dollars = _DECIMAL_CONTEXT.fma(_DECIMAL_CONTEXT.subtract(1, Decimal(ask)), Decimal(ask_size), bids)
    return format(_DECIMAL_CONTEXT.quantize(_DECIMAL_CONTEXT.multiply(dollars, 100), Decimal(1)), "f")
