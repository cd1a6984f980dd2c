"""The generated exchange: reproducible, with unique tickers, and similar to the real one."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from local.exchange.catalogue import Exchange, MarketFilter, Order
from local.exchange.catalogue import Market as Listed
from local.exchange.clock import DAY, Clock, parse
from local.exchange.cursor import Position
from local.exchange.generated import generate

NOW = parse("2026-11-24T12:00:00Z")
REQUIRED = {
    "ticker", "event_ticker", "market_type", "yes_sub_title", "no_sub_title", "created_time", "updated_time",
    "open_time", "close_time", "latest_expiration_time", "settlement_timer_seconds", "status", "yes_bid_dollars",
    "yes_bid_size_fp", "yes_ask_dollars", "yes_ask_size_fp", "no_bid_dollars", "no_ask_dollars",
    "last_price_dollars", "volume_fp", "volume_24h_fp", "result", "can_close_early", "open_interest_fp",
    "notional_value_dollars", "previous_yes_bid_dollars", "previous_yes_ask_dollars", "previous_price_dollars",
    "settlement_bounds_type", "expiration_value", "rules_primary", "rules_secondary", "price_level_structure",
    "price_ranges",
}  # fmt: skip
REMOVED = {"liquidity_dollars", "tick_size", "category", "risk_limit_cents", "volume", "yes_bid", "series_ticker"}

Market = dict[str, Any]


def objects(exchange: Exchange) -> list[Market]:
    return [json.loads(market.json) for _, market in exchange.markets(Order.CREATED, None)]


@pytest.fixture(scope="module")
def markets() -> list[Market]:
    """Return the markets of a default exchange, without combos."""
    return [
        market for market in objects(generate(1, 5000, Clock(NOW, speed=0))) if "mve_collection_ticker" not in market
    ]


def closed(exchange: Exchange) -> Iterator[tuple[Position, Listed]]:
    return exchange.markets(Order.CREATED, None, MarketFilter(phase="closed"))


def share(markets: list[Market], member: str, *values: object) -> float:
    return len([market for market in markets if market.get(member) in values]) / len(markets)


def test_the_same_seed_size_and_time_give_the_same_exchange() -> None:
    first, second = generate(9, 400, Clock(NOW, speed=0)), generate(9, 400, Clock(NOW - 9 * DAY, speed=0), archived=70)
    second.clock.set(NOW)
    settled = [
        market
        for market in objects(second)
        if parse(market.get("settlement_ts", "9999-01-01T00:00:00Z")) < second.cutoff
    ]
    assert objects(first) == [market for market in objects(second) if market not in settled]
    assert settled, "they linger in both tiers; what one begins with has none"


def test_another_seed_is_another_exchange() -> None:
    first, second = objects(generate(1, 200, Clock(NOW, speed=0))), objects(generate(2, 200, Clock(NOW, speed=0)))
    assert {market["rules_primary"] for market in first} != {market["rules_primary"] for market in second}


@pytest.mark.parametrize(("size", "about"), [(0, 0), (1, 60), (443, 120), (5000, 500), (20_000, 700)])
def test_the_number_of_distinct_markets_is_about_the_requested_size_besides_combos(size: int, about: int) -> None:
    exchange = generate(1, size, Clock(NOW, speed=0))
    markets = objects(exchange)
    combos = [market for market in markets if market["ticker"].startswith("KXMVE")]
    assert len(exchange) == len(markets) == len({market["ticker"] for market in markets})
    assert len(markets) - len(combos) == pytest.approx(size, abs=about)
    assert len(combos) == pytest.approx(size * 0.03, abs=3 + size * 0.01)


def test_the_number_of_archived_markets_is_the_requested_one() -> None:
    exchange = generate(1, 500, Clock(NOW, speed=0), archived=4000)
    archived = [market for _, market in exchange.markets(Order.CREATED, None, MarketFilter(archived=True))]
    assert len(archived) == pytest.approx(4000, rel=0.05)
    assert len(exchange) == pytest.approx(500, abs=100)


def test_statuses_are_shared_out_as_on_the_whole_exchange(markets: list[Market]) -> None:
    assert share(markets, "status", "active") == pytest.approx(0.45, abs=0.04)
    assert share(markets, "status", "initialized") == pytest.approx(0.26, abs=0.04)
    assert share(markets, "status", "finalized") == pytest.approx(0.22, abs=0.04)
    assert share(markets, "status", "inactive") == pytest.approx(0.01, abs=0.005)
    assert share(markets, "status", "closed", "determined", "disputed", "amended") == pytest.approx(0.06, abs=0.02)
    large = {json.loads(market.json)["status"] for _, market in closed(generate(1, 50_000, Clock(NOW, speed=0)))}
    assert large == {"closed", "determined", "disputed", "amended"}


def test_all_required_members_are_there_none_is_null_and_none_was_removed_by_2026_10(markets: list[Market]) -> None:
    for market in markets:
        assert set(market) >= REQUIRED
        assert None not in market.values()
        assert not set(market) & REMOVED


def test_settlement_members_are_there_if_and_only_if_a_market_is_finalized(markets: list[Market]) -> None:
    for market in markets:
        is_final = market["status"] == "finalized"
        assert ("settlement_ts" in market) is ("settlement_value_dollars" in market) is is_final
        assert (market["result"] != "") is (is_final or market["status"] in ("determined", "disputed", "amended"))
    values = {(market["result"], market["settlement_value_dollars"]) for market in markets if "settlement_ts" in market}
    assert {("yes", "1.0000"), ("no", "0.0000")} < values
    assert any(result == "scalar" and 0 < float(value) < 1 for result, value in values)


def test_strikes_fit_their_type(markets: list[Market]) -> None:
    members = {
        "greater": {"floor_strike"},
        "greater_or_equal": {"floor_strike"},
        "less": {"cap_strike"},
        "less_or_equal": {"cap_strike"},
        "between": {"floor_strike", "cap_strike"},
        "structured": {"custom_strike"},
        "custom": {"custom_strike"},
        None: set(),
    }
    for market in markets:
        present = {"floor_strike", "cap_strike", "custom_strike"} & set(market)
        assert present == members[market.get("strike_type")]
    assert {market.get("strike_type") for market in markets} == set(members)
    assert {type(market["floor_strike"]) for market in markets if "floor_strike" in market} == {int, float}


def test_a_book_is_not_crossed_and_its_no_side_mirrors_its_yes_side(markets: list[Market]) -> None:
    empty = 0
    for market in markets:
        bid, ask = market["yes_bid_dollars"], market["yes_ask_dollars"]
        assert bid < ask
        assert float(market["no_bid_dollars"]) == pytest.approx(1 - float(ask))
        assert float(market["no_ask_dollars"]) == pytest.approx(1 - float(bid))
        assert (bid == "0.0000") is (market["yes_bid_size_fp"] == "0.00")
        assert (ask == "1.0000") is (market["yes_ask_size_fp"] == "0.00")
        empty += (bid, ask) == ("0.0000", "1.0000")
    assert 0.1 < empty / len(markets) < 0.8


def test_volumes_are_often_zero_sometimes_fractional_and_never_seen_before_opening(markets: list[Market]) -> None:
    assert 0.28 < share(markets, "volume_fp", "0.00") < 0.75
    assert 0.1 < len([market for market in markets if market["volume_fp"][-3:] != ".00"]) / len(markets) < 0.3
    assert {market["volume_fp"] for market in markets if market["status"] == "initialized"} == {"0.00"}
    assert all(float(market["open_interest_fp"]) <= float(market["volume_fp"]) for market in markets)


def test_the_oddities_of_production_are_there(markets: list[Market]) -> None:
    assert share(markets, "created_time", "0001-01-01T00:00:00Z") > 0
    assert share(markets, "updated_time", "0001-01-01T00:00:00Z") > 0
    assert any(parse(market["close_time"]) < parse(market["open_time"]) for market in markets)
    assert any(not market["title"].isascii() for market in markets)
    assert any("\n" in market["rules_secondary"] for market in markets)
    assert any("<a href=" in market["rules_secondary"] for market in markets)
    assert any(market.get("is_provisional") for market in markets)
    assert 0.9 < len([market for market in markets if "subtitle" not in market]) / len(markets) < 1
    fractions = {len(market["created_time"].partition(".")[2].rstrip("Z")) for market in markets}
    assert fractions >= {0, 4, 5, 6}
    assert any("." in market["ticker"] for market in markets)


def test_events_have_from_one_to_sixty_markets(markets: list[Market]) -> None:
    sizes = sorted(Counter(market["event_ticker"] for market in markets).values())
    assert (sizes[0], sizes[len(sizes) // 2], sizes[-1]) == (1, 3, 60)
    assert 8 < sizes[int(len(sizes) * 0.9)] < 20


def test_combos_bet_on_markets_that_exist() -> None:
    everything = objects(generate(6, 1000, Clock(NOW, speed=0)))
    tickers = {market["ticker"]: market["event_ticker"] for market in everything}
    combos = [market for market in everything if "mve_collection_ticker" in market]
    assert combos
    for market in combos:
        for leg in market["mve_selected_legs"]:
            assert tickers[leg["market_ticker"]] == leg["event_ticker"]
        assert (market["rules_primary"], market["strike_type"]) == ("", "custom")
        assert market["title"].count(",") >= len(market["mve_selected_legs"]) - 1
