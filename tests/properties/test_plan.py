"""The planner of candlestick calls: every need once, both caps, few calls."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.candlesticks.plan import Call, Need, calls_of_one, plan
from api.candlesticks.spans import Span, between, gaps, periods, pieces, step
from tests.properties.scale import examples

PERIODS = (1, 60, 1440)


@st.composite
def needs(draw: st.DrawFn) -> tuple[int, list[Need]]:
    """A period and needs of it, as gaps of some tickers: many with a span in common, some with their own, some two."""
    period = draw(st.sampled_from(PERIODS))
    grid = step(period)
    bounds = st.tuples(
        st.integers(0, 30_000), st.sampled_from([0, 1, 24, 99, 100, 1439, 4899, 4900, 5000, 9900, 20_000])
    )
    common = draw(bounds)
    found = []
    for place in range(draw(st.integers(1, 250))):
        first, length = common if draw(st.booleans()) else draw(bounds)
        whole, archived = Span(first * period * 60, (first + length) * period * 60), draw(st.integers(0, 9)) == 0
        hole = draw(st.integers(0, 20))
        covered = [Span(whole.start + grid, whole.start + 2 * grid)] if hole == 0 else []
        found += [Need(place, f"T{place}", span, archived) for span in gaps(whole, covered, grid)]
    return period, found


def in_bounds(call: Call, period: int) -> bool:
    """As the exchange counts, on the requested range (observed on production, 2026-08)."""
    length = (call.span.end - call.span.start) / (period * 60)
    tickers = len({need.ticker for need in call.needs})
    if call.needs[0].archived:
        return tickers == 1 and length <= 5000
    return tickers <= 100 and tickers * length <= 10_000


@examples(60, 2000)
@given(needs())
def test_every_need_is_covered_once_by_calls_within_the_caps(asked: tuple[int, list[Need]]) -> None:
    period, wanted = asked
    covered: dict[Need, list[Span]] = defaultdict(list)
    for call in plan(wanted, period):
        assert in_bounds(call, period)
        for need in call.needs:
            if part := need.span.within(call.span):
                covered[need].append(part)
    assert set(covered) == set(wanted)
    for need, parts in covered.items():
        assert [end + step(period) for _, end in parts[:-1]] == [start for start, _ in parts[1:]]
        assert (parts[0].start, parts[-1].end) == need.span


@examples(60, 1000)
@given(needs())
def test_the_first_tickers_of_a_span_come_first(asked: tuple[int, list[Need]]) -> None:
    period, wanted = asked
    firsts = [min(need.place for need in call.needs) for call in plan(wanted, period)]
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
        (10_000, 168, 1700),  # 1,725 if each call has whole tickers; 1,697 would fill every call to the last candle
    ],
)
def test_calls_of_tickers_with_one_span(tickers: int, length: int, calls: int) -> None:
    span = Span(0, (length - 1) * 3600)
    assert periods(span, 60) == length
    asked = [Need(place, f"T{place}", span, archived=False) for place in range(tickers)]
    assert sum(1 for _ in plan(asked, 60)) <= calls


@examples(40, 500)
@given(st.integers(1, 300), st.integers(1, 30_000))
def test_no_other_cut_into_equal_groups_takes_a_twentieth_fewer_calls(tickers: int, length: int) -> None:
    span = Span(0, (length - 1) * 60)
    asked = [Need(place, f"T{place}", span, archived=False) for place in range(tickers)]
    least = min(-(-tickers // group) * -(-length // (9900 // group)) for group in range(1, 101))
    assert sum(1 for _ in plan(asked, 1)) <= max(least + 2, least * 1.05)


def test_a_need_of_centuries_is_counted_without_being_cut() -> None:
    assert calls_of_one(Need(0, "A", Span(0, 10**11 - 40), archived=False), 1) == 168_351
    assert calls_of_one(Need(0, "A", Span(0, 10**11 - 40), archived=True), 1) == 340_137


@examples(200, 5000)
@given(
    st.sampled_from(PERIODS), st.integers(0, 10**6), st.integers(0, 10**6), st.lists(st.integers(0, 10**6), max_size=8)
)
def test_gaps_and_what_is_covered_make_the_span(period: int, start: int, length: int, cuts: list[int]) -> None:
    grid, span = step(period), between(start, start + length, period)
    if span is None:
        assert (start + length) // grid * grid < start
        return
    ends = sorted({cut // grid * grid for cut in cuts})
    covered = [Span(a, b - grid) for a, b in zip(ends[::2], ends[1::2], strict=False) if b > a]
    left = gaps(span, covered, grid)
    kept = [part for one in covered if (part := one.within(span))]
    whole = sorted([*left, *kept])
    assert (whole[0].start, whole[-1].end) == span
    assert [end + grid for _, end in whole[:-1]] == [start for start, _ in whole[1:]]
    assert [*pieces(span, 7 * grid, grid)][-1].end == span.end
