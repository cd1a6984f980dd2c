"""Model of a market's trades and quotes, and its candlesticks in plain Python: of any periods, filled or not."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

EMPTY_BOOK = (0, 10_000)


@dataclass(frozen=True)
class Trade:
    at: int
    price: int  # ten-thousandths of a dollar
    size: int  # hundredths of a contract


@dataclass(frozen=True)
class Market:
    """opens, closes: Unix seconds. quotes: (second, (bid, ask)), the first at the opening."""

    opens: int
    closes: int
    trades: list[Trade]
    quotes: list[tuple[int, tuple[int, int]]]


def random_market(rng: random.Random, start: int, end: int) -> Market:
    """Return a market whose life overlaps the range, or just misses it."""
    length = end - start
    opens = start + rng.randrange(-length, length)
    closes = opens + rng.randrange(60, 2 * length)
    times = sorted(rng.randrange(opens + 1, closes) for _ in range(rng.choice([0, 1, 2, 10, 60])))
    trades = [Trade(at, rng.randrange(1, 10_000), rng.randrange(1, 100_000)) for at in times]
    quotes = [(opens, EMPTY_BOOK)]
    for at in sorted({rng.randrange(opens + 1, closes) for _ in range(rng.choice([0, 1, 5, 40]))}):
        bid = rng.randrange(0, 9_999)
        quote = (bid, rng.randrange(bid + 1, 10_001)) if rng.random() < 0.8 else EMPTY_BOOK
        if quote != quotes[-1][1]:
            quotes.append((at, quote))
    if rng.random() < 0.5:  # the settlement, in the period of the close or after it
        settled = rng.choice([(9_900, 10_000), (0, 100), EMPTY_BOOK])
        if settled != quotes[-1][1]:
            quotes.append((closes + rng.choice([1, 30, 4000]), settled))
    return Market(opens, closes, trades, quotes)


def dollars(price: int) -> str:
    return f"{price // 10_000}.{price % 10_000:04}"


def hundredths(size: int) -> str:
    return f"{size // 100}.{size % 100:02}"


def ohlc(prices: Sequence[int]) -> dict[str, str]:
    values = {"open": prices[0], "low": min(prices), "high": max(prices), "close": prices[-1]}
    return {f"{name}_dollars": dollars(price) for name, price in values.items()}


def candle(market: Market, begin: int, end: int) -> dict[str, Any] | None:
    """Return the candle of the seconds after `begin` until `end`, without a mean; None without a trade or new quote."""
    trades = [trade for trade in market.trades if begin < trade.at <= end]
    changes = [quote for at, quote in market.quotes if begin < at <= end]
    if not trades and not changes:
        return None
    quotes = [quote for at, quote in market.quotes if at <= begin][-1:] + changes
    before = [trade.price for trade in market.trades if trade.at <= begin]
    return {
        "end_period_ts": end,
        "yes_bid": ohlc([bid for bid, _ in quotes]),
        "yes_ask": ohlc([ask for _, ask in quotes]),
        "price": (ohlc([trade.price for trade in trades]) if trades else {})
        | ({"previous_dollars": dollars(before[-1])} if before else {}),
        "volume_fp": hundredths(sum(trade.size for trade in trades)),
        "open_interest_fp": hundredths(sum(trade.size for trade in market.trades if trade.at <= end) // 2),
    }


def candles(market: Market, boundaries: Sequence[int]) -> list[dict[str, Any]]:
    """Return the candles of periods, each with the mean of its trades, rounded to a ten-thousandth."""
    listed = []
    for begin, end in pairwise(boundaries):
        if unfilled := candle(market, begin, end):
            mean = mean_price(market, begin, end)
            if mean is not None:
                unfilled["price"]["mean_dollars"] = dollars(round(mean))
            listed.append(unfilled)
    return listed


def mean_price(market: Market, begin: int, end: int) -> Fraction | None:
    trades = [trade for trade in market.trades if begin < trade.at <= end]
    if not trades:
        return None
    return Fraction(sum(trade.price * trade.size for trade in trades), sum(trade.size for trade in trades))


def filled(
    market: Market, boundaries: Sequence[int], now: int, *, mid: bool, close_known: bool = True
) -> list[dict[str, Any]]:
    """Return the candles with those of periods without a trade, from the trades and quotes themselves."""
    existing = {unfilled["end_period_ts"]: unfilled for unfilled in candles(market, boundaries)}
    if not existing:
        return []
    first, last = min(existing), max(existing)
    traded_before = any(trade.at <= boundaries[boundaries.index(first) - 1] for trade in market.trades)
    shown: str | None = None
    written: list[dict[str, Any]] = []
    for begin, end in pairwise(boundaries):
        unfilled = existing.get(end)
        is_closed = close_known and begin >= market.closes
        trades = [dollars(trade.price) for trade in market.trades if trade.at <= end]
        if unfilled and (is_closed or "open_dollars" in unfilled["price"]):
            written.append(unfilled)
            shown = unfilled["price"].get("close_dollars", shown)
            continue
        if not unfilled and (is_closed or end > now or (end < first and not traded_before)):
            continue
        if not unfilled and not close_known and end > last:
            continue
        if shown is None:
            shown = trades[-1] if trades else None
        if mid and (not close_known or end <= market.closes):
            bid, ask = [quote for at, quote in market.quotes if at <= end][-1]
            if (bid, ask) != EMPTY_BOOK:
                half = bid + ask
                shown = dollars(half // 2) + ("5" if half % 2 else "")
        written += [unfilled] if unfilled and shown is None else []
        if shown is not None:
            written.append(_filled_candle(market, unfilled, end, shown, trades, leading=end < first))
    return written


def _filled_candle(
    market: Market, unfilled: dict[str, Any] | None, end: int, shown: str, trades: list[str], *, leading: bool
) -> dict[str, Any]:
    price = dict.fromkeys(("open_dollars", "low_dollars", "high_dollars", "close_dollars"), shown)
    if trades:
        price["previous_dollars"] = trades[-1]
    if unfilled:
        return {**unfilled, "price": price, "filled": True}
    bid, ask = [quote for at, quote in market.quotes if at <= end][-1]
    interest = hundredths(sum(trade.size for trade in market.trades if trade.at <= end) // 2)
    return {
        "end_period_ts": end,
        "yes_bid": ohlc([bid]),
        "yes_ask": ohlc([ask]),
        "price": price,
        "volume_fp": "0.00",
        **({} if leading else {"open_interest_fp": interest}),
        "filled": True,
    }


def cut(market: Market, now: int) -> Market:
    """Return the market as it is known at a time."""
    return Market(
        market.opens,
        market.closes,
        [trade for trade in market.trades if trade.at <= now],
        [quote for quote in market.quotes if quote[0] <= now],
    )
