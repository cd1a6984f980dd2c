"""What the exchange lists, whatever it comes from: its terms, and how one asks for some of it."""

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

# Each returned status, and the word of the `status` filter that finds it (docs.kalshi.com, Market Lifecycle).
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
    """A market as it is at one instant. Times are instants; `json` is the Market object as it is sent."""

    @property
    def ticker(self) -> str: ...
    @property
    def event_ticker(self) -> str: ...
    @property
    def series_ticker(self) -> str:
        """Which only its event tells a client."""

    @property
    def phase(self) -> str:
        """The word of the status filter that finds it."""

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
    """An event; `markets` are its live ones, oldest first."""

    @property
    def ticker(self) -> str: ...
    @property
    def json(self) -> bytes: ...
    @property
    def markets(self) -> "list[Market]": ...


@dataclass(frozen=True, slots=True)
class Series:
    ticker: str
    json: bytes

    @classmethod
    def from_object(cls, fields: JsonObject) -> "Series":
        return cls(fields["ticker"], to_json(fields))


def to_json(value: object) -> bytes:
    """JSON text as the exchange writes it: compact, UTF-8."""
    return _ENCODER.encode(value).encode()


class Order(Enum):
    """What markets are listed by, each newest first, then by ticker descending (observed on production, 2026-08)."""

    CREATED = "created"
    CLOSES = "closes"
    SETTLED = "settled"

    def position(self, market: Market) -> Position | None:
        """Where a market stands in this order; None when it is not in it."""
        at: int | None = getattr(market, self.value)
        return None if at is None else Position(at, market.ticker)


@dataclass(frozen=True, slots=True)
class MarketFilter:
    """Which markets a listing is to find. `archived`: those behind the cutoff instead of the live ones.

    `first` and `last` (instants, both included, None: open) bound the time named by `time`: created, closes, settled
    or updated.
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
        """Whether it is one of them; its tier is not looked at."""
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
    """Which events a listing is to find; the instants are bounds, not included themselves."""

    phase: str | None = None
    series: str | None = None
    tickers: frozenset[str] | None = None
    closes_after: int | None = None
    updated_after: int | None = None


ALL_MARKETS = MarketFilter()
ALL_EVENTS = EventFilter()


class Exchange(ABC):
    """Everything the exchange knows at the present instant of its clock. `len` counts the live markets.

    `empty_pages` is the share of pages that come empty though more follow, which production has been seen to do.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.empty_pages = 0.0

    @property
    @abstractmethod
    def cutoff(self) -> int:
        """Markets that settled before this instant are archived."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def market(self, ticker: str, *, archived: bool = False) -> Market | None: ...

    @abstractmethod
    def markets(
        self, order: Order, after: Position | None, filter_: MarketFilter = ALL_MARKETS
    ) -> Iterator[tuple[Position, Market]]:
        """The wanted markets that have a time in this order, behind a position of it, newest first."""

    @abstractmethod
    def event(self, ticker: str) -> Event | None: ...

    @abstractmethod
    def events(self, after: Position | None, filter_: EventFilter = ALL_EVENTS) -> Iterator[tuple[Position, Event]]:
        """The wanted events, without combos', behind a position, newest first. They are never archived."""

    @abstractmethod
    def series(self, ticker: str) -> Series | None: ...

    @abstractmethod
    def all_series(self) -> Iterable[Series]: ...
