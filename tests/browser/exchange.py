"""Generated exchange with prepared events in addition."""

import heapq
from collections.abc import Iterator
from operator import itemgetter
from typing import TypeVar

from local.exchange.catalogue import ALL_EVENTS, ALL_MARKETS, Event, EventFilter, Market, MarketFilter, Order, Series
from local.exchange.clock import Clock
from local.exchange.cursor import Position
from local.exchange.generated import generate
from tests.browser.prepared_markets import prepared_events, prepared_series
from tests.faults.hiding_exchange import HidingExchange

Row = TypeVar("Row")


class PreparedExchange(HidingExchange):
    """Exchange of a seed with about `size` live markets, and with the prepared events as they are at its start."""

    def __init__(self, seed: int, size: int, clock: Clock) -> None:
        super().__init__(generate(seed, size, clock, archived=size // 10))
        self._events = {event.ticker: event for event in prepared_events(clock.start)}
        self._markets = {market.ticker: market for event in self._events.values() for market in event.markets}
        self._series = {series.ticker: series for series in prepared_series(clock.start)}

    def market(self, ticker: str, *, archived: bool = False) -> Market | None:
        if ticker in self._markets:
            return None if archived or ticker in self.hidden else self._markets[ticker]
        return super().market(ticker, archived=archived)

    def markets(
        self, order: Order, after: Position | None, filter_: MarketFilter = ALL_MARKETS
    ) -> Iterator[tuple[Position, Market]]:
        rows: list[tuple[Position, Market]] = []
        for market in self._markets.values():
            position = order.position(market)
            if position is not None and filter_.matches(market) and market.ticker not in self.hidden:
                rows.append((position, market))
        prepared = [] if filter_.archived else _after(rows, after)
        return heapq.merge(super().markets(order, after, filter_), prepared, key=itemgetter(0), reverse=True)

    def event(self, ticker: str) -> Event | None:
        return self._events.get(ticker) or super().event(ticker)

    def events(self, after: Position | None, filter_: EventFilter = ALL_EVENTS) -> Iterator[tuple[Position, Event]]:
        rows: list[tuple[Position, Event]] = [
            (event.created, event) for event in self._events.values() if event.matches(filter_)
        ]
        return heapq.merge(super().events(after, filter_), _after(rows, after), key=itemgetter(0), reverse=True)

    def series(self, ticker: str) -> Series | None:
        return self._series.get(ticker) or super().series(ticker)

    def all_series(self) -> list[Series]:
        return [*super().all_series(), *self._series.values()]


def _after(rows: list[tuple[Position, Row]], after: Position | None) -> list[tuple[Position, Row]]:
    """Return the rows after a position, newest first."""
    return sorted((row for row in rows if after is None or row[0] < after), key=itemgetter(0), reverse=True)
