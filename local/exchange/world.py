"""The generated exchange: what there is at the present instant, computed from the seed whenever it is asked for."""

from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from itertools import chain

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
from local.exchange.clock import DAY, Clock
from local.exchange.combos import COMBO_SERIES, combo, combo_place
from local.exchange.cursor import Position
from local.exchange.families import FAMILIES
from local.exchange.plan import EventPlan, place, plan
from local.exchange.rendering import series_object
from local.exchange.scan import Plan, Scan
from local.exchange.strata import LIVE_DAYS, Stratum, strata

POPULAR = 64  # combos bet on so many of the events of a stratum, about


class World(Exchange):
    """`size` live markets besides combos at any time, about; `archived` more behind the cutoff at the clock's start."""

    def __init__(self, seed: int, size: int, clock: Clock, archived: int) -> None:
        super().__init__(clock)
        self.strata, self.dawn = strata(seed, size, archived, _cutoff(clock.start))
        self._by_index = {stratum.index: stratum for stratum in self.strata}
        self._bets = [stratum for stratum in self.strata if not stratum.oddity and stratum.end is None]
        self._event_plan = lru_cache(maxsize=2048)(partial(plan, seed))
        self._combo_plan = partial(combo, seed)
        objects = chain((series_object(family, one) for family in FAMILIES for one in family.subjects), COMBO_SERIES)
        self._series = {one.ticker: one for one in map(Series.of, objects)}

    @property
    def cutoff(self) -> int:
        return _cutoff(self.clock.now())

    def __len__(self) -> int:
        return self._scan().count()

    def market(self, ticker: str, *, archived: bool = False) -> Market | None:
        return self._scan().market(ticker, archived=archived)

    def markets(
        self, order: Order, after: Position | None, wanted: Wanted = EVERYTHING
    ) -> Iterator[tuple[Position, Market]]:
        return self._scan().markets(order, after, wanted)

    def event(self, ticker: str) -> Event | None:
        return self._scan().event(ticker)

    def events(self, after: Position | None, wanted: WantedEvents = EVERY_EVENT) -> Iterator[tuple[Position, Event]]:
        return self._scan().events(after, wanted)

    def series(self, ticker: str) -> Series | None:
        return self._series.get(ticker)

    def all_series(self) -> Iterable[Series]:
        return self._series.values()

    def plan(self, stratum: Stratum, number: int) -> Plan:
        """The event with this number of a stratum."""
        return self._combo_plan(stratum, number) if stratum.is_combo else self._event_plan(stratum, number)

    def find(self, event_ticker: str, now: int) -> Plan | None:
        """The event of a ticker, if one was created by then."""
        code = event_ticker.rpartition("-")[2]
        for found in (combo_place(event_ticker), place(code[-7:]), place(code[9:])):
            stratum = self._by_index.get(found[0]) if found else None
            if found is None or stratum is None or found[1] not in stratum.numbers(self.dawn - stratum.settled, now):
                continue
            event = self.plan(stratum, found[1])
            if event.event_ticker == event_ticker:
                return event
        return None

    def leg(self, at: int, dice: int) -> tuple[EventPlan, int]:
        """What a combo bets on: an event that was open at an instant, if there was any, and a position in it."""
        event = self._event_plan(self._bets[0], 0)
        for turn in range(len(self._bets)):
            stratum = self._bets[(dice + turn) % len(self._bets)]
            numbers = stratum.numbers(at - stratum.ends, at - stratum.opens)
            stride = max(1, len(numbers) // POPULAR)
            numbers = range(-(-numbers.start // stride) * stride, numbers.stop, stride)
            for attempt in range(min(8, len(numbers))):
                event = self._event_plan(stratum, numbers[(dice + attempt) % len(numbers)])
                if event.opens <= at < event.ends:
                    return event, dice % len(event.contracts)
        return event, dice % len(event.contracts)

    def _scan(self) -> Scan:
        now = self.clock.now()
        return Scan(self, now, _cutoff(now))


def _cutoff(now: int) -> int:
    """Rolls at midnight UTC (observed on production, 2026-08 to 2026-10)."""
    return (now // DAY - LIVE_DAYS) * DAY
