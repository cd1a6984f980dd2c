"""Derived candlesticks of all results: of other periods than the exchange's, of days in other zones, or filled."""

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from api.candlesticks.chunks import SEPARATOR, CandleChunk
from api.candlesticks.derivation import Derivation
from api.candlesticks.fetch_state import MAX_RESPONSE_BYTES, FetchState
from api.candlesticks.filling import Periods, fill_candles
from api.candlesticks.gzip_body import Deflated
from api.candlesticks.lifetimes import Lifetime
from api.candlesticks.parsed_candle import ParsedCandle, parse
from api.candlesticks.resampling import resample
from api.candlesticks.result import DEADLINE, RESPONSE_FULL, RESULT_TOO_LARGE, Result, exchange_error
from api.candlesticks.time_ranges import TimeRange
from kalshi_markets.exchange import Candle

DERIVE_GRACE_SECONDS: Final = 1.0
"""Seconds after the deadline in which candles are still derived."""
_CANDLES_PER_CHUNK: Final = 360
"""Candles that are compressed together, as many as a block of the cache has."""
_SHAPE_ERRORS: Final = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError)
"""Exceptions of a candle that has another shape."""


def derive_results(state: FetchState, derivation: Derivation, lifetimes: Mapping[str, Lifetime]) -> None:
    """Replace the exchange's candles in all results by derived ones.

    Results fail with DEADLINE when the time is over, and with RESPONSE_FULL when no response holds more.
    """
    size = 0
    for result in state.results:
        if result.error:
            continue
        if time.monotonic() > state.deadline + DERIVE_GRACE_SECONDS:
            result.fail(DEADLINE)
        elif size > MAX_RESPONSE_BYTES:
            result.fail(RESPONSE_FULL)
        else:
            lifetime = lifetimes.get(result.ticker)
            periods = Periods(derivation.boundaries, lifetime.fills_until if lifetime else None, state.exchange.now())
            _derive_result(result, derivation, periods)
            size += result.size


def _derive_result(result: Result, derivation: Derivation, periods: Periods) -> None:
    chunks, size = [], 0
    try:
        for chunk in _compress(_candles(result, derivation, periods)):
            chunks.append(chunk)
            size += chunk.size
            if size > MAX_RESPONSE_BYTES:
                result.fail(RESULT_TOO_LARGE)
                return
    except _SHAPE_ERRORS:
        result.fail(exchange_error("it returned invalid candlesticks.", retryable=False))
        return
    result.chunks = chunks
    result.range = TimeRange(periods.boundaries[0], periods.boundaries[-1]) if chunks else None


def _candles(result: Result, derivation: Derivation, periods: Periods) -> Iterable[Candle | ParsedCandle]:
    candles = parse(result.candles(), SEPARATOR)
    if derivation.is_resampled:
        candles = resample(candles, periods.boundaries)
    if derivation.fill == "none":
        return candles
    return fill_candles(candles, periods, mid=derivation.fill == "mid")


def _compress(candles: Iterable[Candle | ParsedCandle]) -> Iterator[CandleChunk]:
    iterator = iter(candles)
    while group := list(islice(iterator, _CANDLES_PER_CHUNK)):
        text = SEPARATOR.join(candle.text for candle in group)
        yield CandleChunk(TimeRange(group[0].end, group[-1].end), Deflated.compress(text), fetched=False)
