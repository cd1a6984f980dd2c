"""Where Market objects differ from what docs.kalshi.com said of them when this was written (3.34.0, 2026-10)."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from kalshi_markets.columns import FROM_MARKET, Column, Kind

Change = Literal["new", "gone", "retyped"]
LONGEST_EXAMPLE: Final = 200

_NOT_STORED: Final = frozenset(
    {"expiration_time", "settlement_bounds_type", "settlement_floor_dollars"}
    # Of the years before, which recorded objects still have.
    | {"liquidity", "liquidity_dollars", "response_price_units", "tick_size", "fractional_trading_enabled"}
)
_KNOWN: Final = frozenset(column.member for column in FROM_MARKET) | _NOT_STORED
_OPTIONAL: Final = frozenset(
    {"title", "subtitle", "liquidity", "expected_expiration_time", "settlement_value_dollars", "settlement_ts"}
    | {"occurrence_datetime", "fee_waiver_expiration_time", "early_close_condition", "strike_type", "floor_strike"}
    | {"cap_strike", "functional_strike", "custom_strike", "mve_collection_ticker", "mve_selected_legs"}
    | {"primary_participant_key", "is_provisional", "exchange_index"}
)
_REQUIRED: Final = _KNOWN - _NOT_STORED - _OPTIONAL
_PLAIN: Final[Mapping[Kind, tuple[type, ...]]] = {
    Kind.STRING: (str,),
    Kind.TIME: (str,),
    Kind.BOOLEAN: (bool,),
    Kind.JSON: (dict, list),
    Kind.NUMBER: (int, Decimal),
}
_MOST_SHAPES: Final = 10_000


class Deviation(NamedTuple):
    """A member that is new, gone or of another type; in how many objects; a value of it as text."""

    member: str
    change: Change
    markets: int
    example: str | None


def _types(column: Column) -> tuple[type, ...]:
    return (str,) if column.member.endswith(("_dollars", "_fp")) else _PLAIN[column.kind]


_TYPES: Final = {column.member: frozenset((*_types(column), type(None))) for column in FROM_MARKET}
# By shape, for there are few: names and types of an object's members.
_found: dict[tuple[object, ...], tuple[tuple[str, Change], ...]] = {}


def deviations(markets: Iterable[Mapping[str, Any]]) -> list[Deviation]:
    """What a page's objects show of it; nothing, as a rule."""
    counts: dict[tuple[str, Change], tuple[int, str | None]] = {}
    for market in markets:
        for member, change in _deviations(market):
            count, example = counts.get((member, change), (0, None))
            if example is None and member in market:
                example = repr(market[member])[:LONGEST_EXAMPLE].encode("unicode_escape").decode("ascii")
            counts[member, change] = (count + 1, example)
    return [Deviation(member, change, *counted) for (member, change), counted in counts.items()]


def _deviations(market: Mapping[str, Any]) -> tuple[tuple[str, Change], ...]:
    shape = (*market, *map(type, market.values()))
    found = _found.get(shape)
    if found is None:
        if len(_found) >= _MOST_SHAPES:
            _found.clear()
        found = _found[shape] = tuple(_compared(market))
    return found


def _compared(market: Mapping[str, Any]) -> Iterable[tuple[str, Change]]:
    for member in market.keys() - _KNOWN:
        # A name that no database could hold is no name.
        yield member[:LONGEST_EXAMPLE].encode("unicode_escape").decode("ascii"), "new"
    for member in _REQUIRED - market.keys():
        yield member, "gone"
    for member, types in _TYPES.items():
        if member in market and type(market[member]) not in types:
            yield member, "retyped"
