"""Listings of the generated exchange compared with brute force over every event."""

import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.exchange.catalogue import MarketFilter, Order
from local.exchange.clock import DAY, HOUR, SECOND, Clock, parse
from local.exchange.generated.combos import ComboSpec
from local.exchange.generated.exchange import GeneratedExchange
from local.exchange.generated.objects import GeneratedCombo, GeneratedMarket
from local.exchange.generated.snapshot import TIER_OVERLAP
from local.exchange.http.errors import ExchangeError
from local.exchange.http.listing import list_archived_markets, list_events, list_markets
from local.exchange.http.parameters import Parameters

START = parse("2026-11-24T12:00:00Z")
INSTANTS = [START + days * DAY + 5 * HOUR for days in (-40, 0, 2, 61, 200)]
SIZES = [(1, 150, 0), (2, 90, 700), (3, 20, 2500)]  # seed, live, archived: the last needs the past cohort

Row = GeneratedMarket | GeneratedCombo


@lru_cache(maxsize=4)
def world(kind: int) -> GeneratedExchange:
    seed, size, archived = SIZES[kind]
    return GeneratedExchange(seed, size, Clock(START, speed=0), archived)


def every_market(world: GeneratedExchange, now: int) -> Iterator[Row]:
    """Yield the markets of all events that have been created; of combos that are deleted, those of the last day."""
    for cohort in world.population.cohorts:
        top = (now - cohort.origin) // cohort.interval + 2
        first = max(0, top - DAY // cohort.interval - 3) if cohort.quirk == "provisional combo" else 0
        for number in range(first, top if cohort.end is None else min(top, cohort.end)):
            spec = world.population.spec(cohort, number)
            if isinstance(spec, ComboSpec):
                yield GeneratedCombo(spec, now, world.population.leg_at)
            else:
                yield from (GeneratedMarket(spec, position, now) for position in range(len(spec.contracts)))


def tiers(world: GeneratedExchange, now: int, market: Row) -> set[bool]:
    """Return the tiers of a market: live (False), archived (True)."""
    settled, cutoff = market.settled, (now // DAY - 60) * DAY
    if settled is None:
        return {False} if market.created_exact <= now else set()
    if settled < world.population.earliest_settlement or market.deleted_on_settlement:
        return set()
    if settled >= cutoff:
        return {False}
    return {True, False} if market.in_both_tiers and settled >= cutoff - TIER_OVERLAP else {True}


@lru_cache(maxsize=32)
def markets_in_tier(kind: int, now: int, archived: bool) -> list[Row]:
    return [market for market in every_market(world(kind), now) if archived in tiers(world(kind), now, market)]


STATUSES = (None, "unopened", "open", "paused", "closed", "settled")
STATUSES_BY_TIME = {
    "created": ("unopened", "open", "paused"),
    "close": ("closed",),
    "settled": ("settled",),
    "updated": (),
}
TIMES = {"created": "created", "close": "closes", "settled": "settled", "updated": "updated"}
ORDERS = {
    None: Order.CREATED,
    "created": Order.CREATED,
    "close": Order.CLOSES,
    "settled": Order.SETTLED,
    "updated": Order.CREATED,
}
seconds = st.none() | st.integers(-90 * 86_400, 900 * 86_400).map(lambda after: START // SECOND + after)


def walk(world: GeneratedExchange, query: dict[str, str], *, archived: bool = False) -> list[str]:
    """Return the tickers of all pages of a listing."""
    lister = list_archived_markets if archived else list_markets
    tickers: list[str] = []
    cursor = ""
    while True:
        page = lister(world, Parameters([*query.items(), ("cursor", cursor)]))
        tickers += [market.ticker for market in page.rows]
        cursor = page.cursor
        if not cursor:
            return tickers


@settings(max_examples=120, deadline=None)
@given(
    kind=st.integers(0, 2),
    now=st.sampled_from(INSTANTS),
    status=st.sampled_from(STATUSES),
    combos=st.sampled_from([None, "only", "exclude"]),
    family=st.sampled_from([None, *TIMES]),
    low=seconds,
    high=seconds,
    limit=st.sampled_from([7, 100, 1000]),
)
def test_the_pages_of_any_query_are_what_brute_force_finds(
    kind: int,
    now: int,
    status: str | None,
    combos: str | None,
    family: str | None,
    low: int | None,
    high: int | None,
    limit: int,
) -> None:
    world(kind).clock.set(now)
    low, high = (low, high) if family else (None, None)
    given_bounds = {
        f"min_{family}_ts": low,
        f"max_{family}_ts": high,
        "status": status,
        "mve_filter": combos,
        "limit": limit,
    }
    query = {name: str(value) for name, value in given_bounds.items() if value is not None}
    filter_ = MarketFilter(
        phase=status,
        combos=None if combos is None else combos == "only",
        time=TIMES[family] if family and (low, high) != (None, None) else None,
        first=None if low is None else low * SECOND + 1,
        last=None if high is None else high * SECOND - (family != "updated"),
    )
    order = ORDERS[family] if filter_.time else Order.CREATED
    expected = [
        (position, market.ticker)
        for market in markets_in_tier(kind, now, False)
        if filter_.matches(market) and (position := order.position(market))
    ]
    is_rejected = status not in (None, *STATUSES_BY_TIME.get(family or "", ())) or (
        family == "updated" and combos == "only"
    )
    if filter_.time and is_rejected:
        with pytest.raises(ExchangeError):
            walk(world(kind), query)
    else:
        assert walk(world(kind), query) == [ticker for _, ticker in sorted(expected, reverse=True)]


@pytest.mark.parametrize("kind", range(len(SIZES)))
@pytest.mark.parametrize("now", INSTANTS)
def test_the_archive_is_what_brute_force_finds_behind_the_cutoff(kind: int, now: int) -> None:
    world(kind).clock.set(now)
    expected = sorted(((market.created, market.ticker) for market in markets_in_tier(kind, now, True)), reverse=True)
    assert walk(world(kind), {"limit": "300"}, archived=True) == [ticker for _, ticker in expected]
    assert len(world(kind)) == len(markets_in_tier(kind, now, False))


@pytest.mark.parametrize("kind", range(len(SIZES)))
def test_both_tiers_hold_every_market_once_but_for_those_that_linger(kind: int) -> None:
    now = INSTANTS[3]
    world(kind).clock.set(now)
    live, archived = walk(world(kind), {}), walk(world(kind), {}, archived=True)
    expected = [market.ticker for market in every_market(world(kind), now) if tiers(world(kind), now, market)]
    assert len(live) == len(set(live))
    assert len(archived) == len(set(archived))
    assert set(live) | set(archived) == set(expected)
    both = [market for market in markets_in_tier(kind, now, True) if market.ticker in set(live)]
    assert {market.ticker for market in both} == set(live) & set(archived)
    assert all(world(kind).cutoff - 3 * DAY <= (market.settled or 0) < world(kind).cutoff for market in both)


@pytest.mark.parametrize("kind", range(len(SIZES)))
@pytest.mark.parametrize("archived", [False, True])
def test_a_ticker_finds_the_market_that_the_listing_has(kind: int, archived: bool) -> None:
    now = INSTANTS[2]
    world(kind).clock.set(now)
    for listed in markets_in_tier(kind, now, archived):
        market = world(kind).market(listed.ticker, archived=archived)
        assert market is not None
        assert market.json == listed.json
        other = world(kind).market(listed.ticker, archived=not archived)
        assert (other is not None) == (len(tiers(world(kind), now, listed)) == 2)


def test_a_market_of_an_event_and_of_a_series_is_found_by_them() -> None:
    world(1).clock.set(START)
    for archived in (False, True):
        markets = markets_in_tier(1, START, archived)
        for name, key in (("event_ticker", "event_ticker"), ("series_ticker", "series_ticker")):
            for value in {getattr(market, key) for market in markets[::9]}:
                expected = {market.ticker for market in markets if getattr(market, key) == value}
                assert set(walk(world(1), {name: value}, archived=archived)) == expected


def test_the_state_is_a_function_of_the_instant_forth_and_back() -> None:
    exchange = GeneratedExchange(4, 300, Clock(START, speed=0), 0)

    def state() -> list[bytes]:
        return [market.json for _, market in exchange.markets(Order.CREATED, None)]

    first = state()
    exchange.clock.set(START + 3 * HOUR)
    later = state()
    exchange.clock.set(START)
    assert state() == first != later


@settings(max_examples=20, deadline=None)
@given(
    steps=st.lists(st.integers(1, 6 * 3600), min_size=8, max_size=8),
    status=st.sampled_from(["", "open", "unopened", "settled"]),
)
def test_a_walk_while_the_clock_goes_on_meets_what_does_not_move_exactly_once(steps: list[int], status: str) -> None:
    clock = Clock(START, speed=0)
    exchange = GeneratedExchange(8, 700, clock, 0)
    wanted = MarketFilter(phase=status or None)
    at_first = {market.ticker for _, market in exchange.markets(Order.CREATED, None, wanted)}
    met, cursor = [], ""
    for step in [*steps, *[60] * 100]:
        page = list_markets(exchange, Parameters([("limit", "100"), ("status", status), ("cursor", cursor)]))
        met += [market.ticker for market in page.rows]
        cursor = page.cursor
        if not cursor:
            break
        clock.set(clock.now() + step * SECOND)
    stayed = at_first & {market.ticker for _, market in exchange.markets(Order.CREATED, None, wanted)}
    assert len(met) == len(set(met))
    assert stayed <= set(met)
    assert stayed


def test_configured_empty_pages_have_a_cursor_and_lose_no_rows() -> None:
    exchange = GeneratedExchange(8, 300, Clock(START, speed=0), 0)
    expected = walk(exchange, {"limit": "20"})
    exchange.empty_pages = 0.4
    pages, cursor = [], ""
    while True:
        page = list_markets(exchange, Parameters([("limit", "20"), ("cursor", cursor)]))
        pages.append([market.ticker for market in page.rows])
        assert page.cursor != cursor
        cursor = page.cursor
        if not cursor:
            break
    assert [ticker for tickers in pages for ticker in tickers] == expected
    assert [] in pages[:-1]


@pytest.mark.parametrize("status", ["", "open", "unopened", "closed", "settled"])
def test_events_are_never_archived_and_listed_once(status: str) -> None:
    now = INSTANTS[3]
    exchange = world(1)
    exchange.clock.set(now)
    tickers, cursor = [], ""
    while True:
        page = list_events(exchange, Parameters([("limit", "150"), ("status", status), ("cursor", cursor)]))
        tickers += [event.ticker for event in page.rows]
        cursor = page.cursor
        if not cursor:
            break
    rows = [
        market
        for market in every_market(exchange, now)
        if tiers(exchange, now, market) and isinstance(market, GeneratedMarket)
    ]
    phases = {market.event_ticker: {"paused": "open"}.get(market.phase, market.phase) for market in rows}
    assert sorted(tickers) == sorted(ticker for ticker, phase in phases.items() if status in ("", phase))


# VmHWM, not ru_maxrss: a child process starts with its parent's ru_maxrss.
MEASURE = """
from itertools import islice
from local.exchange.catalogue import Order, MarketFilter
from local.exchange.clock import Clock
from local.exchange.generated import generate
exchange = generate(1, 2_000_000, Clock(), archived=10_000_000)
assert 1_900_000 < len(exchange) < 2_200_000
for wanted in (MarketFilter(), MarketFilter(combos=False), MarketFilter(phase="open", combos=False), MarketFilter(archived=True)):
    after = None
    for _ in range(4):
        rows = list(islice(exchange.markets(Order.CREATED, after, wanted), 1000))
        assert len(rows) == 1000
        sum(len(market.json) for _, market in rows)
        after = rows[-1][0]
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
"""


def test_twelve_million_markets_need_less_than_200_megabytes() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert int(ended.stdout) < 200 * 1024
