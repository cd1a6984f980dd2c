"""Every market column, once: the projection, the batch write, the filters, the OpenAPI document and docs follow it."""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final


class Kind(StrEnum):
    """What a column holds, as its reader sees it."""

    STRING = "string"
    NUMBER = "number"
    TIME = "time"
    BOOLEAN = "boolean"
    JSON = "json"


class Origin(StrEnum):
    """Who fills a column, and so who may overwrite it."""

    MARKET = "market"
    """the exchange's Market object"""
    EVENT = "event"
    """the exchange's Event and Series objects"""
    OURS = "ours"
    """the crawler's own bookkeeping"""


class Part(StrEnum):
    """Which of the two tables behind the view of the markets holds a column; both have the ticker.

    docs/decisions.md has the figures behind the cut.
    """

    TERMS = "terms"
    """what seldom changes: texts, times, outcome"""
    QUOTES = "quotes"
    """what trading moves, and the number of the last change"""
    BOTH = "both"
    """terms that the quotes repeat, since one filters and orders quotes by them: no join on the way to a page"""


TEXT: Final = 'text COLLATE "C"'
"""Strings order and compare by code point, wherever the database stands."""

SEARCHED: Final = 'lower({column} COLLATE "C") COLLATE "default"'
"""SQL of a text as words are looked for in it. Its ASCII letters are lower case already, so that a plain LIKE finds
ASCII words, in a quarter of ILIKE's time; other letters have cases by the database's own rules."""

SQL_TYPES: Final = {
    Kind.STRING: TEXT,
    Kind.NUMBER: "numeric",
    Kind.TIME: "timestamp with time zone",
    Kind.BOOLEAN: "boolean",
    Kind.JSON: "jsonb",
}


@dataclass(frozen=True)
class Column:
    """One column of the markets table.

    name: as in the table, the answers and the filters.
    about: a sentence for people.
    member: the exchange's name for it, where that differs (docs.kalshi.com, Market object, 3.34.0).
    sql_type: PostgreSQL's, where it is not the kind's usual one.
    values: the words it may hold, where they are a list; a filter on another word is refused.
    default: whether an answer has it without being asked. orderable: whether `order_by` takes it.
    part: the table that holds it. words: whether words and parts of words are indexed in it.
    """

    name: str
    about: str
    kind: Kind
    member: str = ""
    sql_type: str = ""
    values: tuple[str, ...] = ()
    default: bool = False
    orderable: bool = False
    origin: Origin = Origin.MARKET
    part: Part = Part.TERMS
    words: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "member", self.member or self.name)
        object.__setattr__(self, "sql_type", self.sql_type or SQL_TYPES[self.kind])


STATUSES: Final = ("initialized", "inactive", "active", "closed", "determined", "disputed", "amended", "finalized")
STRIKE_TYPES: Final = (
    *("greater", "greater_or_equal", "less", "less_or_equal"),
    *("between", "functional", "custom", "structured", ""),
)
PRICE_LEVEL_STRUCTURES: Final = (
    *("linear_cent", "deci_cent", "tapered_deci_cent"),
    *("center_whole_edge_half_cent", "center_whole_edge_quint_cent", "center_half_edge_half_cent"),
    *("center_half_edge_quint_cent", "center_half_edge_deci_cent", "center_quint_edge_quint_cent"),
    *("center_quint_edge_deci_cent", "center_centi_edge_centi_cent", "center_deci_edge_centi_cent"),
)
"""docs.kalshi.com, Fixed-Point Migration (2026-09)."""


_string = partial(Column, kind=Kind.STRING)
_number = partial(Column, kind=Kind.NUMBER)
_quote = partial(Column, kind=Kind.NUMBER, part=Part.QUOTES)
_time = partial(Column, kind=Kind.TIME)
_boolean = partial(Column, kind=Kind.BOOLEAN)
_json = partial(Column, kind=Kind.JSON)

COLUMNS: Final = (
    # the default answer, in the original service's order
    _string("ticker", "Kalshi's unique name of the market.", default=True, orderable=True, part=Part.BOTH, words=True),
    _string("event_ticker", "The event that the market belongs to.", default=True),
    _string("title", "The question, as the exchange words it.", default=True, words=True),
    _string(
        "subtitle", "The outcome's label: the exchange's subtitle, else its yes_sub_title.", default=True, words=True
    ),
    _string("market_type", "`binary` or `scalar`.", values=("binary", "scalar"), default=True),
    _string("strike_type", "How the strike is compared with the outcome.", values=STRIKE_TYPES, default=True),
    _time("open_time", "When trading opens.", default=True, orderable=True, part=Part.BOTH),
    _time("close_time", "When trading closes; the exchange moves it.", default=True, orderable=True, part=Part.BOTH),
    _quote(
        "volume", "Contracts traded since opening; fractions exist.", member="volume_fp", default=True, orderable=True
    ),
    _quote(
        "liquidity",
        "Whole cents resting at the best bid and ask: yes_bid × yes_bid_size + (1 − yes_ask) × yes_ask_size. "
        "Computed here; the exchange sends none since 2026.",
        default=True,
        orderable=True,
    ),
    _quote("open_interest", "Contracts held.", member="open_interest_fp", default=True, orderable=True),
    _string(
        "result",
        "`yes`, `no` or `scalar`; empty until determined.",
        values=("", "yes", "no", "scalar"),
        default=True,
        part=Part.BOTH,
    ),
    _number(
        "settlement_value",
        "What a YES contract paid, in dollars; null before determination.",
        member="settlement_value_dollars",
        default=True,
        orderable=True,
    ),
    _string("rules_primary", "The rule that decides the market.", default=True, words=True),
    # stored beside them
    _string("series_ticker", "The series of the market's event.", origin=Origin.EVENT),
    _string("category", "The category of the market's series.", origin=Origin.EVENT, part=Part.BOTH),
    _string("status", "Where the market is in its life.", values=STATUSES, part=Part.BOTH),
    _string("yes_sub_title", "The label of the YES side."),
    _string("no_sub_title", "The label of the NO side."),
    _string("rules_secondary", "Further rules; may hold newlines and HTML."),
    _quote("yes_bid_dollars", "Best YES bid; 0 in an empty book."),
    _quote("yes_ask_dollars", "Best YES ask; 1 in an empty book."),
    _quote("no_bid_dollars", "Best NO bid."),
    _quote("no_ask_dollars", "Best NO ask."),
    _quote("last_price_dollars", "Price of the last trade; 0 if there was none."),
    _quote("previous_price_dollars", "Last price a day ago."),
    _quote("previous_yes_bid_dollars", "Best YES bid a day ago."),
    _quote("previous_yes_ask_dollars", "Best YES ask a day ago."),
    _number("notional_value_dollars", "What a winning contract pays."),
    _quote("yes_bid_size", "Contracts at the best YES bid.", member="yes_bid_size_fp"),
    _quote("yes_ask_size", "Contracts at the best YES ask.", member="yes_ask_size_fp"),
    _quote("volume_24h", "Contracts traded in the last 24 hours.", member="volume_24h_fp"),
    _number("floor_strike", "Lower strike."),
    _number("cap_strike", "Upper strike."),
    _string("functional_strike", "Strike given as a function."),
    _json("custom_strike", "Strike given as an object."),
    _time("created_time", "When the exchange created the market."),
    _time("updated_time", "When the exchange last edited the market's metadata; trading does not count."),
    _time("expected_expiration_time", "When the outcome is expected to be known."),
    _time("latest_expiration_time", "When the market expires at the latest."),
    _time("occurrence_datetime", "When the event itself takes place."),
    _time("settlement_ts", "When the market was settled.", part=Part.BOTH),
    _time("fee_waiver_expiration_time", "Until when fees are waived."),
    _string("expiration_value", "The value used for settlement; empty when there is none."),
    _number("settlement_timer_seconds", "Seconds between determination and settlement.", sql_type="integer"),
    _boolean("can_close_early", "Whether the market may close before close_time."),
    _string("early_close_condition", "What closes it early."),
    _string("price_level_structure", "The exchange's name of its price steps.", values=PRICE_LEVEL_STRUCTURES),
    _json("price_ranges", "The price steps: start, end and step of each range, in dollars."),
    _string("mve_collection_ticker", "The collection of a combo."),
    _json("mve_selected_legs", "The legs of a combo."),
    _boolean("is_provisional", "Whether the exchange deletes the market if nobody trades it."),
    _string("primary_participant_key", "The participant that the market is about."),
    _number("exchange_index", "The exchange's shard.", sql_type="integer"),
    _string("settlement_bounds_type", "`floor` where YES pays a least value.", values=("default", "floor")),
    _number("settlement_floor_dollars", "The least that a YES contract can pay; null without a floor."),
    # our own
    _time("first_seen_at", "When this service first saw the market.", origin=Origin.OURS),
    _time("changed_at", "When a stored value of it last changed here.", origin=Origin.OURS, part=Part.QUOTES),
    _quote(
        "change_number", "The number of that change; every change has its own.", sql_type="bigint", origin=Origin.OURS
    ),
    _time("gone_at", "When the exchange was found not to have it any more.", origin=Origin.OURS, part=Part.QUOTES),
)
"""In the order of `fields=all`."""

BY_NAME: Final = {column.name: column for column in COLUMNS}
DEFAULT: Final = tuple(column for column in COLUMNS if column.default)
FROM_MARKET: Final = tuple(column for column in COLUMNS if column.origin is Origin.MARKET)


def columns_in(part: Part) -> list[Column]:
    """The columns that a table holds, those of both among them."""
    return [column for column in COLUMNS if column.part in (part, Part.BOTH)]
