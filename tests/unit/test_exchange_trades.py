"""Trades of the simulated exchange: they agree with candles and volumes, in both tiers and over any pages."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.exchange.candles import DAILY, NEW_YORK, PERIODS, compute_candles
from local.exchange.catalogue import Market, MarketFilter, Order
from local.exchange.clock import DAY, HOUR, SECOND, Clock, parse
from local.exchange.generated.exchange import GeneratedExchange
from local.exchange.generated.quotes import DOLLARS
from local.exchange.http.listing import list_trades
from local.exchange.http.parameters import Parameters
from local.exchange.trades import TIER_OVERLAP, Trade, TradeFilter, trades_after

START = parse("2026-11-24T12:00:00Z")

Json = dict[str, Any]


@lru_cache
def world(seed: int) -> GeneratedExchange:
    return GeneratedExchange(seed, 120, Clock(START, speed=0), 300)


def markets_of(exchange: GeneratedExchange) -> list[Market]:
    """Return the traded markets of both tiers."""
    filters = (MarketFilter(archived=archived) for archived in (False, True))
    rows = (row for filter_ in filters for row in exchange.markets(Order.CREATED, None, filter_))
    return list({market.ticker: market for _, market in rows if market.tape.total}.values())


def trades_of(
    exchange: GeneratedExchange, first: int | None = None, last: int | None = None, **filters: Any
) -> list[Trade]:
    """Return the trades of both tiers, newest first, each once."""
    rows = {
        trade.id: trade
        for archived in (False, True)
        for _, trade in trades_after(exchange, None, TradeFilter(first=first, last=last, archived=archived, **filters))
    }
    return sorted(rows.values(), key=lambda trade: trade.position, reverse=True)


def pages(exchange: GeneratedExchange, *, archived: bool = False, **query: object) -> Iterator[list[Json]]:
    """Yield the pages of a listing, fetched by cursor."""
    cursor = ""
    while True:
        parameters = [*((name, str(value)) for name, value in query.items()), ("cursor", cursor)]
        page = list_trades(exchange, Parameters(parameters), archived=archived)
        yield [json.loads(trade.json) for trade in page.rows]
        cursor = page.cursor
        if not cursor:
            return


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(1, 3),
    days=st.integers(-20, 70),
    pick=st.integers(0, 10**6),
    period=st.sampled_from(PERIODS),
    begin=st.floats(-0.1, 1.1),
    length=st.integers(1, 100),
)
def test_trades_of_a_range_agree_with_its_candles(
    seed: int, days: int, pick: int, period: int, begin: float, length: int
) -> None:
    exchange = world(seed)
    exchange.clock.set(START + days * DAY)
    now, markets = exchange.clock.now(), markets_of(exchange)
    market = markets[pick % len(markets)]
    tape = market.tape
    start = (tape.opens + int((tape.ends - tape.opens) * begin)) // SECOND
    for candle in compute_candles(tape, period, start, start + length * period * 60, now):
        first = candle.end - period * 60
        if period == DAILY:  # a day with a clock change has 23 or 25 hours
            first = int((datetime.fromtimestamp(candle.end, NEW_YORK) - timedelta(days=1)).timestamp())
        trades = trades_of(exchange, first * SECOND + 1, candle.end * SECOND, ticker=market.ticker)
        prices = [tape.price(trade.number) for trade in reversed(trades)]
        assert sum(tape.size(trade.number) for trade in trades) == candle.volume
        assert prices == candle.prices


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("days", [0, 33])
def test_the_trades_of_a_market_add_up_to_its_volume_and_end_at_its_last_price(seed: int, days: int) -> None:
    exchange = world(seed)
    exchange.clock.set(START + days * DAY + 7 * HOUR)
    for market in markets_of(exchange)[seed::11]:
        fields = json.loads(market.json)
        trades = [json.loads(trade.json) for trade in trades_of(exchange, ticker=market.ticker)]
        assert sum(round(float(trade["count_fp"]) * 100) for trade in trades) == round(float(fields["volume_fp"]) * 100)
        assert all(float(trade["count_fp"]) > 0 for trade in trades)
        assert (trades[0]["yes_price_dollars"] if trades else "0.0000") == fields["last_price_dollars"]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("archived", [False, True])
def test_a_walk_by_cursors_meets_every_trade_of_every_market_once_newest_first(seed: int, archived: bool) -> None:
    exchange = world(seed)
    exchange.clock.set(START + 5 * HOUR)
    last = exchange.cutoff - 1 if archived else exchange.clock.now()
    low = last // DAY * DAY - 8 * DAY
    filter_ = {"first": low + 1, "last": last}
    expected = [
        trade for market in markets_of(exchange) for trade in trades_of(exchange, **filter_, ticker=market.ticker)
    ]
    expected.sort(key=lambda trade: trade.position, reverse=True)
    assert len(expected) > 300
    for limit in (97, 1000):
        walked = [
            trade for page in pages(exchange, archived=archived, limit=limit, min_ts=low // SECOND) for trade in page
        ]
        assert [trade["trade_id"] for trade in walked] == [trade.id for trade in expected]


def test_a_trade_is_the_same_at_any_later_instant() -> None:
    exchange = world(1)
    exchange.clock.set(START)
    before = {trade.id: trade.json for trade in trades_of(exchange, START - 3 * DAY)}
    exchange.clock.set(START + 80 * DAY)
    after = {trade.id: trade.json for trade in trades_of(exchange, START - 3 * DAY)}
    assert before.items() < after.items()
    assert all(UUID(id_).version == 4 for id_ in after)


def test_the_tiers_part_at_the_cutoff_and_overlap_by_a_day() -> None:
    exchange = world(2)
    exchange.clock.set(START)
    for days in (0, 1, 40):
        exchange.clock.set(START + days * DAY)
        cutoff = exchange.cutoff
        days_around = TradeFilter(first=cutoff - 4 * DAY, last=cutoff + 4 * DAY)
        live, archived = (
            {trade.id: trade.at for _, trade in trades_after(exchange, None, replace(days_around, archived=archived))}
            for archived in (False, True)
        )
        assert max(archived.values()) < cutoff
        assert cutoff - TIER_OVERLAP <= min(live.values()) < cutoff
        both = live.keys() & archived.keys()
        assert both == {id_ for id_, at in live.items() if at < cutoff} != set()
        assert both == {id_ for id_, at in archived.items() if at >= cutoff - TIER_OVERLAP}


def test_an_open_market_has_its_oldest_trades_in_the_archive_and_the_others_not() -> None:
    exchange = world(3)
    exchange.clock.set(START)
    for market in markets_of(exchange):
        if market.phase == "open" and market.tape.opens < exchange.cutoff - 30 * DAY and market.tape.trades > 300:
            live, archived = (
                [trade for _, trade in trades_after(exchange, None, TradeFilter(market.ticker, archived=archived))]
                for archived in (False, True)
            )
            assert live
            assert archived
            return
    raise AssertionError("no such market")


def test_block_trades_are_rare_and_selected_or_left_out_by_their_parameter() -> None:
    exchange = world(1)
    exchange.clock.set(START)
    since = START // SECOND - 9 * 86_400
    every, blocks, others = (
        [trade for page in pages(exchange, limit=1000, min_ts=since, is_block_trade=value) for trade in page]
        for value in ("", "true", "false")
    )
    assert blocks == [trade for trade in every if trade["is_block_trade"]]
    assert others == [trade for trade in every if not trade["is_block_trade"]]
    assert 0.01 < len(blocks) / len(every) < 0.05


def test_both_prices_of_a_trade_add_up_to_a_dollar_and_both_sides_agree() -> None:
    exchange = world(1)
    exchange.clock.set(START)
    trades = next(pages(exchange, limit=1000))
    for trade in trades:
        assert DOLLARS.index(trade["yes_price_dollars"]) + DOLLARS.index(trade["no_price_dollars"]) == 1000
        sides = (trade["taker_side"], trade["taker_outcome_side"], trade["taker_book_side"])
        assert sides in {("yes", "yes", "bid"), ("no", "no", "ask")}
    assert {trade["taker_side"] for trade in trades} == {"yes", "no"}


def test_an_amendment_undoes_the_last_trades_of_a_market_for_good() -> None:
    exchange = GeneratedExchange(4, 2000, Clock(START, speed=0), 0)
    closed: list[Market] = []
    while not (amended := [market for market in closed if b'"amended"' in market.json and market.tape.trades > 3]):
        exchange.clock.set(exchange.clock.now() + 7 * HOUR)
        closed = [market for _, market in exchange.markets(Order.CREATED, None, MarketFilter(phase="closed"))]
    now = exchange.clock.now()
    intact = {market.ticker: trades_of(exchange, ticker=market.ticker) for market in amended[:5]}
    exchange.undone_trades = 2
    for ticker, trades in intact.items():
        for instant in (now, now + 400 * DAY):
            exchange.clock.set(instant)
            market = exchange.market(ticker) or exchange.market(ticker, archived=True)
            assert market is not None
            assert [trade.id for trade in trades_of(exchange, ticker=ticker)] == [trade.id for trade in trades[2:]]
            volume = sum(market.tape.size(trade.number) for trade in trades[2:])
            assert round(float(json.loads(market.json)["volume_fp"]) * 100) == volume
            hours = range(market.tape.opens // SECOND, market.tape.ends // SECOND + 86_400 * 2)
            candles = compute_candles(market.tape, 1440, hours.start, hours.stop, instant)
            assert sum(candle.volume for candle in candles) == volume
        exchange.clock.set(now)
    others = [market for market in closed if market.ticker not in {market.ticker for market in amended}]
    assert others
    assert {market.tape.undone for market in others} == {0}
