"""Resampled and filled candles of random markets equal those computed from the trades and quotes in plain Python."""

import json
import random
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.candlesticks.boundaries import day_boundaries, minute_boundaries
from api.candlesticks.chunks import SEPARATOR
from api.candlesticks.filling import Periods, fill_candles
from api.candlesticks.gzip_body import Deflated
from api.candlesticks.parsed_candle import ParsedCandle, parse
from api.candlesticks.resampling import resample
from kalshi_markets.database import Database
from tests.properties import candle_model
from tests.properties.scale import examples
from tests.support.database import connect

HOUR, DAY = 3600, 86_400
DIVISORS = [minutes for minutes in range(1, 1441) if 1440 % minutes == 0]
ANCHORS = [datetime.fromisoformat(f"{day}T00:00+00:00") for day in ("2026-11-02", "2026-03-09", "2026-07-01")]
"""Midnights in the weeks of New York's clock changes, and one in summer."""


def parsed(fields: Sequence[Mapping[str, Any]], pieces: int = 3) -> Iterator[ParsedCandle]:
    texts = [json.dumps(candle, separators=(",", ":")) for candle in fields]
    step = max(1, len(texts) // pieces)
    packed = [Deflated.compress(SEPARATOR.join(texts[at : at + step])) for at in range(0, len(texts), step)]
    return parse(packed, SEPARATOR)


def check_shape(candles: Sequence[Mapping[str, Any]]) -> None:
    ends = [candle["end_period_ts"] for candle in candles]
    assert ends == sorted(set(ends))
    for candle in candles:
        for prices in (candle["price"], candle["yes_bid"], candle["yes_ask"]):
            if "open_dollars" in prices:
                low, high = float(prices["low_dollars"]), float(prices["high_dollars"])
                assert low <= float(prices["open_dollars"]) <= high
                assert low <= float(prices["close_dollars"]) <= high
        if candle.get("filled"):
            assert float(candle["volume_fp"]) == 0


def weighted_mean(sources: Sequence[Mapping[str, Any]]) -> Fraction:
    pairs = [
        (Fraction(candle["price"]["mean_dollars"]), Fraction(candle["volume_fp"]))
        for candle in sources
        if "mean_dollars" in candle["price"]
    ]
    return sum((mean * size for mean, size in pairs), Fraction(0)) / sum(size for _, size in pairs)


def check_resampled(market: candle_model.Market, source: Sequence[int], target: Sequence[int]) -> None:
    sources = candle_model.candles(market, source)
    resampled = [json.loads(candle.text) for candle in resample(parsed(sources), target)]
    expected = candle_model.candles(market, target)
    for begin, end in pairwise(target):
        group = [candle for candle in sources if begin < candle["end_period_ts"] <= end]
        for candle in (candle for candle in expected if candle["end_period_ts"] == end):
            if "mean_dollars" in candle["price"]:  # the weighted mean of the sources' means, which are rounded
                candle["price"]["mean_dollars"] = f"{float(round(weighted_mean(group), 4)):.4f}"
                mean = candle_model.mean_price(market, begin, end)
                assert mean is not None
                assert abs(Fraction(candle["price"]["mean_dollars"]) * 10_000 - mean) <= 1
    assert resampled == expected
    check_shape(resampled)


@examples(80, 5000)
@given(seed=st.integers(0, 2**32), minutes=st.sampled_from(DIVISORS))
def test_resampled_candles_are_those_of_the_trades(seed: int, minutes: int) -> None:
    rng = random.Random(seed)
    start = int(rng.choice(ANCHORS).timestamp())
    length = minutes * rng.randrange(1, 12)
    target = minute_boundaries(start + rng.randrange(-HOUR, HOUR), start + length * 60, minutes)
    if not target:
        return
    source_minutes = 60 if minutes % 60 == 0 else 1
    source = range(target[0], target[-1] + 1, source_minutes * 60)
    check_resampled(candle_model.random_market(rng, target[0], target[-1]), source, target)


@examples(150, 8000)
@given(seed=st.integers(0, 2**32), minutes=st.sampled_from(DIVISORS), mid=st.booleans(), close_known=st.booleans())
def test_filled_candles_are_those_of_the_trades_and_quotes(
    seed: int, minutes: int, mid: bool, close_known: bool
) -> None:
    rng = random.Random(seed)
    start = int(rng.choice(ANCHORS).timestamp())
    boundaries = minute_boundaries(start, start + minutes * 60 * rng.randrange(1, 30), minutes)
    market = candle_model.random_market(rng, boundaries[0], boundaries[-1])
    now = rng.choice([boundaries[-1] + HOUR, rng.randrange(boundaries[0], boundaries[-1] + 1)])
    market = candle_model.cut(market, now)
    periods = Periods(boundaries, market.closes if close_known else None, now)
    source = candle_model.candles(market, boundaries)
    written = [json.loads(candle.text) for candle in fill_candles(parsed(source), periods, mid=mid)]
    assert written == candle_model.filled(market, boundaries, now, mid=mid, close_known=close_known)
    check_shape(written)
    unfilled = {candle["end_period_ts"]: candle for candle in source}
    for candle in written:
        if not candle.get("filled"):
            assert candle == unfilled[candle["end_period_ts"]]


@pytest.fixture(scope="module")
def database(environment: Mapping[str, str]) -> Iterator[Database]:
    database = connect(environment)
    yield database
    database.close()


ZONES = sorted(zoneinfo.available_timezones() - {"localtime", "Factory", "CET", "EET", "MET", "WET"})
"""All zones but local ones and the four that tzdata 2024b redefined, as this machine's may be older or newer."""
FIRST, LAST = 1_609_459_200, 1_735_689_600
"""2021 to 2024: later changes of zones are missing from older data."""
EDGES = ["America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Havana", "Asia/Beirut", "America/Nuuk"]
"""Zones with changes of the clock, two of them at midnight, offsets of 45 minutes, and shifts of half an hour."""


def midnights(zone: str, start: int, end: int) -> list[int]:
    """Return the starts of the days of a zone from `start` to `end`, and the one before them."""
    day = datetime.fromtimestamp(start, UTC).date() - timedelta(days=4)
    instants: list[int] = []
    while not instants or instants[-1] <= end:
        instants.append(int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()))
        day += timedelta(days=1)
    inside = [instant for instant in instants if start <= instant <= end]
    return [instant for instant in instants if instant < start][-1:] + inside if inside else []


@examples(30, 3000)
@given(
    zone=st.one_of(st.sampled_from(EDGES), st.sampled_from(ZONES)),
    start=st.integers(FIRST, LAST),
    days=st.integers(0, 400),
)
def test_days_of_a_zone_are_those_of_pythons_zones(database: Database, zone: str, start: int, days: int) -> None:
    boundaries = day_boundaries(database, zone, start, start + days * DAY)
    if boundaries is not None or zone in EDGES:  # the server may have fewer zones than this machine
        assert [*(boundaries or [])] == midnights(zone, start, start + days * DAY)


@examples(20, 2000)
@given(seed=st.integers(0, 2**32), zone=st.one_of(st.sampled_from(EDGES), st.sampled_from(ZONES)))
def test_days_are_merged_from_hours_or_minutes(database: Database, seed: int, zone: str) -> None:
    rng = random.Random(seed)
    start = int(rng.choice(ANCHORS).timestamp()) - 2 * DAY
    target = day_boundaries(database, zone, start, start + 4 * DAY)
    if not target:
        return
    step = HOUR if all(boundary % HOUR == 0 for boundary in target) else 60
    market = candle_model.random_market(rng, target[0], target[-1])
    check_resampled(market, range(target[0], target[-1] + 1, step), target)


def test_new_yorks_days_have_23_and_25_hours_when_the_clock_changes(database: Database) -> None:
    for anchor, hours in ((ANCHORS[0], 25), (ANCHORS[1], 23), (ANCHORS[2], 24)):
        at = int(anchor.timestamp())
        boundaries = day_boundaries(database, "America/New_York", at, at + DAY)
        assert boundaries is not None
        assert boundaries[1] - boundaries[0] == hours * HOUR


@pytest.mark.parametrize("zone", ["", "Europe/Nowhere", "FOO+3", "Foo/Bar+3", "america/new_york", "x'y", "../UTC"])
def test_an_unknown_zone_has_no_days(database: Database, zone: str) -> None:
    assert day_boundaries(database, zone, 1_800_000_000, 1_800_400_000) is None


def test_a_range_that_ends_before_it_starts_has_no_days(database: Database) -> None:
    assert day_boundaries(database, "UTC", 90_000_000_000, 1_800_000_000) == ()
