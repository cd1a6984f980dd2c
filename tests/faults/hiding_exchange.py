"""Exchange that can hide single markets and show them again."""

from collections.abc import Iterable, Iterator

from local.exchange.catalogue import (
    ALL_EVENTS,
    ALL_MARKETS,
    Event,
    EventFilter,
    Exchange,
    Market,
    MarketFilter,
    Order,
    Series,
)
from local.exchange.cursor import Position


class HidingExchange(Exchange):
    """Wrapper of an exchange without the markets in `hidden`: they are neither listed nor found by name."""

    def __init__(self, inner: Exchange) -> None:
        super().__init__(inner.clock)
        self.inner = inner
        self.hidden: frozenset[str] = frozenset()

    @property
    def cutoff(self) -> int:
        return self.inner.cutoff

    def __len__(self) -> int:
        return len(self.inner) - len(self.hidden)

    def market(self, ticker: str, *, archived: bool = False) -> Market | None:
        return None if ticker in self.hidden else self.inner.market(ticker, archived=archived)

    def markets(
        self, order: Order, after: Position | None, filter_: MarketFilter = ALL_MARKETS
    ) -> Iterator[tuple[Position, Market]]:
        return (row for row in self.inner.markets(order, after, filter_) if row[1].ticker not in self.hidden)

    @property
    def first_opening(self) -> int:
        return self.inner.first_opening

    def traded_markets(self, first: int, last: int) -> Iterable[Market]:
        return (market for market in self.inner.traded_markets(first, last) if market.ticker not in self.hidden)

    def event(self, ticker: str) -> Event | None:
        return self.inner.event(ticker)

    def events(self, after: Position | None, filter_: EventFilter = ALL_EVENTS) -> Iterator[tuple[Position, Event]]:
        return self.inner.events(after, filter_)

    def series(self, ticker: str) -> Series | None:
        return self.inner.series(ticker)

    def all_series(self) -> Iterable[Series]:
        return self.inner.all_series()
