from api.candlesticks.lifetimes import Lifetime
from api.candlesticks.time_ranges import TimeRange

HOUR = 3600


def test_a_range_is_cut_to_the_life_of_a_finalized_market() -> None:
    market = Lifetime("finalized", 10 * HOUR, 20 * HOUR, 21 * HOUR)
    assert market.trimmed(TimeRange(0, 100 * HOUR), 60) == TimeRange(10 * HOUR, 22 * HOUR)
    assert market.trimmed(TimeRange(30 * HOUR, 100 * HOUR), 60) is None


def test_a_market_that_was_closed_before_it_opened_is_requested_for_the_whole_range() -> None:
    market = Lifetime("finalized", 20 * HOUR, 10 * HOUR, 30 * HOUR)
    assert market.trimmed(TimeRange(0, 100 * HOUR), 60) == TimeRange(0, 100 * HOUR)
