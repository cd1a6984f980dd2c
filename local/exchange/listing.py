"""GET /markets and GET /events: which rows a query finds, and the page of them behind its cursor.

Parameters and refused combinations: docs.kalshi.com, Get Markets and Get Events.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from local.exchange.catalogue import Event, Exchange, Market, Order
from local.exchange.clock import SECOND
from local.exchange.cursor import Position, decode, encode
from local.exchange.errors import bad_request
from local.exchange.parameters import Parameters

Row = TypeVar("Row")
Test = Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    rows: list[Row]
    cursor: str


@dataclass(frozen=True, slots=True)
class TimeFilter:
    """A `min_…_ts`, `max_…_ts` pair: the time it bounds, the order it lists in, the statuses that may go with it."""

    name: str
    time: Callable[[Market], int | None]
    order: Order
    statuses: tuple[str, ...]


TIME_FILTERS = (
    # `paused` is undocumented but accepted (observed on production, 2026-09).
    TimeFilter("created", lambda market: market.created, Order.CREATED, ("unopened", "open", "paused")),
    TimeFilter("close", lambda market: market.closes, Order.CLOSES, ("closed",)),
    TimeFilter("settled", lambda market: market.settled, Order.SETTLED, ("settled",)),
    TimeFilter("updated", lambda market: market.updated, Order.CREATED, ()),
)
MARKET_PHASES = ("unopened", "open", "paused", "closed", "settled")
# An event is in the first of these phases that any of its live markets is in.
EVENT_PHASES = ("open", "unopened", "closed", "settled")


def list_markets(exchange: Exchange, query: Parameters) -> Page[Market]:
    limit = query.limit("GetMarkets", default=100, maximum=1000)
    phase = _phase(query, MARKET_PHASES)
    time_filter = _time_filter(query)
    if time_filter:
        _refuse_combinations(query, time_filter, phase)
    order = time_filter.order if time_filter else Order.CREATED
    tests = _market_tests(exchange, query, phase) + (_time_tests(query, time_filter) if time_filter else [])
    return _page(exchange.markets(order, decode(query.text("cursor"))), tests, limit)


def list_events(exchange: Exchange, query: Parameters) -> Page[Event]:
    limit = query.limit("GetEvents", default=200, maximum=200)
    tests: list[Test[Event]] = []
    if phase := _phase(query, EVENT_PHASES):
        tests.append(lambda event: _event_phase(exchange.markets_of(event)) == phase)
    if series := query.text("series_ticker"):
        tests.append(lambda event: event.series_ticker == series)
    return _page(exchange.events(decode(query.text("cursor"))), tests, limit)


def _page(rows: Iterator[tuple[Position, Row]], tests: list[Test[Row]], limit: int) -> Page[Row]:
    """A full page has a cursor even when nothing follows it: a keyset listing does not look ahead."""
    found = list(islice((pair for pair in rows if all(test(pair[1]) for test in tests)), limit))
    return Page([row for _, row in found], encode(found[-1][0]) if len(found) == limit else "")


def _phase(query: Parameters, known: tuple[str, ...]) -> str | None:
    status = query.text("status")
    if status and "," in status:
        raise bad_request("only one status filter may be supplied")
    if status not in (None, *known):
        raise bad_request("invalid status filter")
    return status


def _event_phase(markets: list[Market]) -> str:
    phases = {market.phase for market in markets}
    return next((phase for phase in EVENT_PHASES if phase in phases), "open")  # all paused: the event itself goes on


def _bounds(query: Parameters, time_filter: TimeFilter) -> tuple[int | None, int | None]:
    return query.integer(f"min_{time_filter.name}_ts"), query.integer(f"max_{time_filter.name}_ts")


def _time_filter(query: Parameters) -> TimeFilter | None:
    used = [one for one in TIME_FILTERS if _bounds(query, one) != (None, None)]
    if len(used) > 1:
        raise bad_request("timestamp filters are mutually exclusive: " + ", ".join(f"{one.name}_ts" for one in used))
    return used[0] if used else None


def _refuse_combinations(query: Parameters, time_filter: TimeFilter, phase: str | None) -> None:
    name = f"{time_filter.name}_ts"
    if phase and phase not in time_filter.statuses:
        allowed = " or ".join(time_filter.statuses) or "none"
        raise bad_request(f"{name} filters are incompatible with status {phase}; compatible: {allowed}")
    if time_filter.name != "updated":
        return
    excludes_combos = query.text("mve_filter") == "exclude"
    if query.text("tickers") or query.text("event_ticker") or query.text("mve_filter") == "only":
        raise bad_request(f"{name} filters are incompatible with all filters besides mve_filter=exclude")
    if query.text("series_ticker") and not excludes_combos:
        raise bad_request(f"{name} filters with series_ticker require mve_filter=exclude")


def _market_tests(exchange: Exchange, query: Parameters, phase: str | None) -> list[Test[Market]]:
    tests: list[Test[Market]] = []
    if phase:
        tests.append(lambda market: market.phase == phase)
    if (combos := query.text("mve_filter")) is not None:
        if combos not in ("only", "exclude"):
            raise bad_request("invalid mve_filter")
        tests.append(lambda market: market.is_combo == (combos == "only"))
    if event := query.text("event_ticker"):
        tests.append(lambda market: market.event_ticker == event)
    if series := query.text("series_ticker"):
        tests.append(lambda market: exchange.series_of(market) == series)
    if (tickers := query.names("tickers")) is not None:
        wanted = frozenset(tickers)
        tests.append(lambda market: market.ticker in wanted)
    return tests


def _time_tests(query: Parameters, time_filter: TimeFilter) -> list[Test[Market]]:
    """Whole Unix seconds, exclusive against the microseconds of the rows; only max_updated_ts is "at or before"."""
    low, high = _bounds(query, time_filter)
    first = None if low is None else low * SECOND + 1
    last = None if high is None else high * SECOND - (time_filter.name != "updated")

    def within(market: Market) -> bool:
        at = time_filter.time(market)
        return at is not None and (first is None or at >= first) and (last is None or at <= last)

    return [within]
