"""Order books of the simulated exchange: best bids as quoted, valid prices, and none unless a market is active."""

import json
from decimal import Decimal
from typing import Any

import pytest

from local.exchange.catalogue import Market, MarketFilter, Order
from local.exchange.clock import HOUR, Clock, parse
from local.exchange.generated import generate
from local.exchange.orderbook import orderbook
from local.exchange.recording import RecordedMarket

START = parse("2026-11-24T12:00:00Z")

Json = dict[str, Any]


def listed(seed: int, **filters: Any) -> list[Market]:
    exchange = generate(seed, 1500, Clock(START, speed=0))
    return [market for _, market in exchange.markets(Order.CREATED, None, MarketFilter(**filters))]


def sides(fields: Json) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the best bid of each side that a Market object quotes, as a list of at most one bid."""
    yes = [(fields["yes_bid_dollars"], fields["yes_bid_size_fp"])]
    no = [(f"{1 - Decimal(fields['yes_ask_dollars']):.4f}", fields["yes_ask_size_fp"])]
    return ([], yes)[fields["yes_bid_size_fp"] != "0.00"], ([], no)[fields["yes_ask_size_fp"] != "0.00"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_best_bids_are_the_quotes_of_the_market_and_the_others_are_worse(seed: int) -> None:
    full = 0
    for market in listed(seed, phase="open"):
        fields, book = json.loads(market.json), orderbook(market, 0)
        for bids, best in zip((book["yes_dollars"], book["no_dollars"]), sides(fields), strict=True):
            assert bids[-1:] == best
            prices = [Decimal(price) for price, _ in bids]
            assert prices == sorted(set(prices))
            assert all(0 < price < 1 for price in prices)
            assert all(Decimal(size) > 0 for _, size in bids)
            step = Decimal(fields["price_ranges"][0]["step"])
            assert all(price % step == 0 for price in prices)
            full += len(bids) > 5
        if book["yes_dollars"] and book["no_dollars"]:
            assert Decimal(book["yes_dollars"][-1][0]) + Decimal(book["no_dollars"][-1][0]) < 1
    assert full > 300


@pytest.mark.parametrize("phase", ["unopened", "paused", "closed", "settled"])
def test_a_market_that_is_not_active_has_no_bids(phase: str) -> None:
    markets = listed(1, phase=phase, combos=False)
    assert markets
    assert all(orderbook(market, 0) == {"yes_dollars": [], "no_dollars": []} for market in markets)


def test_a_combo_has_no_bids() -> None:
    markets = listed(1, phase="open", combos=True)
    assert markets
    assert all(orderbook(market, 0) == {"yes_dollars": [], "no_dollars": []} for market in markets)


@pytest.mark.parametrize("depth", [1, 2, 7, 100])
def test_a_depth_keeps_the_best_bids(depth: int) -> None:
    for market in listed(2, phase="open")[:200]:
        book, limited = orderbook(market, 0), orderbook(market, depth)
        assert limited == {side: bids[-depth:] for side, bids in book.items()}


def test_a_bid_below_the_best_stays_while_the_quotes_move() -> None:
    exchange, unchanged, moved = generate(3, 1500, Clock(START, speed=0)), 0, 0
    tickers = [market.ticker for _, market in exchange.markets(Order.CREATED, None, MarketFilter(phase="open"))][:200]
    for ticker in tickers:
        orderbooks = []
        for hours in (0, 5):
            exchange.clock.set(START + hours * HOUR)
            market = exchange.market(ticker)
            orderbooks.append(dict(orderbook(market, 0)["yes_dollars"][:-1]) if market else {})
        common = orderbooks[0].keys() & orderbooks[1].keys()
        assert all(orderbooks[0][price] == orderbooks[1][price] for price in common)
        unchanged += len(common)
        moved += orderbooks[0] != orderbooks[1]
    assert unchanged > 1000
    assert moved > 50


def test_prices_of_a_recorded_market_are_on_its_own_grid() -> None:
    fields = json.loads(listed(1, phase="open", combos=False)[0].json) | {
        "price_ranges": [
            {"start": "0.0000", "end": "0.1000", "step": "0.0010"},
            {"start": "0.1000", "end": "0.9000", "step": "0.0100"},
            {"start": "0.9000", "end": "1.0000", "step": "0.0010"},
        ],
        "yes_bid_dollars": "0.5300",
        "yes_bid_size_fp": "7.00",
        "yes_ask_dollars": "0.9150",
        "no_bid_dollars": "0.0850",
        "yes_ask_size_fp": "9.50",
    }
    book = orderbook(RecordedMarket.from_object(fields, json.dumps(fields).encode()), 0)
    assert book["yes_dollars"][-1] == ("0.5300", "7.00")
    assert book["no_dollars"][-1] == ("0.0850", "9.50")
    for side in ("yes_dollars", "no_dollars"):
        prices = [Decimal(price) for price, _ in book[side][:-1]]
        assert any(price % Decimal("0.01") for price in prices if price < Decimal("0.1"))
    coarse = [Decimal(price) for price, _ in book["yes_dollars"][:-1] if Decimal(price) > Decimal("0.1")]
    assert {price % Decimal("0.01") for price in coarse} == {0}


def test_a_recorded_market_without_sizes_has_no_bids() -> None:
    fields = json.loads(listed(1, phase="open", combos=False)[0].json)
    del fields["yes_bid_size_fp"], fields["yes_ask_size_fp"], fields["price_ranges"]
    market = RecordedMarket.from_object(fields, json.dumps(fields).encode())
    assert orderbook(market, 0) == {"yes_dollars": [], "no_dollars": []}
