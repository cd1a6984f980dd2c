"""Planner of candlestick calls: it covers each missing range once, within both caps, in few calls."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.candlesticks.planner import Call, MissingRange, calls_needed, plan_calls
from api.candlesticks.time_ranges import TimeRange, aligned, count_periods, grid_seconds, missing_ranges, split
from tests.properties.scale import examples

PERIODS = (1, 60, 1440)


@st.composite
def needs(draw: st.DrawFn) -> tuple[int, list[MissingRange]]:
    """Generate a period and missing ranges of some tickers: many with a common range, some with two ranges."""
    period = draw(st.sampled_from(PERIODS))
    grid = grid_seconds(period)
    bounds = st.tuples(
        st.integers(0, 30_000), st.sampled_from([0, 1, 24, 99, 100, 1439, 4899, 4900, 5000, 9900, 20_000])
    )
    common = draw(bounds)
    missing = []
    for index in range(draw(st.integers(1, 250))):
        first, length = common if draw(st.booleans()) else draw(bounds)
        span, archived = TimeRange(first * period * 60, (first + length) * period * 60), draw(st.integers(0, 9)) == 0
        hole = draw(st.integers(0, 20))
        covered = [TimeRange(span.start + grid, span.start + 2 * grid)] if hole == 0 else []
        missing += [MissingRange(index, f"T{index}", gap, archived) for gap in missing_ranges(span, covered, grid)]
    return period, missing


def in_bounds(call: Call, period: int) -> bool:
    """Check a call's caps as the exchange does, on the requested range (observed on production, 2026-08)."""
    length = (call.range.end - call.range.start) / (period * 60)
    tickers = len({need.ticker for need in call.missing})
    if call.missing[0].archived:
        return tickers == 1 and length <= 5000
    return tickers <= 100 and tickers * length <= 10_000


@examples(60, 2000)
@given(needs())
def test_every_need_is_covered_once_by_calls_within_the_caps(case: tuple[int, list[MissingRange]]) -> None:
    period, wanted = case
    covered: dict[MissingRange, list[TimeRange]] = defaultdict(list)
    for call in plan_calls(wanted, period):
        assert in_bounds(call, period)
        for need in call.missing:
            if part := need.range.intersection(call.range):
                covered[need].append(part)
    assert set(covered) == set(wanted)
    for need, parts in covered.items():
        assert [end + grid_seconds(period) for _, end in parts[:-1]] == [start for start, _ in parts[1:]]
        assert (parts[0].start, parts[-1].end) == need.range


@examples(60, 1000)
@given(needs())
def test_the_first_tickers_of_a_span_come_first(case: tuple[int, list[MissingRange]]) -> None:
    period, wanted = case
    firsts = [min(need.index for need in call.missing) for call in plan_calls(wanted, period)]
    assert firsts == sorted(firsts)


@pytest.mark.parametrize(
    ("tickers", "length", "calls"),
    [
        (10_000, 24, 100),
        (10_000, 25, 100),
        (100, 99, 1),
        (1, 9900, 1),
        (1, 9901, 2),
        (6, 1440, 1),
        (7, 1440, 2),
        (550, 1440, 80),  # 92 in groups of six
        (10_000, 168, 1700),  # 1,725 if no ticker is split between calls; 1,697 if every call is full
    ],
)
def test_calls_of_tickers_with_one_span(tickers: int, length: int, calls: int) -> None:
    span = TimeRange(0, (length - 1) * 3600)
    assert count_periods(span, 60) == length
    missing = [MissingRange(index, f"T{index}", span, archived=False) for index in range(tickers)]
    assert sum(1 for _ in plan_calls(missing, 60)) <= calls


@examples(40, 500)
@given(st.integers(1, 300), st.integers(1, 30_000))
def test_no_other_cut_into_equal_groups_takes_a_twentieth_fewer_calls(tickers: int, length: int) -> None:
    span = TimeRange(0, (length - 1) * 60)
    missing = [MissingRange(index, f"T{index}", span, archived=False) for index in range(tickers)]
    fewest = min(-(-tickers // group) * -(-length // (9900 // group)) for group in range(1, 101))
    assert sum(1 for _ in plan_calls(missing, 1)) <= max(fewest + 2, fewest * 1.05)


def test_a_need_of_centuries_is_counted_without_being_cut() -> None:
    assert calls_needed(MissingRange(0, "A", TimeRange(0, 10**11 - 40), archived=False), 1) == 168_351
    assert calls_needed(MissingRange(0, "A", TimeRange(0, 10**11 - 40), archived=True), 1) == 340_137


@examples(200, 5000)
@given(
    st.sampled_from(PERIODS), st.integers(0, 10**6), st.integers(0, 10**6), st.lists(st.integers(0, 10**6), max_size=8)
)
def test_gaps_and_what_is_covered_make_the_span(period: int, start: int, length: int, cuts: list[int]) -> None:
    grid, span = grid_seconds(period), aligned(start, start + length, period)
    if span is None:
        assert (start + length) // grid * grid < start
        return
    ends = sorted({cut // grid * grid for cut in cuts})
    covered = [TimeRange(a, b - grid) for a, b in zip(ends[::2], ends[1::2], strict=False) if b > a]
    left = missing_ranges(span, covered, grid)
    inside = [part for block in covered if (part := block.intersection(span))]
    all_ranges = sorted([*left, *inside])
    assert (all_ranges[0].start, all_ranges[-1].end) == span
    assert [end + grid for _, end in all_ranges[:-1]] == [start for start, _ in all_ranges[1:]]
    assert [*split(span, 7 * grid, grid)][-1].end == span.end
