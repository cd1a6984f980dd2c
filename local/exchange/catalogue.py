"""What the exchange lists: markets, events and series, each as the text that is sent and the keys it is found by."""

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from operator import itemgetter
from typing import Any, TypeVar

from local.exchange.clock import Clock, parse
from local.exchange.cursor import Position

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


@dataclass(frozen=True, slots=True)
class Market:
    """A market in the live tier. Times are instants; `phase` is the word of the status filter that finds it."""

    ticker: str
    event_ticker: str
    phase: str
    is_combo: bool
    created: int
    updated: int
    opens: int
    closes: int
    settled: int | None
    volume: str
    open_interest: str
    json: bytes

    @classmethod
    def of(cls, fields: JsonObject, text: bytes | None = None) -> "Market":
        """From a Market object and, if it was received, its text. Raises KeyError or ValueError if it is none."""
        return cls(
            ticker=fields["ticker"],
            event_ticker=fields["event_ticker"],
            phase=PHASES[fields["status"]],
            is_combo="mve_collection_ticker" in fields,
            created=parse(fields["created_time"]),
            updated=parse(fields["updated_time"]),
            opens=parse(fields["open_time"]),
            closes=parse(fields["close_time"]),
            settled=parse(fields["settlement_ts"]) if "settlement_ts" in fields else None,
            volume=fields["volume_fp"],
            open_interest=fields["open_interest_fp"],
            json=text or to_json(fields),
        )


@dataclass(frozen=True, slots=True)
class Event:
    ticker: str
    series_ticker: str
    json: bytes

    @classmethod
    def of(cls, fields: JsonObject) -> "Event":
        return cls(fields["event_ticker"], fields["series_ticker"], to_json(fields))


@dataclass(frozen=True, slots=True)
class Series:
    ticker: str
    json: bytes

    @classmethod
    def of(cls, fields: JsonObject) -> "Series":
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


Row = TypeVar("Row")
Ordered = list[tuple[Position, Row]]


class Exchange:
    """Everything the exchange knows at one moment. It does not age: only its clock goes on."""

    def __init__(
        self,
        *,
        clock: Clock,
        cutoff: int,
        markets: Iterable[Market],
        events: Iterable[Event],
        series: Iterable[Series],
    ) -> None:
        self.clock = clock
        self.cutoff = cutoff
        self._markets = {market.ticker: market for market in markets}
        self._events = {event.ticker: event for event in events}
        self._series = {one.ticker: one for one in series}
        self._orders = {order: _ascending(self._markets.values(), order.position) for order in Order}
        self._nested: dict[str, list[Market]] = defaultdict(list)
        for _, market in self._orders[Order.CREATED]:
            self._nested[market.event_ticker].append(market)
        self._listed_events = _ascending(self._events.values(), self._event_position)

    def __len__(self) -> int:
        return len(self._markets)

    def market(self, ticker: str) -> Market | None:
        return self._markets.get(ticker)

    def markets(self, order: Order, after: Position | None) -> Iterator[tuple[Position, Market]]:
        """The markets that have a time in this order, behind a position of it, newest first."""
        return _descending(self._orders[order], after)

    def event(self, event_ticker: str) -> Event | None:
        return self._events.get(event_ticker)

    def events(self, after: Position | None) -> Iterator[tuple[Position, Event]]:
        """The events without combos', behind a position, newest first."""
        return _descending(self._listed_events, after)

    def _event_position(self, event: Event) -> Position | None:
        """Events have no created_time: that of their first market stands for it. Combos' events are not listed."""
        markets = self._nested[event.ticker]
        return None if markets[0].is_combo else Position(markets[0].created, event.ticker)

    def markets_of(self, event: Event) -> list[Market]:
        """The live markets of an event, oldest first."""
        return self._nested[event.ticker]

    def series_of(self, market: Market) -> str:
        """The series ticker, which only the event tells."""
        return self._events[market.event_ticker].series_ticker

    def series(self, ticker: str) -> Series | None:
        return self._series.get(ticker)

    def all_series(self) -> Iterable[Series]:
        return self._series.values()


def _ascending(rows: Iterable[Row], position: Callable[[Row], Position | None]) -> Ordered[Row]:
    return sorted(((at, row) for row in rows if (at := position(row)) is not None), key=itemgetter(0))


def _descending(rows: Ordered[Row], after: Position | None) -> Iterator[tuple[Position, Row]]:
    end = len(rows) if after is None else bisect_left(rows, after, key=itemgetter(0))
    return (rows[at] for at in range(end - 1, -1, -1))
