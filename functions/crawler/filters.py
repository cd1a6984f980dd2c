"""Checks that the rows of a listing satisfy the filter of the request. An ignored filter returns a 200."""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from kalshi_markets import job_names
from kalshi_markets.exchange import FilterIgnored, InvalidResponse, RawMarket, Row

TOLERANCE_SECONDS: Final = 60
"""Tolerance of a row's time outside the requested window."""
WAIT_SECONDS: Final = 10
"""Maximum wait of a first page for the first pages of other listings."""
SAME_LISTING: Final = frozenset({job_names.LIVE["paused"], job_names.LIVE["closed"]})
"""Jobs whose first pages may be equal.

The filter `paused` also lists closed markets (observed on production, 2026-09).
"""
_NOT_SETTLED: Final = frozenset({"initialized", "inactive", "active", "closed", "determined", "disputed", "amended"})


def check_times(markets: Sequence[RawMarket], field: str, after: float, before: float = float("inf")) -> None:
    """Check that a page satisfies a time filter, whose bounds are Unix seconds. Raises FilterIgnored.

    It raises if most rows, and at least two, are outside the window. A single row proves nothing. A row without a valid
    time counts as outside only if it is an unsettled market in a listing of settlements.
    """
    window = (after - TOLERANCE_SECONDS, before + TOLERANCE_SECONDS)
    _check_outside(sum(_is_outside(market, field, *window) for market in markets), len(markets), field)


def check_updated(rows: Sequence[Row], after: float) -> None:
    """Check that events or series were updated after a Unix second. Raises FilterIgnored, as check_times does."""
    times = [datetime.fromisoformat(str(row["last_updated_ts"])) for row in rows if row["last_updated_ts"]]
    older = sum(time.timestamp() < after - TOLERANCE_SECONDS for time in times)
    _check_outside(older, len(rows), "last_updated_ts")


def _check_outside(outside: int, rows: int, field: str) -> None:
    if outside > 1 and outside * 2 > rows:
        message = f"{outside} of {rows} rows have a {field} outside the requested window"
        raise FilterIgnored(f"the exchange ignored a filter: {message}.")


class FirstPages:
    """First pages of the listings of a run. Two filters with equal first pages mean that a filter was ignored.

    Listings that start together wait for each other's first page, so that none is complete before the check.
    """

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self._awaited: set[str] = set()
        self._all_there = asyncio.Event()

    def expect(self, name: str) -> None:
        """Announce a first page. name: name of the filter."""
        self._awaited.add(name)
        self._all_there.clear()

    def withdraw(self, name: str) -> None:
        """Withdraw an announcement."""
        self._awaited.discard(name)
        if not self._awaited:
            self._all_there.set()

    async def check(self, name: str, markets: Sequence[RawMarket]) -> None:
        """Compare a first page with all others, and wait for announced ones. Raises FilterIgnored if two are equal."""
        digest = self._digests[name] = page_digest(markets)
        self.withdraw(name)
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await self._all_there.wait()
        for other, others in self._digests.items():
            if digest and digest == others and other != name and not {name, other} <= SAME_LISTING:
                raise same_pages_error(name, other)


def page_digest(markets: Sequence[RawMarket]) -> str:
    """Return a hash of the tickers of a page, or an empty text for an empty page."""
    tickers = sorted(market.ticker for market in markets if market.ticker)
    return hashlib.blake2b(json.dumps(tickers).encode(), digest_size=8).hexdigest() if tickers else ""


def same_pages_error(name: str, other: str) -> FilterIgnored:
    """Return the error for two filters with equal first pages."""
    return FilterIgnored(f"the exchange ignored a filter: the first pages of {name} and {other} are the same.")


def _is_outside(raw_market: RawMarket, field: str, first: float, last: float) -> bool:
    market = _parse_object(raw_market)
    try:
        at = datetime.fromisoformat(str(market.get(field))).timestamp()
    except ValueError:
        return field == "settlement_ts" and market.get("status") in _NOT_SETTLED
    return not first <= at <= last


def _parse_object(raw_market: RawMarket) -> Mapping[str, Any]:
    try:
        market = raw_market.parse()
    except InvalidResponse:
        return {}
    return market if isinstance(market, Mapping) else {}
