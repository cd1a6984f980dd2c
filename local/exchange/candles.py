"""Candlesticks, computed from (market, period, end) alone: the same however they are asked for.

Observed on production, 2026-08: candles are sparse, their price members are missing when nothing traded, the last one
ends at most one period after the close, daily ones end at midnight in New York.
"""

import math
from dataclasses import dataclass
from datetime import date, datetime, time
from random import Random
from zoneinfo import ZoneInfo

from local.exchange.catalogue import Market
from local.exchange.clock import SECOND, moment

NEW_YORK = ZoneInfo("America/New_York")
DAILY = 1440
# By period in minutes: the share of candles that are skipped, and of the others that have a trade.
PERIODS = {1: (0.60, 0.10), 60: (0.05, 0.25), DAILY: (0.02, 0.60)}


@dataclass(frozen=True, slots=True)
class Candle:
    """Prices in whole cents at the beginning and at the end of the period; `trades` mean nothing unless `traded`."""

    end: int
    bids: tuple[int, int]
    spread: int
    traded: bool
    trades: tuple[int, int]
    volume: float


def candlesticks(market: Market, period: int, start: int, end: int, now: int) -> list[dict[str, object]]:
    """The candles of `period` minutes that end from `start` to `end` (Unix seconds, both included), not after `now`."""
    opens = max(market.opens // SECOND, 0)  # some open in year 1
    first = max(start, opens + 1)
    last = min(end, market.closes // SECOND + period * 60, now // SECOND)
    if first > last:
        return []
    tape = _Tape(market, period)
    numbers = range(_number(period, first - 1) + 1, _number(period, last) + 1)
    previous = tape.close_before(numbers.start, _number(period, opens))
    answer = []
    for candle in filter(None, map(tape.candle, numbers)):
        answer.append(_member(candle, previous, tape.open_interest(candle.end)))
        previous = candle.trades[-1] if candle.traded else previous
    return answer


def _number(period: int, at: int) -> int:
    """The number of the last candle that ends at or before a Unix second."""
    return moment(at * SECOND).astimezone(NEW_YORK).toordinal() if period == DAILY else at // (period * 60)


def _end(period: int, number: int) -> int:
    if period != DAILY:
        return number * period * 60
    return int(datetime.combine(date.fromordinal(number), time(), NEW_YORK).timestamp())


class _Tape:
    """One market's candles of one period."""

    def __init__(self, market: Market, period: int) -> None:
        self._market = market
        self._period = period
        self._skipped, traded = PERIODS[period]
        self._traded = 0.0 if float(market.volume) == 0 else traded
        draw = Random(market.ticker)
        self._middle = draw.uniform(8, 92)
        # Slow and quick swings around the middle: cents, seconds for one, where in it the epoch was.
        self._swings = [(draw.uniform(1, 4), 3600 * draw.uniform(low, low * 8), draw.random()) for low in (1, 12, 150)]

    def candle(self, number: int) -> Candle | None:
        """None when the candle is skipped: neither a trade nor a change of the quotes."""
        draw = Random(f"{self._market.ticker}/{self._period}/{number}")
        if draw.random() < self._skipped:
            return None
        end = _end(self._period, number)
        bids = self._bid(end - self._period * 60), self._bid(end)
        traded = draw.random() < self._traded
        volume = draw.lognormvariate(4, 2)
        return Candle(
            end=end,
            bids=bids,
            spread=draw.choice((1, 1, 1, 2, 3)),
            traded=traded,
            trades=(bids[0] + draw.randrange(2), bids[1] + draw.randrange(2)),
            volume=max(0.01, volume if draw.random() < 0.2 else math.ceil(volume)) if traded else 0.0,
        )

    def close_before(self, number: int, oldest: int) -> int | None:
        """The price of the last trade before a candle; None when nothing traded since `oldest`."""
        if not self._traded:
            return None
        earlier = map(self.candle, range(number - 1, oldest, -1))
        return next((candle.trades[-1] for candle in earlier if candle and candle.traded), None)

    def open_interest(self, at: int) -> float:
        """Grows steadily from nothing at the opening to what the market has at its close."""
        opens, closes = self._market.opens // SECOND, self._market.closes // SECOND
        return float(self._market.open_interest) * min(1.0, (at - opens) / max(1, closes - opens))

    def _bid(self, at: int) -> int:
        swing = sum(cents * math.sin(2 * math.pi * (at / seconds + shift)) for cents, seconds, shift in self._swings)
        return min(95, max(1, round(self._middle + swing)))


def _member(candle: Candle, previous: int | None, open_interest: float) -> dict[str, object]:
    asks = tuple(bid + candle.spread for bid in candle.bids)
    price = _prices(candle.trades) if candle.traded else {}
    if candle.traded:
        price["mean_dollars"] = f"{sum(candle.trades) / 200:.4f}"
    if previous is not None:
        price["previous_dollars"] = _dollars(previous)
    return {
        "end_period_ts": candle.end,
        "yes_bid": _prices(candle.bids),
        "yes_ask": _prices(asks),
        "price": price,
        "volume_fp": f"{candle.volume:.2f}",
        "open_interest_fp": f"{open_interest:.2f}",
    }


def _prices(cents: tuple[int, ...]) -> dict[str, str]:
    """Of prices from the first to the last in the period."""
    return {
        "open_dollars": _dollars(cents[0]),
        "low_dollars": _dollars(min(cents)),
        "high_dollars": _dollars(max(cents)),
        "close_dollars": _dollars(cents[-1]),
    }


def _dollars(cents: int) -> str:
    return f"{cents / 100:.4f}"
