"""Filled candlesticks: a price for periods without a trade."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from api.candlesticks.parsed_candle import JsonObject, ParsedCandle, build, encode, read_price
from kalshi_markets.exchange import Candle

_OHLC: Final = ("open_dollars", "low_dollars", "high_dollars", "close_dollars")


class Periods(NamedTuple):
    """Periods of one market that may be filled.

    boundaries: start of the first period, then the end of each period, in Unix seconds.
    closes_at: close of the market in Unix seconds; None if it is unknown.
    now: Unix seconds. A later period is filled only if it has a candle.
    """

    boundaries: Sequence[int]
    closes_at: float | None
    now: float


def fill_candles(candles: Iterable[ParsedCandle], periods: Periods, *, mid: bool) -> Iterator[Candle]:
    """Yield a candle for each period from the first known price to the close, or to the last candle if that is unknown.

    A period without a trade gets the last known price. The first candle's previous price shows that the market was
    traded before the range: then the periods before this candle are filled too.

    candles: oldest first, each in a period of its own.
    mid: a period without a trade gets the middle of bid and ask at its end, if the book is not empty.
    """
    filler = None
    for candle in candles:
        filler = filler or _Filler(periods, candle, mid=mid)
        if (index := bisect_left(periods.boundaries, candle.end)) > filler.index:
            yield from filler.fill_gap(index)
        yield filler.fill_candle(candle)
    if filler and periods.closes_at is not None:
        yield from filler.fill_gap(len(periods.boundaries))


class _Filler:
    """State of one market at the end of the last period that was written. A price is None while it is unknown.

    _price: the price of the last period, traded or filled.
    _traded: the last traded price.
    _fields: the candle that has the quotes: in the member _quote_member.
    index: index of the next period's end in the boundaries.
    _behind_gaps: index behind the last period that may be filled without a candle.
    """

    def __init__(self, periods: Periods, first: ParsedCandle, *, mid: bool) -> None:
        self._periods = periods
        self._mid = mid
        self._behind_close = len(periods.boundaries)
        if periods.closes_at is not None:
            self._behind_close = bisect_left(periods.boundaries, periods.closes_at) + 1
        self._behind_gaps = min(self._behind_close, bisect_right(periods.boundaries, periods.now))
        # The open of a quote is the quote at the start of the period (docs.kalshi.com, Get Market Candlesticks).
        self._fields, self._quote_member = first.fields, "open_dollars"
        self._open_interest: Any = None
        self._price = self._traded = read_price(first.fields, "price", "previous_dollars")
        self.index = 1 if self._traded is not None else bisect_left(periods.boundaries, first.end)

    def fill_gap(self, behind: int) -> Iterator[Candle]:
        """Yield the candles of the periods before the one with the index `behind`."""
        price, text = None, ""
        for index in range(self.index, min(behind, self._behind_gaps)):
            end = self._periods.boundaries[index]
            self._price = self._price_at(end)
            if self._price is None:
                break
            if self._price != price:
                price, text = self._price, self._gap_text()
            yield Candle(end, f'{{"end_period_ts":{end}{text}')
        self.index = behind

    def fill_candle(self, candle: ParsedCandle) -> Candle:
        """Return the candle of the next period, with a price if it has none. Candles after the close stay unchanged."""
        index, self.index = self.index, self.index + 1
        if index >= self._behind_close:
            return Candle(candle.end, candle.text)
        self._fields, self._quote_member = candle.fields, "close_dollars"
        self._open_interest = candle.fields.get("open_interest_fp")
        traded = read_price(candle.fields, "price", "close_dollars")
        if traded is not None:
            self._price = self._traded = traded
            return Candle(candle.end, candle.text)
        self._price = self._price_at(candle.end)
        if self._price is None:
            return Candle(candle.end, candle.text)
        filled = build(candle.end, {**candle.fields, "price": self._flat_price(), "filled": True})
        return Candle(filled.end, filled.text)

    def _price_at(self, end: int) -> Any:
        """Return the price of a period without a trade. After the close the quotes are no prices."""
        closes_at = self._periods.closes_at
        if self._mid and (closes_at is None or end <= closes_at):
            return _middle(*self._quotes()) or self._price
        return self._price

    def _quotes(self) -> tuple[Any, Any]:
        """Return bid and ask at the end of the last period."""
        bid, ask = (read_price(self._fields, name, self._quote_member) for name in ("yes_bid", "yes_ask"))
        return bid, ask

    def _gap_text(self) -> str:
        """Return the text, after its end, of a candle of a period without a trade and without a change of the quotes.

        It is formatted here, because encoding an object takes several times as long.
        """
        quotes = "".join(
            f'"{name}":{{{_flat_text(quote)}}},'
            for name, quote in zip(("yes_bid", "yes_ask"), self._quotes(), strict=True)
            if quote is not None
        )
        previous = "" if self._traded is None else f',"previous_dollars":{encode(self._traded)}'
        interest = "" if self._open_interest is None else f'"open_interest_fp":{encode(self._open_interest)},'
        price = f'"price":{{{_flat_text(self._price)}{previous}}}'
        return f',{quotes}{price},"volume_fp":"0.00",{interest}"filled":true}}'

    def _flat_price(self) -> JsonObject:
        previous = {} if self._traded is None else {"previous_dollars": self._traded}
        return {**dict.fromkeys(_OHLC, self._price), **previous}


def _flat_text(price: Any) -> str:
    text = encode(price)
    return f'"open_dollars":{text},"low_dollars":{text},"high_dollars":{text},"close_dollars":{text}'


def _middle(bid: Any, ask: Any) -> str | None:
    """Return the middle of the quotes; None if the book is empty. The exchange sends 0 and 1 for an empty book."""
    if bid is None or ask is None:
        return None
    low, high = Decimal(bid), Decimal(ask)
    return None if low == 0 and high == 1 else f"{(low + high) / 2:f}"
