"""Interface of an exchange's contents: markets, events and series, and the filters and orders of their listings."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from local.exchange.clock import Clock
from local.exchange.cursor import Position
from local.exchange.tape import Tape

JsonObject = dict[str, Any]
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

# Market status -> value of the `status` filter that finds it (docs.kalshi.com, Market Lifecycle).
PHASES = {
    "initialized": "unopened",
    "active": "open",
    "inactive": "paused",
    "closed": "closed",
    "determined": "closed",
    "disputed": "closed",
    "amended": "closed",
    "finalized": "settled",
}


class Market(Protocol):
    """A market at one instant. Times are instants; `json` is the Market object in the response."""

    @property
    def ticker(self) -> str: ...
    @property
    def event_ticker(self) -> str: ...
    @property
    def series_ticker(self) -> str:
        """Series ticker. The Market object does not contain it; clients get it from the event."""

    @property
    def phase(self) -> str:
        """Value of the `status` filter that finds the market."""

    @property
    def is_combo(self) -> bool: ...
    @property
    def created(self) -> int: ...
    @property
    def updated(self) -> int: ...
    @property
    def closes(self) -> int: ...
    @property
    def settled(self) -> int | None: ...
    @property
    def json(self) -> bytes: ...
    @property
    def tape(self) -> Tape: ...


class Event(Protocol):
    """An event at one instant. `markets` are its live markets, oldest first."""

    @property
    def ticker(self) -> str: ...
    @property
    def json(self) -> bytes: ...
    @property
    def markets(self) -> "list[Market]": ...


@dataclass(frozen=True, slots=True)
class Series:
    """A series at one instant. `fields` are those of the Series object, including `product_metadata`."""

    ticker: str
    fields: JsonObject

    @classmethod
    def from_object(cls, fields: JsonObject) -> "Series":
        return cls(fields["ticker"], fields)

    @property
    def json(self) -> bytes:
        """Series object of a response without `product_metadata`, which is sent on request only."""
        return to_json({name: value for name, value in self.fields.items() if name != "product_metadata"})


def to_json(value: object) -> bytes:
    """Return compact JSON text in UTF-8, as the exchange writes it."""
    return _ENCODER.encode(value).encode()


class Order(Enum):
    """Sort order of markets: newest first, then by ticker descending (observed on production, 2026-08)."""

    CREATED = "created"
    CLOSES = "closes"
    SETTLED = "settled"

    def position(self, market: Market) -> Position | None:
        """Return the position of a market in this order, or None if the market has no such time."""
        at: int | None = getattr(market, self.value)
        return None if at is None else Position(at, market.ticker)


@dataclass(frozen=True, slots=True)
class MarketFilter:
    """Filter of a market listing. `archived` selects archived markets instead of live ones.

    `time` names the time that `first` and `last` bound: created, closes, settled or updated.
    `first` and `last` are instants, both inclusive; None means unbounded.
    """

    phase: str | None = None
    combos: bool | None = None
    event: str | None = None
    series: str | None = None
    tickers: frozenset[str] | None = None
    time: str | None = None
    first: int | None = None
    last: int | None = None
    archived: bool = False

    def matches(self, market: Market) -> bool:
        """Return whether the market passes the filter. `archived` is not checked."""
        return (
            (self.phase is None or market.phase == self.phase)
            and (self.combos is None or market.is_combo == self.combos)
            and (self.event is None or market.event_ticker == self.event)
            and (self.series is None or market.series_ticker == self.series)
            and (self.tickers is None or market.ticker in self.tickers)
            and (self.time is None or self._within(getattr(market, self.time)))
        )

    def _within(self, at: int | None) -> bool:
        return at is not None and (self.first is None or at >= self.first) and (self.last is None or at <= self.last)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Filter of an event listing. `closes_after` and `updated_after` are instants, exclusive."""

    phase: str | None = None
    series: str | None = None
    tickers: frozenset[str] | None = None
    closes_after: int | None = None
    updated_after: int | None = None


ALL_MARKETS = MarketFilter()
ALL_EVENTS = EventFilter()


class Exchange(ABC):
    """Contents of an exchange at the present instant of its clock. `len` counts the live markets.

    `empty_pages`: fraction of pages that are empty although more rows follow, as observed on production.
    `undone_trades`: number of the last trades of a market that an amendment of its result undoes.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.empty_pages = 0.0
        self.undone_trades = 0

    @property
    @abstractmethod
    def cutoff(self) -> int:
        """Instant of the archive cutoff. Markets that settled before it are archived."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def market(self, ticker: str, *, archived: bool = False) -> Market | None: ...

    @abstractmethod
    def markets(
        self, order: Order, after: Position | None, filter_: MarketFilter = ALL_MARKETS
    ) -> Iterator[tuple[Position, Market]]:
        """Return the matching markets after a position of the order, newest first.

        Markets without the time of the order are left out.
        """

    @property
    @abstractmethod
    def first_opening(self) -> int:
        """Instant before which no market of either tier opened."""

    @abstractmethod
    def traded_markets(self, first: int, last: int) -> Iterable[Market]:
        """Return the markets of both tiers that may have trades between two instants, both inclusive."""

    @abstractmethod
    def event(self, ticker: str) -> Event | None: ...

    @abstractmethod
    def events(self, after: Position | None, filter_: EventFilter = ALL_EVENTS) -> Iterator[tuple[Position, Event]]:
        """Return the matching events after a position, newest first.

        Events of combos are left out. Events are never archived.
        """

    @abstractmethod
    def series(self, ticker: str) -> Series | None: ...

    @abstractmethod
    def all_series(self) -> Iterable[Series]: ...
