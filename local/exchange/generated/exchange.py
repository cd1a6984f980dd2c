"""Generated exchange, whose contents at the present instant are computed from the seed on demand."""

from collections.abc import Iterable, Iterator
from itertools import chain

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
from local.exchange.clock import DAY, Clock
from local.exchange.cursor import Position
from local.exchange.generated.cohorts import LIVE_DAYS
from local.exchange.generated.combos import COMBO_SERIES
from local.exchange.generated.families import FAMILIES
from local.exchange.generated.population import Population
from local.exchange.generated.rendering import make_series_object
from local.exchange.generated.series_edits import series_at
from local.exchange.generated.snapshot import Snapshot


class GeneratedExchange(Exchange):
    """Exchange with about `size` live markets at any time, in addition to combos.

    `archived`: number of archived markets when the clock starts, in addition.
    """

    def __init__(self, seed: int, size: int, clock: Clock, archived: int) -> None:
        super().__init__(clock)
        self.population = Population(seed, size, archived, _cutoff(clock.start))
        self._seed = seed
        objects = chain(
            (make_series_object(family, subject) for family in FAMILIES for subject in family.subjects), COMBO_SERIES
        )
        self._series_objects = {fields["ticker"]: fields for fields in objects}

    @property
    def cutoff(self) -> int:
        return _cutoff(self.clock.now())

    def __len__(self) -> int:
        return self._snapshot().count()

    def market(self, ticker: str, *, archived: bool = False) -> Market | None:
        return self._snapshot().market(ticker, archived=archived)

    def markets(
        self, order: Order, after: Position | None, filter_: MarketFilter = ALL_MARKETS
    ) -> Iterator[tuple[Position, Market]]:
        return self._snapshot().markets(order, after, filter_)

    @property
    def first_opening(self) -> int:
        return self.population.first_opening

    def traded_markets(self, first: int, last: int) -> Iterable[Market]:
        return self._snapshot().traded_markets(first, last)

    def event(self, ticker: str) -> Event | None:
        return self._snapshot().event(ticker)

    def events(self, after: Position | None, filter_: EventFilter = ALL_EVENTS) -> Iterator[tuple[Position, Event]]:
        return self._snapshot().events(after, filter_)

    def series(self, ticker: str) -> Series | None:
        fields = self._series_objects.get(ticker)
        return None if fields is None else series_at(self._seed, fields, self.clock.now())

    def all_series(self) -> Iterable[Series]:
        now = self.clock.now()
        return [series_at(self._seed, fields, now) for fields in self._series_objects.values()]

    def _snapshot(self) -> Snapshot:
        now = self.clock.now()
        return Snapshot(self.population, now, _cutoff(now), self.undone_trades)


def _cutoff(now: int) -> int:
    """Return the archive cutoff, which moves at midnight UTC (observed on production, 2026-08 to 2026-10)."""
    return (now // DAY - LIVE_DAYS) * DAY
