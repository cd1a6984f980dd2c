"""Lifetimes of markets: the status and the times that limit their candlesticks."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from api.candlesticks.cache import CacheClass
from api.candlesticks.time_ranges import TimeRange, aligned
from kalshi_markets.database import Database
from kalshi_markets.exchange import ExchangeClient, ExchangeError

CUTOFF_SECONDS: Final = 600.0
"""Seconds that the exchange's cutoff is cached. It moves once a day, at midnight (observed on production, 2026-09)."""
DST_SLACK_SECONDS: Final = 3600
"""Slack for daily candles: a day in New York may have 25 hours."""
_CACHE_CLASS_BY_STATUS: Final[Mapping[str | None, CacheClass]] = {
    "active": CacheClass.UNSETTLED,
    "finalized": CacheClass.SETTLED,
}


class Lifetime(NamedTuple):
    """Status and times of a market. Times are Unix seconds; None if the market has no such time."""

    status: str | None
    opens_at: float | None
    closes_at: float | None
    settled_at: float | None

    def trimmed(self, span: TimeRange, period: int) -> TimeRange | None:
        """Return the part of a range in which the market can have candlesticks; None if it has none."""
        start, end = span
        first, last = self.trading_bounds
        if first is not None:
            start = max(start, first)
        if last is not None:
            # The last candle ends at most one period after the close (observed on production, 2026-08).
            end = min(end, last + period * 60 + DST_SLACK_SECONDS)
        return span if (start, end) == span else aligned(start, end, period)

    @property
    def trading_bounds(self) -> tuple[int | None, int | None]:
        """Times between which the market can trade, in Unix seconds; None if they are not final.

        An open time may change until it has passed, a close time until the market is finalized. A market that was
        closed before it opened has a close_time before its open_time, which bounds nothing.
        """
        if self._closes_before_opening:
            return None, None
        opens_at, closes_at = self.opens_at, self.closes_at
        return (
            int(opens_at) if opens_at is not None and self.status != "initialized" else None,
            int(closes_at) if closes_at is not None and self.status == "finalized" else None,
        )

    @property
    def fills_until(self) -> float | None:
        """Close of the market, until which its candles may be filled; None if it is before the opening or unknown."""
        return None if self._closes_before_opening else self.closes_at

    @property
    def _closes_before_opening(self) -> bool:
        return self.opens_at is not None and self.closes_at is not None and self.closes_at < self.opens_at

    @property
    def cache_class(self) -> CacheClass:
        """Treatment of the market's candles by the cache.

        Between the close and the settlement an outcome may be amended, and trades with it. Nothing is cached in this
        time, and candles that were cached before it are not used after it.
        """
        return _CACHE_CLASS_BY_STATUS.get(self.status, CacheClass.NOT_CACHED)


class MarketLifetimes:
    """Source of lifetimes, from the table, and of the exchange's cutoff, which it caches."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cutoff: float | None = None
        self._fetched_at = -CUTOFF_SECONDS

    def by_ticker(self, tickers: Sequence[str]) -> Mapping[str, Lifetime]:
        """Return the lifetimes of the tickers that are in the table. Raises DatabaseError."""
        [[lifetimes]] = self._database.query(_lifetimes_sql(self._database.settings.table), json.dumps(tickers))
        known, *fields = json.loads(lifetimes)
        return dict(zip(known, map(Lifetime, *fields), strict=True))

    async def cutoff(self, exchange: ExchangeClient, deadline: float) -> float:
        """Return the Unix time before which settled markets are in the archive.

        If the exchange fails, it is the last known cutoff, or 0.
        """
        if time.monotonic() > self._fetched_at + CUTOFF_SECONDS:
            with suppress(ExchangeError):
                self._cutoff = (await exchange.cutoff(deadline=deadline)).timestamp()
                self._fetched_at = time.monotonic()
        return self._cutoff or 0.0


def _lifetimes_sql(table: str) -> str:
    """Return the statement for the lifetimes of many tickers, a JSON array $1.

    It returns one row of JSON: five arrays of equal length, with the tickers that are in the table, and the fields of
    their lifetimes.
    """
    times = [f"extract(epoch FROM q.{name})" for name in ("open_time", "close_time", "settlement_ts")]
    arrays = ", ".join(f"coalesce(json_agg({field}), '[]')" for field in ("q.ticker", "q.status", *times))
    return f"""
        SELECT json_build_array({arrays})::text
        FROM json_array_elements_text($1::json) AS t(ticker) JOIN {table}_quotes AS q ON q.ticker = t.ticker"""
