"""Listings of the generated exchange at one instant.

A listing is a merge over the cohorts. In each cohort the candidate events are a range of numbers, computed with a small
margin. The events in the range are then checked one by one. A cursor is one more bound of that range.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter, itemgetter

from local.exchange.catalogue import PHASES, Event, EventFilter, Market, MarketFilter, Order
from local.exchange.clock import DAY
from local.exchange.cursor import Position
from local.exchange.generated.cohorts import Cohort
from local.exchange.generated.combos import TITLES, ComboSpec
from local.exchange.generated.event_spec import EventSpec
from local.exchange.generated.objects import GeneratedCombo, GeneratedEvent, GeneratedMarket
from local.exchange.generated.population import AnySpec, Population
from local.exchange.generated.windows import (
    ALWAYS,
    Window,
    cursor_window,
    overlap,
    phase_window,
    time_window,
    update_windows,
)

# Time in both tiers of the markets that remain in the live one. An overlap was observed on production, not its length.
TIER_OVERLAP = 3 * DAY

Row = GeneratedMarket | GeneratedCombo


class Snapshot:
    """Contents of a generated exchange at one instant."""

    def __init__(self, population: Population, now: int, cutoff: int, undone_trades: int = 0) -> None:
        self._population = population
        self._now = now
        self._cutoff = cutoff
        self._undone_trades = undone_trades

    def market(self, ticker: str, *, archived: bool) -> Row | None:
        for event_ticker in (ticker, ticker.rpartition("-")[0]):
            event = self._population.find_event(event_ticker, self._now)
            for market in self._markets_of(event) if event else ():
                if market.ticker == ticker and self._is_in(market, archived=archived):
                    return market
        return None

    def event(self, ticker: str) -> Event | None:
        spec = self._population.find_event(ticker, self._now)
        return self._event(spec) if spec and self._exists(spec) else None

    def markets(self, order: Order, after: Position | None, filter_: MarketFilter) -> Iterator[tuple[Position, Market]]:
        """Return the matching markets. See Exchange.markets."""
        if filter_.tickers is not None:
            markets = (self.market(ticker, archived=filter_.archived) for ticker in filter_.tickers)
            return iter(self._sorted(order, after, filter_, [market for market in markets if market]))
        if filter_.event is not None:
            spec = self._population.find_event(filter_.event, self._now)
            return iter(self._sorted(order, after, filter_, self._markets_of(spec) if spec else []))
        streams = [self._stream(cohort, order, after, filter_) for cohort in self._matching_cohorts(filter_)]
        return heapq.merge(*streams, key=itemgetter(0), reverse=True)

    def traded_markets(self, first: int, last: int) -> Iterator[Market]:
        """Yield the markets that may have trades between two instants. See Exchange.traded_markets."""
        for cohort in self._population.cohorts:
            earliest = self._population.earliest_settlement - cohort.settled
            for number in cohort.candidate_range(max(earliest, first - cohort.ends), last - cohort.opens):
                for market in self._markets_of(self._population.spec(cohort, number)):
                    if market.tape.total and self._is_in_any_tier(market):
                        yield market

    def events(self, after: Position | None, filter_: EventFilter) -> Iterator[tuple[Position, Event]]:
        """Return the matching events. See Exchange.events."""
        if filter_.tickers is not None:
            specs = (self._population.find_event(ticker, self._now) for ticker in filter_.tickers)
            return iter(self._sorted_events(after, filter_, (spec for spec in specs if spec)))
        series_filter = MarketFilter(combos=False, series=filter_.series)
        streams = [
            self._event_stream(cohort, after, filter_, series_filter)
            for cohort in self._matching_cohorts(series_filter)
        ]
        return heapq.merge(*streams, key=itemgetter(0), reverse=True)

    def count(self) -> int:
        """Return the number of live markets. Only events at the ends of the cohorts' ranges are checked."""
        total = 0
        for cohort in self._population.cohorts:
            numbers = cohort.candidate_range(*self._tier_window(cohort, archived=False))
            certain = cohort.certain_range(
                max(self._cutoff, self._population.earliest_settlement) - cohort.settled, self._now
            )
            if cohort.is_provisional or not certain:  # some of them may be deleted
                certain = range(numbers.start, numbers.start)
            total += cohort.market_count(certain)
            for number in chain(range(numbers.start, certain.start), range(certain.stop, numbers.stop)):
                markets = self._markets_of(self._population.spec(cohort, number))
                total += len([market for market in markets if self._is_in(market, archived=False)])
        return total

    def _matching_cohorts(self, filter_: MarketFilter) -> Iterator[Cohort]:
        """Yield the cohorts that can have matching markets."""
        for cohort in self._population.cohorts:
            has_series = filter_.series in TITLES if cohort.is_combo else cohort.positions_of_series(filter_.series)
            if filter_.combos in (None, cohort.is_combo) and (filter_.series is None or has_series):
                yield cohort

    def _tier_window(self, cohort: Cohort, *, archived: bool) -> Window:
        earliest = self._population.earliest_settlement - cohort.settled
        if cohort.is_combo and cohort.is_provisional:  # all are deleted when they settle
            return (self._now, ALWAYS[0]) if archived else (self._now - cohort.settled, self._now)
        if archived:
            return earliest, self._cutoff - cohort.settled
        return max(earliest, self._cutoff - TIER_OVERLAP - cohort.settled), self._now

    def _stream(
        self, cohort: Cohort, order: Order, after: Position | None, filter_: MarketFilter
    ) -> Iterator[tuple[Position, Market]]:
        window = overlap(
            self._tier_window(cohort, archived=filter_.archived), phase_window(cohort, filter_.phase, self._now)
        )
        if order is Order.CREATED:
            return self._by_creation(cohort, window, after, filter_)
        if order is Order.CLOSES:
            return self._by_close(cohort, window, after, filter_)
        age = cohort.settled
        window = overlap(window, phase_window(cohort, "settled", self._now))
        numbers = cohort.candidate_range(*overlap(window, time_window(age, filter_), cursor_window(age, after)))
        return self._rows(self._specs(cohort, numbers, filter_), attrgetter("settled"), order, after, filter_)

    def _by_creation(
        self, cohort: Cohort, window: Window, after: Position | None, filter_: MarketFilter
    ) -> Iterator[tuple[Position, Market]]:
        key = attrgetter("number")
        numbers: Sequence[int]
        if cohort.quirk == "year 1":  # all have the same creation time: one group, sorted by ticker
            key = attrgetter("created")
            numbers = cohort.candidate_range(*window)
        else:
            window = overlap(window, cursor_window(0, after))
            windows = [time_window(0, filter_)] if filter_.time == "created" else [ALWAYS]
            if filter_.time == "updated" and filter_.first is not None:
                windows = update_windows(cohort, filter_, self._now)
            numbers = _numbers(cohort, window, windows)
        return self._rows(self._specs(cohort, numbers, filter_), key, Order.CREATED, after, filter_)

    def _by_close(
        self, cohort: Cohort, window: Window, after: Position | None, filter_: MarketFilter
    ) -> Iterator[tuple[Position, Market]]:
        """Return markets in the order of their close: the real one if it has passed, else the announced one."""
        streams = []
        ages = {cohort.opens} if cohort.quirk == "inverted" else {cohort.schedule, cohort.ends}
        for age in ages:
            bounds = [window, time_window(age, filter_), cursor_window(age, after)]
            is_far = cohort.quirk == "far" and age == cohort.schedule  # all have the same announced close
            numbers = cohort.candidate_range(*(window if is_far else overlap(*bounds)))
            specs = self._specs(cohort, numbers, filter_)
            if len(ages) == 2:
                specs = self._by_state(specs, closed=age == cohort.ends)
            streams.append(self._rows(specs, self._closes, Order.CLOSES, after, filter_))
        return heapq.merge(*streams, key=itemgetter(0), reverse=True)

    def _by_state(self, specs: Iterator[AnySpec], *, closed: bool) -> Iterator[AnySpec]:
        return (spec for spec in specs if (spec.ends <= self._now) is closed)

    def _closes(self, spec: AnySpec) -> int:
        return spec.closes(self._now) if isinstance(spec, EventSpec) else spec.ends

    def _specs(self, cohort: Cohort, numbers: Sequence[int], filter_: MarketFilter) -> Iterator[AnySpec]:
        """Yield the events with the numbers, newest first, if they can match the filter."""
        positions = cohort.positions_of_series(filter_.series) if filter_.series and not cohort.is_combo else None
        for number in reversed(numbers):
            if positions is None or number % len(cohort.template_cycle) in positions:
                yield self._population.spec(cohort, number)

    def _rows(
        self,
        specs: Iterator[AnySpec],
        key: Callable[[AnySpec], int],
        order: Order,
        after: Position | None,
        filter_: MarketFilter,
    ) -> Iterator[tuple[Position, Market]]:
        """Yield the rows of events. `specs` is sorted by `key` in descending order; equal keys form one group."""
        for _, group in groupby(specs, key=key):
            markets = [market for spec in group for market in self._markets_of(spec)]
            yield from self._sorted(order, after, filter_, markets)

    def _sorted(
        self, order: Order, after: Position | None, filter_: MarketFilter, markets: Iterable[Row]
    ) -> list[tuple[Position, Market]]:
        matches: list[tuple[Position, Market]] = []
        for market in markets:
            if self._is_in(market, archived=filter_.archived) and filter_.matches(market):
                position = order.position(market)
                if position is not None and (after is None or position < after):
                    matches.append((position, market))
        matches.sort(key=itemgetter(0), reverse=True)
        return matches

    def _markets_of(self, spec: AnySpec) -> list[Row]:
        if isinstance(spec, ComboSpec):
            return [GeneratedCombo(spec, self._now, self._population.leg_at)]
        positions = range(len(spec.contracts))
        return [GeneratedMarket(spec, position, self._now, self._undone_trades) for position in positions]

    def _is_in(self, market: Row, *, archived: bool) -> bool:
        """Return whether a market is in a tier: live or archived."""
        settled = market.settled
        if settled is None:
            return not archived and market.created_exact <= self._now
        if settled < self._population.earliest_settlement or market.deleted_on_settlement:
            return False
        if settled < self._cutoff:
            return archived or (settled >= self._cutoff - TIER_OVERLAP and market.in_both_tiers)
        return not archived

    def _exists(self, spec: AnySpec) -> bool:
        """Return whether an event exists: at least one of its markets is in one of the tiers."""
        return any(map(self._is_in_any_tier, self._markets_of(spec)))

    def _is_in_any_tier(self, market: Row) -> bool:
        return self._is_in(market, archived=False) or self._is_in(market, archived=True)

    def _event(self, spec: AnySpec) -> GeneratedEvent:
        return GeneratedEvent(spec, self._now, self._live_markets)

    def _live_markets(self, spec: AnySpec) -> list[Market]:
        """Return the live markets of an event, oldest first."""
        live = self._sorted(Order.CREATED, None, MarketFilter(), self._markets_of(spec))
        return [market for _, market in reversed(live)]

    def _event_stream(
        self, cohort: Cohort, after: Position | None, filter_: EventFilter, series_filter: MarketFilter
    ) -> Iterator[tuple[Position, Event]]:
        window = overlap(
            (self._population.earliest_settlement - cohort.settled, self._now),
            phase_window(cohort, filter_.phase, self._now),
        )
        numbers: Sequence[int] = cohort.candidate_range(*window)
        if cohort.quirk != "year 1":
            windows = [ALWAYS]
            if filter_.updated_after is not None:
                windows = update_windows(cohort, MarketFilter(first=filter_.updated_after), self._now)
            numbers = _numbers(cohort, overlap(window, cursor_window(0, after)), windows)
        specs = self._specs(cohort, numbers, series_filter)
        for _, group in groupby(specs, key=attrgetter("created")):
            yield from self._sorted_events(after, filter_, group)

    def _sorted_events(
        self, after: Position | None, filter_: EventFilter, specs: Iterable[AnySpec]
    ) -> list[tuple[Position, Event]]:
        matches: list[tuple[Position, Event]] = []
        for spec in specs:
            position = Position(spec.created, spec.event_ticker)
            if isinstance(spec, EventSpec) and (after is None or position < after) and self._matches(spec, filter_):
                matches.append((position, self._event(spec)))
        matches.sort(key=itemgetter(0), reverse=True)
        return matches

    def _matches(self, spec: EventSpec, filter_: EventFilter) -> bool:
        return (
            (filter_.phase is None or PHASES[spec.status(self._now)] == filter_.phase)
            and (filter_.series is None or spec.series_ticker == filter_.series)
            and (filter_.closes_after is None or spec.closes(self._now) > filter_.closes_after)
            and (filter_.updated_after is None or spec.updated(self._now) > filter_.updated_after)
            and self._exists(spec)
        )


def _numbers(cohort: Cohort, window: Window, windows: Sequence[Window]) -> Sequence[int]:
    """Return the numbers of the events that were created in a window and in one of several others."""
    ranges = [cohort.candidate_range(*overlap(window, bounds)) for bounds in windows]
    return ranges[0] if len(ranges) == 1 else sorted({number for range_ in ranges for number in range_})
