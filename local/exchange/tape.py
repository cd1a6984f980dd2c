"""Trades and quote changes of one market, computed on demand.

Everything is integer arithmetic on a key and the market's times. Trade `k` has its own slot of the trading time. The
trades up to an instant, their volume and their prices are therefore computed without the trades before them.
"""

from dataclasses import dataclass
from typing import NamedTuple

from local.exchange.clock import SECOND

MASK = 2**64 - 1
GOLDEN_RATIO_64 = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio: its multiples are evenly distributed
MAX_TRADES = 20_000
MAX_QUOTE_INTERVAL = 3000 * SECOND  # nominal, between two quote changes; 5 % of the hours have no change
SIZE_PATTERN, SIZE_PATTERN_SUM = (0, 1, 4, 6), 8  # trade sizes repeat the ratios 1, 3, 2, 2


class Quotes(NamedTuple):
    """Best prices in tenths of a cent, and their sizes in hundredths of a contract.

    A missing bid is 0. A missing ask is 1000.
    """

    bid: int
    ask: int
    bid_size: int
    ask_size: int


NO_QUOTES = Quotes(0, 1000, 0, 0)


@dataclass(slots=True)
class Tape:
    """Trades and quotes of one market.

    `key`: seed of all draws.
    `opens`, `ends`: first and last instant of trading.
    `total`: final volume in hundredths of a contract.
    `trades`: final number of trades.
    `lot`: 100 if only integer numbers of contracts are traded, else 1.
    `middle`: mean price in tenths of a cent.
    `swing`: maximum distance of the price from `middle`.
    `tick`: price step in tenths of a cent.
    `no_quote_share`: fraction of the time without quotes, in 1/256.
    `paused`: start and end of the time without trading, if any.
    `undone`: number of the last trades that were undone; they do not count.
    """

    key: int
    opens: int
    ends: int
    total: int
    trades: int
    lot: int
    middle: int
    swing: int
    tick: int
    no_quote_share: int
    paused: tuple[int, int] | None = None
    undone: int = 0

    @property
    def is_quoted(self) -> bool:
        """True if the market ever has quotes."""
        return self.no_quote_share < 256

    def count(self, at: int) -> int:
        """Return the number of trades up to and including an instant."""
        elapsed = self._elapsed(at)
        length = self._trading_time()
        remaining = self.trades - self.undone
        if elapsed < 0 or remaining <= 0:
            return 0
        if elapsed >= length:
            return remaining
        slot = elapsed * self.trades // length
        return min(remaining, slot + (self._offset(slot, length) <= elapsed))

    def volume(self, count: int) -> int:
        """Return the volume of the first `count` trades, in hundredths of a contract."""
        if not count:
            return 0
        return self.total // self.lot * _weight(count) // _weight(self.trades) * self.lot

    def open_interest(self, volume: int) -> int:
        return volume * (80 + self.key % 97) // 256 // 100 * 100

    def time(self, number: int) -> int:
        """Return the instant of a trade."""
        return self._time_of(self._offset(number, self._trading_time()))

    def size(self, number: int) -> int:
        """Return the size of a trade in hundredths of a contract."""
        return self.volume(number + 1) - self.volume(number)

    def price(self, number: int) -> int:
        """Return the price of a trade in tenths of a cent."""
        at = self.time(number)
        noise = (((number ^ self.key) * GOLDEN_RATIO_64 & MASK) >> 61) % 3 - 1
        return min(1000 - self.tick, max(self.tick, (self._fair_price(at) // self.tick + noise) * self.tick))

    def quote_number(self, at: int) -> int:
        """Return the number of the last quote change up to an instant."""
        interval = self.quote_interval
        number = at // interval
        return number - (number * interval + self._jitter(number, interval) > at)

    @property
    def quote_interval(self) -> int:
        return min(MAX_QUOTE_INTERVAL, max(SECOND, (self.ends - self.opens) // 20))

    def quotes(self, number: int) -> Quotes:
        """Return the quotes after change number `number`."""
        draw = (number ^ self.key) * GOLDEN_RATIO_64 & MASK
        if draw >> 48 & 255 < self.no_quote_share:
            return NO_QUOTES
        tick = self.tick
        fair = self._fair_price(number * self.quote_interval) // tick
        bid = max(0, fair - (draw >> 60) % 5 // 2) * tick
        ask = min(1000, max(bid + tick, (fair + 1 + (draw >> 56) % 16 % 5 // 2) * tick))
        sizes = 100 << (draw >> 40) % 12, 100 << (draw >> 30) % 12
        odd = 0 if self.lot == 100 else (draw >> 20) % 100
        return Quotes(bid, ask, sizes[0] + odd if bid else 0, sizes[1] + odd if ask < 1000 else 0)

    def _elapsed(self, at: int) -> int:
        """Return the trading time up to an instant."""
        if self.paused and at > self.paused[0]:
            at = max(self.paused[0], at - (self.paused[1] - self.paused[0]))
        return at - self.opens

    def _time_of(self, elapsed: int) -> int:
        at = self.opens + elapsed
        return at if not self.paused or at <= self.paused[0] else at + self.paused[1] - self.paused[0]

    def _trading_time(self) -> int:
        pause = self.paused[1] - self.paused[0] if self.paused else 0
        return max(1, self.ends - self.opens - pause)

    def _offset(self, number: int, length: int) -> int:
        """Return the trading time up to a trade, at a random point of its slot."""
        draw = ((number + self.key) * GOLDEN_RATIO_64 & MASK) >> 48
        slot = length // self.trades
        return -(-length * number // self.trades) + (slot * draw >> 16)

    def _jitter(self, number: int, interval: int) -> int:
        return interval * (((number + self.key) * GOLDEN_RATIO_64 & MASK) >> 48) >> 16

    def _fair_price(self, at: int) -> int:
        """Return the fair price at an instant: a slow and a fast triangle wave around `middle`."""
        second = at // SECOND + self.key % 10_000_019
        slow, quick = 400_000 + self.key % 700_001, 9_000 + self.key % 13_001
        move = (
            abs(2 * (second % slow) - slow) * 3 * self.swing // slow
            + abs(2 * (second % quick) - quick) * self.swing // quick
        )
        return min(990, max(10, self.middle + move // 2 - self.swing))


def _weight(count: int) -> int:
    return SIZE_PATTERN_SUM * (count >> 2) + SIZE_PATTERN[count & 3]
