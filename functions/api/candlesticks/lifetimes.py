"""What the table knows of the markets that are asked for."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from api.candlesticks.time_ranges import TimeRange, aligned
from api.markets import sql
from kalshi_markets.database import Database
from kalshi_markets.exchange import ExchangeClient, ExchangeError

CUTOFF_SECONDS: Final = 600.0
"""How long the exchange's cutoff is kept; it moves once a day, at midnight (observed on production, 2026-09)."""
DST_SLACK_SECONDS: Final = 3600
"""A day in New York may have 25 hours."""
_IS_SETTLED_BY_STATUS: Final[Mapping[str | None, bool]] = {"active": False, "finalized": True}


class Lifetime(NamedTuple):
    """A market's; times in Unix seconds, None where there is none."""

    status: str | None
    opens_at: float | None
    closes_at: float | None
    settled_at: float | None

    def trimmed(self, span: TimeRange, period: int) -> TimeRange | None:
        """Return the part of a range in which the market can have candlesticks; None if it has none.

        An opening may move until it is past, a close until the market is finalized. A market that was closed before it
        opened has a close_time before its open_time, and the range stays whole.
        """
        start, end = span
        if self.opens_at is not None and self.closes_at is not None and self.closes_at < self.opens_at:
            return span
        if self.opens_at is not None and self.status != "initialized":
            start = max(start, int(self.opens_at))
        if self.closes_at is not None and self.status == "finalized":
            # The last candle ends at most one period after the close (observed on production, 2026-08).
            end = min(end, int(self.closes_at) + period * 60 + DST_SLACK_SECONDS)
        return span if (start, end) == span else aligned(start, end, period)

    @property
    def cached_as_settled(self) -> bool | None:
        """Whether candles of it are kept as those of a settled market; None: not kept at all.

        Between its close and its settlement an outcome may be amended, and trades with it: nothing is kept, and what
        was kept before counts for nothing afterwards.
        """
        return _IS_SETTLED_BY_STATUS.get(self.status)


class MarketLifetimes:
    """The table's markets, and the exchange's cutoff."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cutoff: float | None = None
        self._fetched_at = -CUTOFF_SECONDS

    def by_ticker(self, tickers: Sequence[str]) -> Mapping[str, Lifetime]:
        """By ticker, of those that are in the table. Raises DatabaseError."""
        statement, values = sql.trading_times(tickers, self._database.settings.table)
        [[lifetimes]] = self._database.query(statement, *values)
        known, *members = json.loads(lifetimes)
        return dict(zip(known, map(Lifetime, *members), strict=True))

    async def cutoff(self, exchange: ExchangeClient, deadline: float) -> float:
        """Markets settled before this Unix second are in the archive. As last known where the exchange fails."""
        if time.monotonic() > self._fetched_at + CUTOFF_SECONDS:
            with suppress(ExchangeError):
                self._cutoff = (await exchange.cutoff(deadline=deadline)).timestamp()
                self._fetched_at = time.monotonic()
        return self._cutoff or 0.0
