"""An exchange from which single markets are taken away, and given back."""

from collections.abc import Iterable, Iterator

from local.exchange.catalogue import (
    EVERY_EVENT,
    EVERYTHING,
    Event,
    Exchange,
    Market,
    Order,
    Series,
    Wanted,
    WantedEvents,
)
from local.exchange.cursor import Position


class Thinned(Exchange):
    """Another exchange without the markets in `hidden`: they are neither listed nor found by name."""

    def __init__(self, whole: Exchange) -> None:
        super().__init__(whole.clock)
        self.whole = whole
        self.hidden: frozenset[str] = frozenset()

    @property
    def cutoff(self) -> int:
        return self.whole.cutoff

    def __len__(self) -> int:
        return len(self.whole) - len(self.hidden)

    def market(self, ticker: str, *, archived: bool = False) -> Market | None:
        return None if ticker in self.hidden else self.whole.market(ticker, archived=archived)

    def markets(
        self, order: Order, after: Position | None, wanted: Wanted = EVERYTHING
    ) -> Iterator[tuple[Position, Market]]:
        return (found for found in self.whole.markets(order, after, wanted) if found[1].ticker not in self.hidden)

    def event(self, ticker: str) -> Event | None:
        return self.whole.event(ticker)

    def events(self, after: Position | None, wanted: WantedEvents = EVERY_EVENT) -> Iterator[tuple[Position, Event]]:
        return self.whole.events(after, wanted)

    def series(self, ticker: str) -> Series | None:
        return self.whole.series(ticker)

    def all_series(self) -> Iterable[Series]:
        return self.whole.all_series()
