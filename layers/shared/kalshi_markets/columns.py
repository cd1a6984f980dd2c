"""Table of all market columns. event_columns.py has those of events and series.

The parser, the batch write, the filters, the OpenAPI document and the documentation are derived from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, partial
from typing import Final


class Kind(StrEnum):
    """Kind of value that a column holds."""

    STRING = "string"
    NUMBER = "number"
    TIME = "time"
    BOOLEAN = "boolean"
    JSON = "json"


class Origin(StrEnum):
    """Source that fills a column and may overwrite it."""

    MARKET = "market"
    """The exchange's Market object."""
    EVENT = "event"
    """The exchange's Event object."""
    SERIES = "series"
    """The exchange's Series object."""
    SERVICE = "ours"
    """This service itself."""


class Table(StrEnum):
    """Table that stores a column. The view of the markets joins details and quotes by ticker.

    docs/decisions.md has the measurements that led to two tables of markets.
    """

    DETAILS = "details"
    """Columns that seldom change: texts, times, outcome."""
    QUOTES = "quotes"
    """Columns that trading changes, and the number of the last change."""
    BOTH = "both"
    """Columns of the details that the quotes repeat. Filters and sort orders on them need no join."""
    EVENTS = "events"
    SERIES = "series"
    SERIES_COUNTS = "series_counts"
    """View of the numbers of markets of each series."""


TEXT_TYPE: Final = 'text COLLATE "C"'
"""SQL type of strings. They sort and compare by code point, independent of the database's locale."""

SEARCH_EXPRESSION: Final = 'lower({column} COLLATE "C") COLLATE "default"'
"""SQL expression that text search matches against.

ASCII letters are in lower case, so LIKE matches ASCII words in a quarter of ILIKE's time. The database's default
collation defines the case of other letters.
"""

SQL_TYPES: Final = {
    Kind.STRING: TEXT_TYPE,
    Kind.NUMBER: "numeric",
    Kind.TIME: "timestamp with time zone",
    Kind.BOOLEAN: "boolean",
    Kind.JSON: "jsonb",
}


@dataclass(frozen=True)
class Column:
    """Column of an entity.

    name: name in the database, the responses and the filters.
    description: sentence for the documentation.
    kind: kind of value.
    source_field: the exchange's name, where it differs (docs.kalshi.com, Market, Event and Series object, 3.34.0).
    sql_type: PostgreSQL type; SQL_TYPES has the default of each kind.
    allowed_values: all values that the column may hold. A filter on another value is rejected. Empty: any value.
    in_default_response: whether a response without the parameter `fields` includes the column.
    orderable: whether `order_by` accepts the column.
    origin: source that fills the column.
    table: table that stores the column.
    text_indexed: whether a trigram index serves the column's text filters.
    filterable: whether there are filters on the column.
    """

    name: str
    description: str
    kind: Kind
    source_field: str = ""
    sql_type: str = ""
    allowed_values: tuple[str, ...] = ()
    in_default_response: bool = False
    orderable: bool = False
    origin: Origin = Origin.MARKET
    table: Table = Table.DETAILS
    text_indexed: bool = False
    filterable: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "source_field", self.source_field or self.name)
        object.__setattr__(self, "sql_type", self.sql_type or SQL_TYPES[self.kind])


@dataclass(frozen=True)
class Entity:
    """Kind of row that the service stores and lists: markets, events or series.

    name: the plural, as in paths and messages.
    key: name of the column that identifies a row.
    columns: all columns, in the order of `fields=all`.
    default_order: sort order of a listing without `order_by`, descending; NULL comes last.
    searched: names of the columns that `search` matches; empty: no search.
    """

    name: str
    key: str
    columns: tuple[Column, ...]
    default_order: str
    searched: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """Columns by name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def default_columns(self) -> tuple[Column, ...]:
        """Columns of a response without the parameter `fields`."""
        return tuple(column for column in self.columns if column.in_default_response)

    def search_expression(self, alias: str = "") -> str:
        """Return the SQL expression that `search` matches against. A trigram index has the same expression.

        alias: alias of the table; empty: unqualified names.
        """
        prefix = f"{alias}." if alias else ""
        texts = " || ' ' || ".join(f"coalesce({prefix}{name}, '')" for name in self.searched)
        return SEARCH_EXPRESSION.format(column=f"({texts})")


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
"""Names of price steps (docs.kalshi.com, Fixed-Point Migration, 2026-09)."""


_string = partial(Column, kind=Kind.STRING)
_number = partial(Column, kind=Kind.NUMBER)
_quote = partial(Column, kind=Kind.NUMBER, table=Table.QUOTES)
_time = partial(Column, kind=Kind.TIME)
_boolean = partial(Column, kind=Kind.BOOLEAN)
_json = partial(Column, kind=Kind.JSON)

COLUMNS: Final = (
    # Default response, in the original service's order.
    _string(
        "ticker",
        "Kalshi's unique name of the market.",
        in_default_response=True,
        orderable=True,
        table=Table.BOTH,
        text_indexed=True,
    ),
    _string("event_ticker", "The event that the market belongs to.", in_default_response=True),
    _string("title", "The question, as the exchange words it.", in_default_response=True, text_indexed=True),
    _string(
        "subtitle",
        "The outcome's label: the exchange's subtitle, else its yes_sub_title.",
        in_default_response=True,
        text_indexed=True,
    ),
    _string("market_type", "`binary` or `scalar`.", allowed_values=("binary", "scalar"), in_default_response=True),
    _string(
        "strike_type",
        "Comparison of the outcome with the strike.",
        allowed_values=STRIKE_TYPES,
        in_default_response=True,
    ),
    _time("open_time", "When trading opens.", in_default_response=True, orderable=True, table=Table.BOTH),
    _time(
        "close_time",
        "When trading closes; the exchange moves it.",
        in_default_response=True,
        orderable=True,
        table=Table.BOTH,
    ),
    _quote(
        "volume",
        "Contracts traded since opening; fractions exist.",
        source_field="volume_fp",
        in_default_response=True,
        orderable=True,
    ),
    _quote(
        "liquidity",
        "Whole cents resting at the best bid and ask: yes_bid × yes_bid_size + (1 − yes_ask) × yes_ask_size. "
        "Computed here; the exchange sends none since 2026.",
        in_default_response=True,
        orderable=True,
    ),
    _quote(
        "open_interest", "Contracts held.", source_field="open_interest_fp", in_default_response=True, orderable=True
    ),
    _string(
        "result",
        "`yes`, `no` or `scalar`; empty until determined.",
        allowed_values=("", "yes", "no", "scalar"),
        in_default_response=True,
        table=Table.BOTH,
    ),
    _number(
        "settlement_value",
        "Payout of a YES contract, in dollars; null before determination.",
        source_field="settlement_value_dollars",
        in_default_response=True,
        orderable=True,
    ),
    _string("rules_primary", "The rule that decides the market.", in_default_response=True, text_indexed=True),
    # Further columns of the exchange.
    _string("series_ticker", "The series of the market's event.", origin=Origin.EVENT),
    _string("event_title", "The title of the market's event.", origin=Origin.EVENT),
    _string("category", "The primary category of the market's series.", origin=Origin.SERIES, table=Table.BOTH),
    _json("categories", "All categories of the market's series.", origin=Origin.SERIES, table=Table.BOTH),
    _string("status", "Lifecycle status of the market.", allowed_values=STATUSES, table=Table.BOTH),
    _string("yes_sub_title", "The label of the YES side."),
    _string("no_sub_title", "The label of the NO side."),
    _string("rules_secondary", "Further rules; may hold newlines and HTML."),
    _quote("yes_bid_dollars", "Best YES bid; 0 in an empty book."),
    _quote("yes_ask_dollars", "Best YES ask; 1 in an empty book."),
    _quote("no_bid_dollars", "Best NO bid."),
    _quote("no_ask_dollars", "Best NO ask."),
    _quote("last_price_dollars", "Price of the last trade; 0 if there was none."),
    _quote("previous_price_dollars", "Last price a day ago."),
    _quote(
        "price_change_24h_dollars",
        "Price of the last trade minus the last price a day ago; null without a trade or without a price a day ago.",
        orderable=True,
        origin=Origin.SERVICE,
    ),
    _quote("previous_yes_bid_dollars", "Best YES bid a day ago."),
    _quote("previous_yes_ask_dollars", "Best YES ask a day ago."),
    _number("notional_value_dollars", "Payout of a winning contract."),
    _quote("yes_bid_size", "Contracts at the best YES bid.", source_field="yes_bid_size_fp"),
    _quote("yes_ask_size", "Contracts at the best YES ask.", source_field="yes_ask_size_fp"),
    _quote("volume_24h", "Contracts traded in the last 24 hours.", source_field="volume_24h_fp", orderable=True),
    _number("floor_strike", "Lower strike."),
    _number("cap_strike", "Upper strike."),
    _string("functional_strike", "Strike given as a function."),
    _json("custom_strike", "Strike given as an object."),
    _time("created_time", "When the exchange created the market."),
    _time("updated_time", "When the exchange last edited the market's metadata; trading does not count."),
    _time("expected_expiration_time", "When the outcome is expected to be known."),
    _time("latest_expiration_time", "When the market expires at the latest."),
    _time("occurrence_datetime", "When the event itself takes place."),
    _time("settlement_ts", "When the market was settled.", table=Table.BOTH),
    _time("fee_waiver_expiration_time", "End of the fee waiver."),
    _string("expiration_value", "The value used for settlement; empty when there is none."),
    _number("settlement_timer_seconds", "Seconds between determination and settlement.", sql_type="integer"),
    _boolean("can_close_early", "Whether the market may close before close_time."),
    _string("early_close_condition", "Condition for an early close."),
    _string("price_level_structure", "The exchange's name of its price steps.", allowed_values=PRICE_LEVEL_STRUCTURES),
    _json("price_ranges", "The price steps: start, end and step of each range, in dollars."),
    _string("mve_collection_ticker", "The collection of a combo."),
    _json("mve_selected_legs", "The legs of a combo."),
    _boolean("is_provisional", "Whether the exchange deletes the market if nobody trades it."),
    _string("primary_participant_key", "The participant that the market is about."),
    _number("exchange_index", "The exchange's shard.", sql_type="integer"),
    _string("settlement_bounds_type", "`floor` if YES pays a minimum value.", allowed_values=("default", "floor")),
    _number("settlement_floor_dollars", "Minimum payout of a YES contract; null without a floor."),
    # Columns of this service.
    _time("first_seen_at", "When this service first saw the market.", origin=Origin.SERVICE),
    _time("changed_at", "When a stored value of the market last changed.", origin=Origin.SERVICE, table=Table.QUOTES),
    _quote(
        "change_number",
        "Number of the last change; unique.",
        sql_type="bigint",
        origin=Origin.SERVICE,
    ),
    _time(
        "removed_at", "When the market was found missing on the exchange.", origin=Origin.SERVICE, table=Table.QUOTES
    ),
)
"""All columns, in the order of `fields=all`."""

MARKETS: Final = Entity("markets", "ticker", COLUMNS, "recent", ("ticker", "title", "subtitle", "event_title"))
FACETS: Final = ("status", "category", "series_ticker", "strike_type", "result")
"""Columns of markets whose values are counted."""
COLUMNS_BY_NAME: Final = MARKETS.by_name
DEFAULT_COLUMNS: Final = MARKETS.default_columns
MARKET_COLUMNS: Final = tuple(column for column in COLUMNS if column.origin is Origin.MARKET)
MARKET_QUOTES: Final = tuple(column for column in MARKET_COLUMNS if column.table is Table.QUOTES)
"""Columns from the Market object that only the quotes have."""
MARKET_DETAILS: Final = tuple(
    column for column in MARKET_COLUMNS if column.table is not Table.QUOTES and column.name != "ticker"
)
"""Columns from the Market object that the details have, without the key."""


def columns_of(table: Table) -> list[Column]:
    """Return the columns of a table of markets, including the columns of both tables."""
    return [column for column in COLUMNS if column.table in (table, Table.BOTH)]
