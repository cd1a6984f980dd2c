"""Events of a generated exchange. Each is computed from its cohort and number on demand."""

from functools import lru_cache, partial
from math import ceil

from local.exchange.clock import DAY
from local.exchange.generated.cohorts import Cohort, make_cohorts
from local.exchange.generated.combos import ComboSpec, decode_combo_ticker, make_combo
from local.exchange.generated.event_spec import EventSpec, decode_code, make_event

POPULAR_EVENTS = 64  # approximate number of events of a cohort that combos bet on

AnySpec = EventSpec | ComboSpec


class Population:
    """Population with about `size` live markets at any time, in addition to combos.

    `archived`: number of markets that settled before `cutoff`, in addition.
    """

    def __init__(self, seed: int, size: int, archived: int, cutoff: int) -> None:
        self.cohorts, self.earliest_settlement = make_cohorts(seed, size, archived, cutoff)
        self._cohorts_by_index = {cohort.index: cohort for cohort in self.cohorts}
        self._bettable = [cohort for cohort in self.cohorts if not cohort.quirk and cohort.end is None]
        self._event_spec = lru_cache(maxsize=2048)(partial(make_event, seed))
        self._combo_spec = partial(make_combo, seed)

    @property
    def first_opening(self) -> int:
        """Instant before which no event opened, among those that settle after `earliest_settlement`."""
        max_age = max((cohort.settled - cohort.opens for cohort in self.cohorts), default=0)
        return self.earliest_settlement - max_age - DAY  # a day for the rounding of times

    def spec(self, cohort: Cohort, number: int) -> AnySpec:
        """Return the event with a number of a cohort."""
        return self._combo_spec(cohort, number) if cohort.is_combo else self._event_spec(cohort, number)

    def find_event(self, event_ticker: str, now: int) -> AnySpec | None:
        """Return the event with a ticker, or None if it was not created by `now`."""
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
        """Return a leg of a combo: an event and the position of one of its markets, both selected by `dice`.

        The event was open at the instant. If none is found, it is any event.
        """
        event = self._event_spec(self._bettable[0], 0)
        for offset in range(len(self._bettable)):
            cohort = self._bettable[(dice + offset) % len(self._bettable)]
            numbers = cohort.candidate_range(at - cohort.ends, at - cohort.opens)
            # Popular events are those whose number is a multiple of the stride, whatever the instant.
            stride = max(1, len(numbers) // POPULAR_EVENTS)
            popular = range(ceil(numbers.start / stride) * stride, numbers.stop, stride)
            for attempt in range(min(8, len(popular))):
                event = self._event_spec(cohort, popular[(dice + attempt) % len(popular)])
                if event.opens <= at < event.ends:
                    return event, dice % len(event.contracts)
        return event, dice % len(event.contracts)
