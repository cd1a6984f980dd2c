"""Edits of series and events, and amendments of results: what changes, when, and how a client finds it."""

import json
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pytest

from local.exchange.catalogue import Event, EventFilter, Market, MarketFilter, Order
from local.exchange.clock import DAY, HOUR, SECOND, Clock, parse
from local.exchange.generated.exchange import GeneratedExchange
from local.exchange.http.listing import list_events, list_series
from local.exchange.http.parameters import Parameters

START = parse("2026-11-24T12:00:00Z")
STEPS, STEP = 60, 31 * HOUR

Json = dict[str, Any]


def at(seed: int, instant: int, size: int = 250) -> GeneratedExchange:
    return GeneratedExchange(seed, size, Clock(instant, speed=0), 0)


def series_of(exchange: GeneratedExchange) -> dict[str, Json]:
    return {series.ticker: series.fields for series in exchange.all_series()}


def without_time(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if name != "last_updated_ts"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_series_changes_with_its_last_update_and_only_then(seed: int) -> None:
    changed: Counter[str] = Counter()
    states = [series_of(at(seed, START + step * STEP)) for step in range(STEPS)]
    for step, (before, after) in enumerate(pairwise(states)):
        for ticker in before:
            updates = [parse(state[ticker]["last_updated_ts"]) for state in (before, after)]
            assert (updates[0] == updates[1]) is (without_time(before[ticker]) == without_time(after[ticker]))
            if updates[0] != updates[1]:
                assert START + step * STEP < updates[1] <= START + (step + 1) * STEP
            changed.update(name for name in before[ticker] if before[ticker][name] != after[ticker][name])
    assert set(changed) == {"title", "categories", "tags", "last_updated_ts"}
    assert min(changed.values()) > 10


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_refresh_of_series_by_their_last_update_finds_every_change(seed: int) -> None:
    exchange = at(seed, START)
    copy = series_of(exchange)
    count = 0
    for step in range(1, STEPS):
        since = exchange.clock.now() // SECOND
        exchange.clock.set(START + step * STEP)
        rows = list_series(exchange, Parameters([("min_updated_ts", str(since))]))
        count += len(rows)
        copy |= {series.ticker: series.fields for series in rows}
        assert copy == series_of(exchange)
    assert 0 < count < STEPS * len(copy) / 4


def test_series_are_filtered_by_any_of_their_categories_and_tags() -> None:
    exchange = at(1, START)
    everything = series_of(exchange)
    for name, value in (
        ("category", "Culture"),
        ("category", "Sports"),
        ("tags", "Bitcoin"),
        ("tags", "Ether,Bitcoin"),
    ):
        field = {"category": "categories"}.get(name, name)
        expected = {key for key, row in everything.items() if set(row[field] or []) & set(value.split(","))}
        assert {series.ticker for series in list_series(exchange, Parameters([(name, value)]))} == expected != set()
    assert not list_series(exchange, Parameters([("category", "culture")]))
    secondary = [row for row in everything.values() if row["category"] != "Culture" and "Culture" in row["categories"]]
    assert secondary
    assert all(row["categories"][0] == row["category"] for row in everything.values())
    assert {row["fee_type"] for row in everything.values()} > {"quadratic", "quadratic_with_maker_fees"}


def events_of(exchange: GeneratedExchange, filter_: EventFilter | None = None) -> dict[str, Json]:
    rows: list[Event] = [event for _, event in exchange.events(None, filter_ or EventFilter())]
    return {event.ticker: json.loads(event.json) for event in rows}


@pytest.mark.parametrize("seed", [1, 2])
def test_an_event_changes_only_with_its_last_update(seed: int) -> None:
    exchange, titles = at(seed, START), 0
    states = []
    for step in range(STEPS):
        exchange.clock.set(START + step * STEP)
        states.append(events_of(exchange))
    for before, after in pairwise(states):
        for ticker in before.keys() & after.keys():
            if without_time(before[ticker]) != without_time(after[ticker]):
                assert parse(before[ticker]["last_updated_ts"]) < parse(after[ticker]["last_updated_ts"])
                titles += before[ticker]["title"] != after[ticker]["title"]
    assert titles > 5


@pytest.mark.parametrize("seed", [1, 2])
def test_a_refresh_of_events_by_their_last_update_finds_every_change(seed: int) -> None:
    exchange = at(seed, START)
    copy = events_of(exchange)
    for step in range(1, STEPS):
        since = exchange.clock.now() // SECOND
        exchange.clock.set(START + step * STEP)
        cursor, rows = "", dict[str, Json]()
        while True:
            query = [("min_updated_ts", str(since)), ("limit", "20"), ("cursor", cursor)]
            page = list_events(exchange, Parameters(query))
            rows |= {event.ticker: json.loads(event.json) for event in page.rows}
            cursor = page.cursor
            if not cursor:
                break
        everything = events_of(exchange)
        updated = {ticker for ticker, row in everything.items() if parse(row["last_updated_ts"]) > since * SECOND}
        assert rows.keys() == updated
        copy |= rows
        dated = {ticker: row for ticker, row in everything.items() if row["last_updated_ts"] > "0002"}
        assert {ticker: copy[ticker] for ticker in dated} == dated


def test_an_event_has_a_strike_date_or_a_strike_period_and_fees_of_its_own_at_times() -> None:
    rows = list(events_of(GeneratedExchange(1, 3000, Clock(START, speed=0), 0)).values())
    assert all(row["strike_period"] == "" for row in rows if "strike_date" in row)
    assert {row["strike_period"] for row in rows} == {"", "month", "quarter", "year"}
    assert any("strike_date" in row for row in rows)
    assert {row["collateral_return_type"] for row in rows} == {"", "MECNET", "DIRECNET"}
    assert all((row["collateral_return_type"] == "MECNET") is row["mutually_exclusive"] for row in rows)
    assert any("product_metadata" in row for row in rows)
    overrides = [row for row in rows if "fee_type_override" in row]
    assert 0 < len(overrides) < len(rows) / 20


@pytest.mark.parametrize("seed", [3, 4])
def test_an_amendment_changes_the_results_of_some_markets_and_nothing_else_does(seed: int) -> None:
    exchange, results = at(seed, START, 800), defaultdict[str, list[tuple[str, str]]](list)

    def note(market: Market) -> None:
        fields = json.loads(market.json)
        if fields["result"]:
            results[market.ticker].append((fields["status"], fields["result"]))

    for step in range(300):
        exchange.clock.set(START + step * 9 * HOUR)
        for _, market in exchange.markets(Order.CREATED, None, MarketFilter(phase="closed")):
            note(market)
    exchange.clock.set(START + 1000 * DAY)
    for ticker in list(results):
        settled = exchange.market(ticker) or exchange.market(ticker, archived=True)
        if settled:  # but for provisional ones that never traded
            note(settled)
    changes: Counter[tuple[str, str]] = Counter()
    for states in results.values():
        for (_, before), (status, after) in pairwise(states):
            if before != after:
                assert status in ("amended", "finalized")
                changes[before, after] += 1
    assert changes["yes", "no"] > 0 < changes["no", "yes"]
    assert all(before != "scalar" for before, _ in changes)
