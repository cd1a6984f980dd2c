"""Trades and quotes of a generated market: one tape is the source of every candle and every volume."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.exchange.candles import (
    DAILY,
    PERIODS,
    Candle,
    compute_candle_before,
    compute_candles,
    to_archived_object,
    to_live_object,
)
from local.exchange.clock import DAY, HOUR, SECOND, parse
from local.exchange.tape import Tape

START = parse("2026-03-01T06:30:00Z")
AUTUMN = parse("2026-10-20T06:30:00Z")


@st.composite
def tapes(draw: st.DrawFn) -> Tape:
    opens = draw(st.sampled_from([START, AUTUMN])) + draw(st.integers(0, 30 * 86_400)) * SECOND
    ends = opens + draw(st.integers(900, 20 * 86_400)) * SECOND
    unit = draw(st.sampled_from([1, 100]))
    total = draw(st.integers(0, 10**6)) * unit
    pause = draw(st.booleans())
    length = ends - opens
    return Tape(
        key=draw(st.integers(0, 2**48 - 1)),
        opens=opens,
        ends=ends,
        total=total,
        trades=max(1, min(draw(st.integers(1, 300)), total // unit // 2)) if total else 0,
        lot=unit,
        middle=draw(st.integers(20, 980)),
        swing=draw(st.integers(10, 80)),
        tick=draw(st.sampled_from([1, 10])),
        no_quote_share=draw(st.sampled_from([0, 60, 200, 256])),
        paused=(opens + length // 2, opens + length * 2 // 3) if pause else None,
    )


def all_candles(tape: Tape, period: int, now: int) -> list[Candle]:
    return list(compute_candles(tape, period, tape.opens // SECOND - 2 * 86_400, tape.ends // SECOND + 3 * 86_400, now))


@settings(max_examples=60, deadline=None)
@given(tape=tapes(), part=st.floats(0, 1.2))
def test_candles_of_every_period_add_up_to_the_volume_so_far(tape: Tape, part: float) -> None:
    now = tape.opens + int((tape.ends - tape.opens) * part)
    volume = tape.volume(tape.count(now))
    for period in PERIODS[1:]:
        candles = all_candles(tape, period, now)
        assert sum(candle.volume for candle in candles) == volume
        assert [candle.end for candle in candles] == sorted({candle.end for candle in candles})
        if candles:
            assert candles[-1].open_interest <= volume
    assert volume <= tape.total
    assert tape.volume(tape.count(tape.ends)) == tape.total


@settings(max_examples=30, deadline=None)
@given(tape=tapes())
def test_an_hour_is_what_its_minutes_are_and_a_day_what_its_hours_are(tape: Tape) -> None:
    now = tape.opens + min(tape.ends - tape.opens, 30 * HOUR)
    for fine, coarse in ((1, 60), (60, DAILY)):
        parts = all_candles(tape, fine, now)
        for candle in all_candles(tape, coarse, now):
            inside = [part for part in parts if candle.end - coarse * 60 < part.end <= candle.end]
            if coarse == DAILY:  # a day with a clock change has 23 or 25 hours
                length = 25 if candle.end == parse("2026-11-02T05:00:00Z") // SECOND else 24
                begin = candle.end - length * 3600
                inside = [part for part in parts if begin < part.end <= candle.end]
                if candle.end == parse("2026-03-09T04:00:00Z") // SECOND:
                    inside = [part for part in parts if candle.end - 23 * 3600 < part.end <= candle.end]
            prices = [price for part in inside for price in part.prices]
            assert (sum(part.volume for part in inside), prices) == (candle.volume, candle.prices)
            if inside and tape.is_quoted:
                assert min(min(part.bids) for part in inside) >= min(candle.bids)
                assert inside[-1].asks[-1] == candle.asks[-1]


@settings(max_examples=80, deadline=None)
@given(tape=tapes(), parts=st.lists(st.floats(-0.1, 1.1), min_size=2, max_size=6))
def test_trades_and_changes_of_quotes_only_ever_become_more(tape: Tape, parts: list[float]) -> None:
    instants = sorted(tape.opens + int((tape.ends - tape.opens) * part) for part in parts)
    for read in (tape.count, tape.quote_number):
        values = [read(at) for at in instants]
        assert values == sorted(values)
    assert tape.count(tape.opens - 1) == 0
    assert tape.count(tape.ends) == tape.trades


@given(tape=tapes(), change=st.integers(0, 10**6))
def test_quotes_are_never_crossed_and_prices_are_on_the_grid(tape: Tape, change: int) -> None:
    quotes = tape.quotes(change)
    assert 0 <= quotes.bid < quotes.ask <= 1000
    assert quotes.bid % tape.tick == quotes.ask % tape.tick == 0
    assert (quotes.bid_size == 0) == (quotes.bid == 0)
    assert (quotes.ask_size == 0) == (quotes.ask == 1000)
    for trade in range(min(tape.trades, 5)):
        assert 0 < tape.price(trade) < 1000
        assert tape.price(trade) % tape.tick == 0


@given(tape=tapes())
def test_nothing_is_traded_in_a_pause(tape: Tape) -> None:
    if tape.paused:
        assert tape.count(tape.paused[0]) == tape.count(tape.paused[1])


@pytest.mark.parametrize(("change", "hours"), [("2026-03-08", 23), ("2026-11-01", 25)])
def test_days_end_at_midnight_in_new_york_across_both_clock_changes(change: str, hours: int) -> None:
    opens = parse(change + "T12:00:00Z") - 5 * DAY
    tape = Tape(5, opens, opens + 10 * DAY, 80_000, 400, 100, 500, 50, 10, 0)
    ends = [candle.end for candle in all_candles(tape, DAILY, tape.ends)]
    local = [datetime.fromtimestamp(end, ZoneInfo("America/New_York")) for end in ends]
    assert {(end.hour, end.minute, end.second) for end in local} == {(0, 0, 0)}
    gaps = [(after - before) // 3600 for before, after in pairwise(ends)]
    assert sorted(set(gaps)) == sorted({24, hours})


@settings(max_examples=60, deadline=None)
@given(tape=tapes(), part=st.floats(0.05, 1.3))
def test_the_candle_before_the_start_remembers_the_last_price(tape: Tape, part: float) -> None:
    start = (tape.opens + int((tape.ends - tape.opens) * part)) // SECOND
    before = compute_candle_before(tape, 60, start, tape.ends + DAY)
    earlier = [candle for candle in all_candles(tape, 60, tape.ends + DAY) if candle.end < start]
    if before is None:
        assert not earlier
    else:
        traded = [candle for candle in earlier if candle.prices]
        assert before.previous == (traded[-1].prices[-1] if traded else None)
        assert before.end >= start
        assert before.end % 3600 == 0
        assert before.volume == 0


def test_untraded_prices_are_left_out_live_and_null_in_the_archive() -> None:
    candle = Candle(3600, [10], [20], [], 0, None, 0, 0)
    assert to_live_object(candle)["price"] == {}
    names = ("open", "low", "high", "close", "mean", "previous")
    assert to_archived_object(candle)["price"] == dict.fromkeys(names)
    assert set(to_archived_object(candle)) == {
        "end_period_ts",
        "yes_bid",
        "yes_ask",
        "price",
        "volume",
        "open_interest",
    }
