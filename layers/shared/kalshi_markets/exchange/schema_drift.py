"""Differences between Market objects and their documentation (docs.kalshi.com, 3.34.0, 2026-10)."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from kalshi_markets.columns import MARKET_COLUMNS, Column, Kind
from kalshi_markets.text import excerpt

Change = Literal["added", "removed", "type_changed", "new_value"]
MAX_EXAMPLE_LENGTH: Final = 200

_CENTS: Final = "cents, removed on 2026-03-12: the member of the same name that ends in _dollars holds it"
_COUNT: Final = "whole contracts, removed on 2026-03-12: the member of the same name that ends in _fp holds it"
_CONSTANT: Final = "always 0 since 2026-02-13, removed on 2026-10-01: computed from the quotes"
NOT_STORED: Final[Mapping[str, str]] = {
    "expiration_time": "deprecated: latest_expiration_time holds it",
    # Former members, which archived and recorded objects may still have (docs.kalshi.com, changelog).
    "liquidity": _CONSTANT,
    "liquidity_dollars": _CONSTANT,
    "response_price_units": "removed on 2026-07-09: prices are in dollars",
    "fractional_trading_enabled": "removed on 2026-07-09: every market has fractions",
    "tick_size": "removed on 2026-05-07: price_ranges holds it",
    "category": "removed on 2026-01-08: the series holds it",
    "risk_limit_cents": "removed on 2026-01-08",
    **dict.fromkeys(("yes_bid", "yes_ask", "no_bid", "no_ask", "last_price", "notional_value"), _CENTS),
    **dict.fromkeys(("previous_price", "previous_yes_bid", "previous_yes_ask", "settlement_value"), _CENTS),
    **dict.fromkeys(("volume", "volume_24h", "open_interest"), _COUNT),
}
"""Members without a column, each with the reason."""
_KNOWN: Final = frozenset(column.source_field for column in MARKET_COLUMNS) | NOT_STORED.keys()
_OPTIONAL: Final = frozenset(
    {"title", "subtitle", "liquidity", "expected_expiration_time", "settlement_value_dollars", "settlement_ts"}
    | {"occurrence_datetime", "fee_waiver_expiration_time", "early_close_condition", "strike_type", "floor_strike"}
    | {"cap_strike", "functional_strike", "custom_strike", "mve_collection_ticker", "mve_selected_legs"}
    | {"primary_participant_key", "is_provisional", "exchange_index"}
    | {"settlement_bounds_type", "settlement_floor_dollars"}  # missing in objects recorded before 2026-10
)
_REQUIRED: Final = _KNOWN - NOT_STORED.keys() - _OPTIONAL
_TYPES_BY_KIND: Final[Mapping[Kind, tuple[type, ...]]] = {
    Kind.STRING: (str,),
    Kind.TIME: (str,),
    Kind.BOOLEAN: (bool,),
    Kind.JSON: (dict, list),
    Kind.NUMBER: (int, Decimal),
}
_MAX_SHAPES: Final = 10_000


class Deviation(NamedTuple):
    """Member that was added or removed, or has another type or an unknown value.

    markets: number of objects with this deviation.
    example: repr of one value; None for a removed member.
    """

    member: str
    change: Change
    markets: int
    example: str | None


def _types(column: Column) -> tuple[type, ...]:
    return (str,) if column.source_field.endswith(("_dollars", "_fp")) else _TYPES_BY_KIND[column.kind]


_TYPES: Final = {column.source_field: frozenset((*_types(column), type(None))) for column in MARKET_COLUMNS}
_WORDS: Final = [
    (column.source_field, frozenset(column.allowed_values)) for column in MARKET_COLUMNS if column.allowed_values
]
# Cached by shape (names and types of an object's members), because there are few shapes.
_deviations_by_shape: dict[tuple[object, ...], tuple[tuple[str, Change], ...]] = {}


def find_drift(markets: Iterable[Mapping[str, Any]]) -> list[Deviation]:
    """Return the deviations of Market objects from the documentation; usually none."""
    counts: dict[tuple[str, Change], tuple[int, str | None]] = {}
    for market in markets:
        for member, change in (*_drift_of(market), *_new_values(market)):
            count, example = counts.get((member, change), (0, None))
            if example is None and member in market:
                example = excerpt(repr(market[member]), MAX_EXAMPLE_LENGTH)
            counts[member, change] = (count + 1, example)
    return [Deviation(member, change, *counted) for (member, change), counted in counts.items()]


def _drift_of(market: Mapping[str, Any]) -> tuple[tuple[str, Change], ...]:
    shape = (*market, *map(type, market.values()))
    cached = _deviations_by_shape.get(shape)
    if cached is None:
        if len(_deviations_by_shape) >= _MAX_SHAPES:
            _deviations_by_shape.clear()
        cached = _deviations_by_shape[shape] = tuple(_compare(market))
    return cached


def _new_values(market: Mapping[str, Any]) -> Iterator[tuple[str, Change]]:
    for member, words in _WORDS:
        value = market.get(member)
        if value and type(value) is str and value not in words:  # an empty text counts as missing
            yield member, "new_value"


def _compare(market: Mapping[str, Any]) -> Iterable[tuple[str, Change]]:
    for member in market.keys() - _KNOWN:
        # The name is escaped, because the database may be unable to store it.
        yield excerpt(member, MAX_EXAMPLE_LENGTH), "added"
    for member in _REQUIRED - market.keys():
        yield member, "removed"
    for member, types in _TYPES.items():
        if member in market and type(market[member]) not in types:
            yield member, "type_changed"
