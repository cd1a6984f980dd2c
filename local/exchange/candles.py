"""Candlesticks of a market, computed from its tape. Every period length shows the same trades.

Observed on production, 2026-08: candles are sparse. The last candle ends at most one period after the close. Daily
candles end at midnight in New York. A candle whose period has not ended may already be listed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from local.exchange.clock import SECOND, moment
from local.exchange.generated.quotes import DOLLARS, format_contracts
from local.exchange.tape import Tape

NEW_YORK = ZoneInfo("America/New_York")
DAILY = 1440
PERIODS = (1, 60, DAILY)  # minutes
OHLC = ("open", "low", "high", "close")


@dataclass(frozen=True, slots=True)
class Candle:
    """One candlestick.

    `end`: Unix seconds.
    `bids`, `asks`, `prices`: tenths of a cent, in time order.
    `mean`, `previous`: tenths of a cent.
    `volume`, `open_interest`: hundredths of a contract.
    """

    end: int
    bids: list[int]
    asks: list[int]
    prices: list[int]
    mean: int
    previous: int | None
    volume: int
    open_interest: int


def compute_candles(tape: Tape, period: int, start: int, end: int, now: int) -> Iterator[Candle]:
    """Yield the candles of `period` minutes that end in [`start`, `end`] (Unix seconds), as of the instant `now`."""
    if now < tape.opens:
        return
    first = max(_candle_number(period, max(tape.opens, 0) // SECOND), _candle_number(period, start - 1))
    last = min(_candle_number(period, min(now, tape.ends) // SECOND) + 1, _candle_number(period, end))
    for number in range(first, last + 1):
        candle = _make_candle(tape, period, number, now)
        if candle is not None and start <= candle.end <= end:
            yield candle


def compute_candle_before(tape: Tape, period: int, start: int, now: int) -> Candle | None:
    """Return the state of the market at the end of the last period before `start`, as a candle without trades.

    The candle ends one period later. Return None if the market had neither quotes nor trades by then.
    """
    last_number = _candle_number(period, start - 1)
    at = min(_end_of_candle(period, last_number) * SECOND, now, tape.ends)
    count = tape.count(at)
    if at <= tape.opens or not (tape.is_quoted or count):
        return None
    quotes = tape.quotes(tape.quote_number(at))
    volume = tape.volume(count)
    return Candle(
        end=_end_of_candle(period, last_number + 1),
        bids=[quotes.bid],
        asks=[quotes.ask],
        prices=[],
        mean=0,
        previous=tape.price(count - 1) if count else None,
        volume=0,
        open_interest=tape.open_interest(volume),
    )


def _candle_number(period: int, at: int) -> int:
    """Return the number of the last candle that ends at or before a Unix second."""
    return moment(at * SECOND).astimezone(NEW_YORK).toordinal() if period == DAILY else at // (period * 60)


def _end_of_candle(period: int, number: int) -> int:
    if period != DAILY:
        return number * period * 60
    return int(datetime.combine(date.fromordinal(number), time(), NEW_YORK).timestamp())


def _make_candle(tape: Tape, period: int, number: int, now: int) -> Candle | None:
    """Return a candle, or None if its period has neither a trade nor a change of the quotes."""
    begin, end = _end_of_candle(period, number - 1) * SECOND, _end_of_candle(period, number) * SECOND
    first, last = max(begin, tape.opens), min(end, tape.ends, now)
    before, count = tape.count(begin), tape.count(min(end, now))
    quote_numbers = range(tape.quote_number(first), tape.quote_number(last) + 1)
    is_opening = begin < tape.opens
    if first > last or (count == before and not (tape.is_quoted and (len(quote_numbers) > 1 or is_opening))):
        return None
    quotes = (
        [tape.quotes(quote_number) for quote_number in quote_numbers]
        if tape.is_quoted
        else [tape.quotes(quote_numbers[0])]
    )
    prices = [tape.price(trade) for trade in range(before, count)]
    volume_before, volume = tape.volume(before), tape.volume(count)
    sizes = [tape.size(trade) for trade in range(before, count)]
    turnover = sum(price * size for price, size in zip(prices, sizes, strict=True))
    return Candle(
        end=end // SECOND,
        bids=[quote.bid for quote in quotes],
        asks=[quote.ask for quote in quotes],
        prices=prices,
        mean=turnover // (volume - volume_before) if volume > volume_before else 0,
        previous=tape.price(before - 1) if before else None,
        volume=volume - volume_before,
        open_interest=tape.open_interest(volume),
    )


def to_live_object(candle: Candle) -> dict[str, object]:
    """Return a candle in the format of the live tier, which omits missing prices."""
    price: dict[str, str | None] = {}
    if candle.prices:
        price = _to_ohlc(candle.prices, "_dollars") | {"mean_dollars": DOLLARS[candle.mean]}
    if candle.previous is not None:
        price["previous_dollars"] = DOLLARS[candle.previous]
    return {
        "end_period_ts": candle.end,
        "yes_bid": _to_ohlc(candle.bids, "_dollars"),
        "yes_ask": _to_ohlc(candle.asks, "_dollars"),
        "price": price,
        "volume_fp": format_contracts(candle.volume),
        "open_interest_fp": format_contracts(candle.open_interest),
    }


def to_synthetic_object(candle: Candle) -> dict[str, object]:
    """Return the candle before the start, with null prices (docs.kalshi.com, Get Market Candlesticks)."""
    candlestick = to_live_object(candle)
    previous = None if candle.previous is None else DOLLARS[candle.previous]
    names = (*OHLC, "mean")
    return candlestick | {"price": {**dict.fromkeys(f"{name}_dollars" for name in names), "previous_dollars": previous}}


def to_archived_object(candle: Candle) -> dict[str, object]:
    """Return a candle in the format of the archive: names without a suffix, and null for missing prices."""
    price = _to_ohlc(candle.prices, "") if candle.prices else dict.fromkeys(OHLC)
    previous = None if candle.previous is None else DOLLARS[candle.previous]
    return {
        "end_period_ts": candle.end,
        "yes_bid": _to_ohlc(candle.bids, ""),
        "yes_ask": _to_ohlc(candle.asks, ""),
        "price": {**price, "mean": DOLLARS[candle.mean] if candle.prices else None, "previous": previous},
        "volume": format_contracts(candle.volume),
        "open_interest": format_contracts(candle.open_interest),
    }


def _to_ohlc(prices: list[int], suffix: str) -> dict[str, str | None]:
    """Return open, low, high and close of a period's prices in time order."""
    values = (prices[0], min(prices), max(prices), prices[-1])
    return {name + suffix: DOLLARS[value] for name, value in zip(OHLC, values, strict=True)}
