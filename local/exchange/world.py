"""The generated exchange: what there is at the present instant, computed from the seed whenever it is asked for."""

from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
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
from local.exchange.combos import COMBO_SERIES, decode_combo_ticker, make_combo
from local.exchange.cursor import Position
from local.exchange.families import FAMILIES
from local.exchange.plan import EventSpec, decode_code, make_event
from local.exchange.rendering import series_object
from local.exchange.scan import AnySpec, Snapshot
from local.exchange.strata import LIVE_DAYS, Cohort, make_cohorts

POPULAR_EVENTS = 64  # combos bet on so many of the events of a stratum, about


class GeneratedExchange(Exchange):
    """`size` live markets besides combos at any time, about; `archived` more behind the cutoff at the clock's start."""

    def __init__(self, seed: int, size: int, clock: Clock, archived: int) -> None:
        super().__init__(clock)
        self.cohorts, self.earliest_settlement = make_cohorts(seed, size, archived, _cutoff(clock.start))
        self._cohorts_by_index = {cohort.index: cohort for cohort in self.cohorts}
        self._bettable = [cohort for cohort in self.cohorts if not cohort.quirk and cohort.end is None]
        self._event_spec = lru_cache(maxsize=2048)(partial(make_event, seed))
        self._combo_spec = partial(make_combo, seed)
        objects = chain(
            (series_object(family, subject) for family in FAMILIES for subject in family.subjects), COMBO_SERIES
        )
        self._series = {series.ticker: series for series in map(Series.from_object, objects)}

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

    def event(self, ticker: str) -> Event | None:
        return self._snapshot().event(ticker)

    def events(self, after: Position | None, filter_: EventFilter = ALL_EVENTS) -> Iterator[tuple[Position, Event]]:
        return self._snapshot().events(after, filter_)

    def series(self, ticker: str) -> Series | None:
        return self._series.get(ticker)

    def all_series(self) -> Iterable[Series]:
        return self._series.values()

    def spec(self, cohort: Cohort, number: int) -> AnySpec:
        """The event with this number of a stratum."""
        return self._combo_spec(cohort, number) if cohort.is_combo else self._event_spec(cohort, number)

    def find_event(self, event_ticker: str, now: int) -> AnySpec | None:
        """The event of a ticker, if one was created by then."""
        code = event_ticker.rpartition("-")[2]
        for decoded in (decode_combo_ticker(event_ticker), decode_code(code[-7:]), decode_code(code[9:])):
            cohort = self._cohorts_by_index.get(decoded[0]) if decoded else None
            if (
                decoded is None
                or cohort is None
                or decoded[1] not in cohort.candidate_range(self.earliest_settlement - cohort.settled, now)
            ):
                continue
            event = self.spec(cohort, decoded[1])
            if event.event_ticker == event_ticker:
                return event
        return None

    def leg_at(self, at: int, dice: int) -> tuple[EventSpec, int]:
        """What a combo bets on: an event that was open at an instant, if there was any, and a position in it."""
        event = self._event_spec(self._bettable[0], 0)
        for offset in range(len(self._bettable)):
            cohort = self._bettable[(dice + offset) % len(self._bettable)]
            numbers = cohort.candidate_range(at - cohort.ends, at - cohort.opens)
            stride = max(1, len(numbers) // POPULAR_EVENTS)
            numbers = range(-(-numbers.start // stride) * stride, numbers.stop, stride)
            for attempt in range(min(8, len(numbers))):
                event = self._event_spec(cohort, numbers[(dice + attempt) % len(numbers)])
                if event.opens <= at < event.ends:
                    return event, dice % len(event.contracts)
        return event, dice % len(event.contracts)

    def _snapshot(self) -> Snapshot:
        now = self.clock.now()
        return Snapshot(self, now, _cutoff(now))


def _cutoff(now: int) -> int:
    """Rolls at midnight UTC (observed on production, 2026-08 to 2026-10)."""
    return (now // DAY - LIVE_DAYS) * DAY
