"""Listings of the generated exchange at one instant.

A listing is a merge over the strata. In each the events that can matter are a range of numbers, found by arithmetic
and a little too wide; the events in it are then looked at one by one. A cursor is one more bound of that range.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

from local.exchange.catalogue import PHASES, Event, Market, Order, Wanted, WantedEvents
from local.exchange.clock import DAY
from local.exchange.combos import TITLES, ComboPlan
from local.exchange.cursor import Position
from local.exchange.generated import GeneratedCombo, GeneratedEvent, GeneratedMarket
from local.exchange.plan import EventPlan
from local.exchange.strata import Stratum
from local.exchange.windows import ALWAYS, Window, cursor_window, overlap, phase_window, time_window, update_windows

if TYPE_CHECKING:
    from local.exchange.world import World

LINGER = 3 * DAY  # how long markets that linger are in both tiers (on production the overlap was seen, not measured)

Plan = EventPlan | ComboPlan
Row = GeneratedMarket | GeneratedCombo


class Scan:
    """One look at the exchange."""

    def __init__(self, world: "World", now: int, cutoff: int) -> None:
        self._world = world
        self._now = now
        self._cutoff = cutoff

    def market(self, ticker: str, *, archived: bool) -> Row | None:
        for event_ticker in (ticker, ticker.rpartition("-")[0]):
            event = self._world.find(event_ticker, self._now)
            for market in self._markets_of(event) if event else ():
                if market.ticker == ticker and self._is_in(market, archived=archived):
                    return market
        return None

    def event(self, ticker: str) -> Event | None:
        plan = self._world.find(ticker, self._now)
        return self._event(plan) if plan and self._exists(plan) else None

    def markets(self, order: Order, after: Position | None, wanted: Wanted) -> Iterator[tuple[Position, Market]]:
        """The wanted markets, see Exchange.markets."""
        if wanted.tickers is not None:
            found = (self.market(ticker, archived=wanted.archived) for ticker in wanted.tickers)
            return iter(self._sorted(order, after, wanted, [market for market in found if market]))
        if wanted.event is not None:
            plan = self._world.find(wanted.event, self._now)
            return iter(self._sorted(order, after, wanted, self._markets_of(plan) if plan else []))
        streams = [self._stream(one, order, after, wanted) for one in self._strata(wanted)]
        return heapq.merge(*streams, key=itemgetter(0), reverse=True)

    def events(self, after: Position | None, wanted: WantedEvents) -> Iterator[tuple[Position, Event]]:
        """The wanted events, see Exchange.events."""
        if wanted.tickers is not None:
            found = (self._world.find(ticker, self._now) for ticker in wanted.tickers)
            return iter(self._sorted_events(after, wanted, (plan for plan in found if plan)))
        of_series = Wanted(combos=False, series=wanted.series)
        streams = [self._event_stream(one, after, wanted, of_series) for one in self._strata(of_series)]
        return heapq.merge(*streams, key=itemgetter(0), reverse=True)

    def count(self) -> int:
        """How many live markets there are; only the events at the edges of the strata are looked at."""
        total = 0
        for stratum in self._world.strata:
            numbers = stratum.numbers(*self._tier(stratum, archived=False))
            sure = stratum.sure_numbers(max(self._cutoff, self._world.dawn) - stratum.settled, self._now)
            if stratum.is_provisional or not sure:  # some of them may have vanished
                sure = range(numbers.start, numbers.start)
            total += stratum.market_count(sure)
            for number in chain(range(numbers.start, sure.start), range(sure.stop, numbers.stop)):
                markets = self._markets_of(self._world.plan(stratum, number))
                total += len([market for market in markets if self._is_in(market, archived=False)])
        return total

    def _strata(self, wanted: Wanted) -> Iterator[Stratum]:
        """Those that can have what is wanted."""
        for stratum in self._world.strata:
            has_series = wanted.series in TITLES if stratum.is_combo else stratum.turns(wanted.series)
            if wanted.combos in (None, stratum.is_combo) and (wanted.series is None or has_series):
                yield stratum

    def _tier(self, stratum: Stratum, *, archived: bool) -> Window:
        dawn = self._world.dawn - stratum.settled
        if stratum.is_combo and stratum.is_provisional:  # all vanish
            return (self._now, ALWAYS[0]) if archived else (self._now - stratum.settled, self._now)
        if archived:
            return dawn, self._cutoff - stratum.settled
        return max(dawn, self._cutoff - LINGER - stratum.settled), self._now

    def _stream(
        self, stratum: Stratum, order: Order, after: Position | None, wanted: Wanted
    ) -> Iterator[tuple[Position, Market]]:
        window = overlap(self._tier(stratum, archived=wanted.archived), phase_window(stratum, wanted.phase, self._now))
        if order is Order.CREATED:
            return self._by_creation(stratum, window, after, wanted)
        if order is Order.CLOSES:
            return self._by_close(stratum, window, after, wanted)
        age = stratum.settled
        window = overlap(window, phase_window(stratum, "settled", self._now))
        numbers = stratum.numbers(*overlap(window, time_window(age, wanted), cursor_window(age, after)))
        return self._rows(self._plans(stratum, numbers, wanted), attrgetter("settled"), order, after, wanted)

    def _by_creation(
        self, stratum: Stratum, window: Window, after: Position | None, wanted: Wanted
    ) -> Iterator[tuple[Position, Market]]:
        key = attrgetter("number")
        numbers: Sequence[int]
        if stratum.oddity == "year 1":  # all created at once: one group, in the order of their tickers
            key = attrgetter("created")
            numbers = stratum.numbers(*window)
        else:
            window = overlap(window, cursor_window(0, after))
            windows = [time_window(0, wanted)] if wanted.time == "created" else [ALWAYS]
            if wanted.time == "updated" and wanted.first is not None:
                windows = update_windows(stratum, wanted, self._now)
            ranges = [stratum.numbers(*overlap(window, one)) for one in windows]
            numbers = ranges[0] if len(ranges) == 1 else sorted({number for one in ranges for number in one})
        return self._rows(self._plans(stratum, numbers, wanted), key, Order.CREATED, after, wanted)

    def _by_close(
        self, stratum: Stratum, window: Window, after: Position | None, wanted: Wanted
    ) -> Iterator[tuple[Position, Market]]:
        """Those that closed early stand in this order by their real close, the others by the announced one."""
        streams = []
        ages = {stratum.opens} if stratum.oddity == "inverted" else {stratum.schedule, stratum.ends}
        for age in ages:
            bounds = [window, time_window(age, wanted), cursor_window(age, after)]
            is_far = stratum.oddity == "far" and age == stratum.schedule  # all announced for the same instant
            numbers = stratum.numbers(*(window if is_far else overlap(*bounds)))
            plans = self._plans(stratum, numbers, wanted)
            if len(ages) == 2:
                plans = self._by_state(plans, closed=age == stratum.ends)
            streams.append(self._rows(plans, self._closes, Order.CLOSES, after, wanted))
        return heapq.merge(*streams, key=itemgetter(0), reverse=True)

    def _by_state(self, plans: Iterator[Plan], *, closed: bool) -> Iterator[Plan]:
        return (plan for plan in plans if (plan.ends <= self._now) is closed)

    def _closes(self, plan: Plan) -> int:
        return plan.closes(self._now) if isinstance(plan, EventPlan) else plan.ends

    def _plans(self, stratum: Stratum, numbers: Sequence[int], wanted: Wanted) -> Iterator[Plan]:
        """Newest first."""
        turns = stratum.turns(wanted.series) if wanted.series and not stratum.is_combo else None
        for number in reversed(numbers):
            if turns is None or number % len(stratum.deck) in turns:
                yield self._world.plan(stratum, number)

    def _rows(
        self, plans: Iterator[Plan], key: Callable[[Plan], int], order: Order, after: Position | None, wanted: Wanted
    ) -> Iterator[tuple[Position, Market]]:
        """The rows of events that come in falling order of a key, equal ones together."""
        for _, group in groupby(plans, key=key):
            markets = [market for plan in group for market in self._markets_of(plan)]
            yield from self._sorted(order, after, wanted, markets)

    def _sorted(
        self, order: Order, after: Position | None, wanted: Wanted, markets: Iterable[Row]
    ) -> list[tuple[Position, Market]]:
        found: list[tuple[Position, Market]] = []
        for market in markets:
            if self._is_in(market, archived=wanted.archived) and wanted.admits(market):
                position = order.position(market)
                if position is not None and (after is None or position < after):
                    found.append((position, market))
        found.sort(key=itemgetter(0), reverse=True)
        return found

    def _markets_of(self, plan: Plan) -> list[Row]:
        if isinstance(plan, ComboPlan):
            return [GeneratedCombo(plan, self._now, self._world.leg)]
        return [GeneratedMarket(plan, position, self._now) for position in range(len(plan.contracts))]

    def _is_in(self, market: Row, *, archived: bool) -> bool:
        """Whether it is in a tier: live, or archived."""
        settled = market.settled
        if settled is None:
            return not archived and market.begins <= self._now
        if settled < self._world.dawn or market.vanishes:
            return False
        if settled < self._cutoff:
            return archived or (settled >= self._cutoff - LINGER and market.lingers)
        return not archived

    def _exists(self, plan: Plan) -> bool:
        """Events are there as long as one of their markets is, in either tier."""
        markets = self._markets_of(plan)
        return any(self._is_in(market, archived=archived) for market in markets for archived in (False, True))

    def _event(self, plan: Plan) -> GeneratedEvent:
        return GeneratedEvent(plan, self._now, self._live_markets)

    def _live_markets(self, plan: Plan) -> list[Market]:
        """Oldest first."""
        live = self._sorted(Order.CREATED, None, Wanted(), self._markets_of(plan))
        return [market for _, market in reversed(live)]

    def _event_stream(
        self, stratum: Stratum, after: Position | None, wanted: WantedEvents, of_series: Wanted
    ) -> Iterator[tuple[Position, Event]]:
        window = overlap(
            (self._world.dawn - stratum.settled, self._now), phase_window(stratum, wanted.phase, self._now)
        )
        is_odd = stratum.oddity == "year 1"
        numbers = stratum.numbers(*(window if is_odd else overlap(window, cursor_window(0, after))))
        plans = self._plans(stratum, numbers, of_series)
        for _, group in groupby(plans, key=attrgetter("created")):
            yield from self._sorted_events(after, wanted, group)

    def _sorted_events(
        self, after: Position | None, wanted: WantedEvents, plans: Iterable[Plan]
    ) -> list[tuple[Position, Event]]:
        found: list[tuple[Position, Event]] = []
        for plan in plans:
            position = Position(plan.created, plan.event_ticker)
            if isinstance(plan, EventPlan) and (after is None or position < after) and self._admits(plan, wanted):
                found.append((position, self._event(plan)))
        found.sort(key=itemgetter(0), reverse=True)
        return found

    def _admits(self, plan: EventPlan, wanted: WantedEvents) -> bool:
        return (
            (wanted.phase is None or PHASES[plan.status(self._now)] == wanted.phase)
            and (wanted.series is None or plan.series_ticker == wanted.series)
            and (wanted.closes_after is None or plan.closes(self._now) > wanted.closes_after)
            and (wanted.updated_after is None or plan.updated(self._now) > wanted.updated_after)
            and self._exists(plan)
        )
