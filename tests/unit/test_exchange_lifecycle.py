"""Lifecycle of generated markets: order of the states, members that change, markets that are deleted."""

import itertools
import json
from collections import Counter, defaultdict
from typing import Any

import pytest

from local.exchange.catalogue import MarketFilter, Order
from local.exchange.clock import DAY, HOUR, SECOND, Clock, parse
from local.exchange.generated.exchange import GeneratedExchange

START = parse("2026-11-24T12:00:00Z")
STEPS, STEP = 180, 27 * HOUR
RANKS = {
    "initialized": 0,
    "active": 1,
    "inactive": 1,
    "closed": 2,
    "determined": 3,
    "disputed": 4,
    "amended": 5,
    "finalized": 6,
}
TRADING = {
    "yes_bid_dollars", "yes_bid_size_fp", "yes_ask_dollars", "yes_ask_size_fp", "no_bid_dollars", "no_ask_dollars",
    "last_price_dollars", "previous_price_dollars", "previous_yes_bid_dollars", "previous_yes_ask_dollars",
    "volume_fp", "volume_24h_fp", "open_interest_fp", "status",
}  # fmt: skip

Snapshot = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def exchange() -> GeneratedExchange:
    return GeneratedExchange(3, 250, Clock(START, speed=0), 0)


@pytest.fixture(scope="module")
def snapshots(exchange: GeneratedExchange) -> list[Snapshot]:
    """Return every market of both tiers, every 27 hours for two hundred days."""
    states = []
    for step in range(STEPS):
        exchange.clock.set(START + step * STEP)
        states.append(everything(exchange))
    return states


def everything(exchange: GeneratedExchange) -> Snapshot:
    markets = {}
    for archived in (False, True):
        for _, market in exchange.markets(Order.CREATED, None, MarketFilter(archived=archived)):
            markets[market.ticker] = json.loads(market.json)
    return markets


def histories(snapshots: list[Snapshot]) -> dict[str, list[dict[str, Any]]]:
    states = defaultdict(list)
    for snapshot in snapshots:
        for ticker, market in snapshot.items():
            states[ticker].append(market)
    return states


def test_a_market_goes_through_its_statuses_in_order_and_all_occur(snapshots: list[Snapshot]) -> None:
    steps: Counter[tuple[str, str]] = Counter()
    for states in histories(snapshots).values():
        statuses = [state["status"] for state in states]
        assert [RANKS[status] for status in statuses] == sorted(RANKS[status] for status in statuses)
        steps.update(itertools.pairwise(statuses))
    met = {status for step in steps for status in step}
    assert met == set(RANKS)
    assert steps["active", "inactive"] > 0 < steps["inactive", "active"]


def test_a_market_never_comes_back_and_only_untraded_provisional_ones_vanish(snapshots: list[Snapshot]) -> None:
    removed = 0
    for before, after in itertools.pairwise(snapshots):
        for ticker in set(before) - set(after):
            assert before[ticker].get("is_provisional") is True
            assert before[ticker]["volume_fp"] == "0.00"
            removed += 1
    assert removed > 20
    seen: set[str] = set()
    for before, after in itertools.pairwise(snapshots):
        seen |= set(before)
        assert not (set(after) - set(before)) & seen


def test_volume_only_grows_and_stands_still_unless_a_market_is_active(snapshots: list[Snapshot]) -> None:
    grown = 0
    for states in histories(snapshots).values():
        for before, after in itertools.pairwise(states):
            volumes = float(before["volume_fp"]), float(after["volume_fp"])
            assert volumes[0] <= volumes[1]
            grown += volumes[0] < volumes[1]
            if before["status"] in ("closed", "determined", "disputed", "amended", "finalized"):
                assert volumes[0] == volumes[1]
            assert float(after["volume_24h_fp"]) <= volumes[1]
    assert grown > 500


def test_updated_time_tells_every_change_of_what_is_not_trading(snapshots: list[Snapshot]) -> None:
    edited = moved = 0
    for states in histories(snapshots).values():
        for before, after in itertools.pairwise(states):
            changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} - TRADING
            changed -= {"result"}  # a time causes it: determination is no edit
            if changed - {"updated_time"} and before["updated_time"] != "0001-01-01T00:00:00Z":
                assert parse(after["updated_time"]) > parse(before["updated_time"]), changed
            edited += "rules_primary" in changed
            moved += "close_time" in changed
    assert edited > 20
    assert moved > 20


def test_a_close_moves_only_forward_to_the_present(snapshots: list[Snapshot]) -> None:
    for step, (before, after) in enumerate(itertools.pairwise(snapshots)):
        for ticker in set(before) & set(after):
            closes, now_closes = parse(before[ticker]["close_time"]), parse(after[ticker]["close_time"])
            if closes != now_closes:
                assert START + step * STEP < now_closes <= START + (step + 1) * STEP
                assert now_closes < closes


def test_settlement_has_its_time_its_value_and_an_edit_right_after(
    exchange: GeneratedExchange, snapshots: list[Snapshot]
) -> None:
    final = [market for market in snapshots[-1].values() if market["status"] == "finalized"]
    for market in final:
        assert parse(market["settlement_ts"]) <= START + STEPS * STEP
        assert market["open_interest_fp"] == "0.00"
        if "mve_collection_ticker" not in market and market["updated_time"] != "0001-01-01T00:00:00Z":
            assert 0 <= parse(market["updated_time"]) - parse(market["settlement_ts"]) < SECOND
    assert {market["result"] for market in final} == {"yes", "no", "scalar"}


def test_the_cutoff_rolls_at_midnight_and_takes_what_settled_before(exchange: GeneratedExchange) -> None:
    midnight = parse("2027-02-01T00:00:00Z")
    exchange.clock.set(midnight - 1)
    assert exchange.cutoff == midnight - 61 * DAY
    before = {market.ticker for _, market in exchange.markets(Order.CREATED, None, MarketFilter(archived=True))}
    exchange.clock.set(midnight)
    assert exchange.cutoff == midnight - 60 * DAY
    after = {market.ticker: market for _, market in exchange.markets(Order.CREATED, None, MarketFilter(archived=True))}
    assert before < set(after)
    for ticker in set(after) - before:
        settled = after[ticker].settled
        assert settled is not None
        assert exchange.cutoff - DAY <= settled < exchange.cutoff


def test_old_markets_are_stuck_closed_for_years() -> None:
    exchange = GeneratedExchange(1, 5000, Clock(START, speed=0), 0)
    closed = exchange.markets(Order.CLOSES, None, MarketFilter(phase="closed", time="closes", last=START - 365 * DAY))
    assert len(list(closed)) > 20
