"""Derivation of a request's candlesticks from the exchange's: the periods of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from api.candlesticks.boundaries import day_boundaries, minute_boundaries
from api.candlesticks.request import DAY_MINUTES, EXCHANGE_ZONE, CandlesticksRequest, Fill
from api.candlesticks.time_ranges import TimeRange, aligned
from kalshi_markets.database import Database

EXCHANGE_PERIODS: Final = (1, 60, DAY_MINUTES)
"""Lengths of the exchange's periods in minutes."""
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Derivation:
    """Derivation of a request's candles from the exchange's.

    source: period of the exchange's candles, in minutes.
    boundaries: start of the first period, then the end of each period, in Unix seconds; empty if the range has none.
    is_resampled: whether the periods differ from those of the exchange.
    """

    source: int
    boundaries: Sequence[int]
    is_resampled: bool
    fill: Fill

    @property
    def range(self) -> TimeRange | None:
        """Range of the exchange's candles; None if there are none."""
        return aligned(self.boundaries[0] + 1, self.boundaries[-1], self.source) if self.boundaries else None


class UnknownZone(Exception):
    """Time zone that PostgreSQL does not have."""


def plan_derivation(request: CandlesticksRequest, database: Database, now: float) -> Derivation | None:
    """Return how a request's candles are derived; None if they are the exchange's own.

    now: Unix seconds of the exchange's clock.
    Raises UnknownZone and DatabaseError.
    """
    minutes, zone = request.period_interval, request.tz or EXCHANGE_ZONE
    is_daily = minutes == DAY_MINUTES
    is_resampled = minutes not in EXCHANGE_PERIODS or (is_daily and zone != EXCHANGE_ZONE)
    if not is_resampled and request.fill == "none":
        return None
    start, end = request.time_range(now)
    boundaries = day_boundaries(database, zone, start, end) if is_daily else minute_boundaries(start, end, minutes)
    if boundaries is None:
        raise UnknownZone
    hourly = all(boundary % _HOUR == 0 for boundary in boundaries)
    source = (60 if hourly else 1) if is_resampled else minutes
    return Derivation(source, boundaries, is_resampled, request.fill)
