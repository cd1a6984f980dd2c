"""The walks over the exchange's listings. Each knows when it is due, fetches its next page and where that leads."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from crawler.store import Job
from kalshi_markets.exchange import ExchangeClient
from kalshi_markets.exchange.client import LIVE_FILTERS
from kalshi_markets.settings import CrawlerSettings

FIRST_WINDOW: Final = 6 * 3600
"""Seconds of settlements: about 19 pages on the whole exchange. Where they fit one page the next window is wider."""
OVERLAP: Final = 120
"""Seconds that a window reaches back into the one before: answers are up to 15 s old (the exchange's CDN), and a
settlement may become visible after its time."""


@dataclass(frozen=True)
class Step:
    """A fetched page, and the job's line in the books once it is committed."""

    markets: Sequence[Mapping[str, Any]]
    job: Job

    @property
    def completed(self) -> bool:
        """Whether it was the walk's last page."""
        return self.job.position is None


class Walk(ABC):
    """One job. `name` is its line in the books; `interval` how long after a walk's begin the next is due."""

    name: str
    interval: timedelta

    def is_due(self, job: Job, now: datetime) -> bool:
        """A walk under way goes on; the next begins when the interval has passed."""
        return job.position is not None or job.begun_at is None or now - job.begun_at >= self.interval

    def urgency(self, job: Job, now: datetime) -> timedelta:  # noqa: ARG002  # others look at both
        """Of the jobs that are due, the one with the least goes first; of equals, the one that began longest ago."""
        return self.interval

    @abstractmethod
    async def step(self, exchange: ExchangeClient, job: Job, now: datetime, *, deadline: float) -> Step:
        """Fetches the next page. Raises ExchangeError."""


class LiveWalk(Walk):
    """Every market that is not settled, by one status filter of the exchange."""

    def __init__(self, status: str, interval: timedelta) -> None:
        self.name = f"live/{status}"
        self.interval = interval
        self._status = status

    async def step(self, exchange: ExchangeClient, job: Job, now: datetime, *, deadline: float) -> Step:
        """Follows the cursor; without a position, begins at the newest market."""
        begun = job if job.position else replace(job, begun_at=now, position={})
        cursor = (begun.position or {}).get("cursor")
        page = await exchange.markets(self._status, cursor, deadline=deadline)
        if page.cursor:
            return Step(page.markets, replace(begun, position={"cursor": page.cursor}))
        return Step(page.markets, replace(begun, position=None, ended_at=now))


class SettledWalk(Walk):
    """Every settlement from the archive's cutoff up to now, window by window, and then what is new.

    Its position is a window of settlement times in Unix seconds, `from` and `to`, and the cursor within it.
    """

    name = "settled"

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    def urgency(self, job: Job, now: datetime) -> timedelta:
        """The way from the cutoff to now is long at first: once begun, it leaves live markets the first turn."""
        behind = job.position and now.timestamp() - job.position["to"] > FIRST_WINDOW
        return timedelta.max if behind else self.interval

    async def step(self, exchange: ExchangeClient, job: Job, now: datetime, *, deadline: float) -> Step:
        """Follows the window's cursor, then goes on to the next window."""
        if not job.position:
            start = job.watermark or await exchange.settled_cutoff(deadline=deadline)
            job = replace(job, begun_at=now, position=_window(int(start.timestamp()), FIRST_WINDOW, now))
        window = dict(job.position or {})
        # Both bounds are exclusive.
        after, before = window["from"] - OVERLAP, window["to"] + 1
        page = await exchange.settled(after, before, window.get("cursor"), deadline=deadline)
        if page.cursor:
            return Step(page.markets, replace(job, position={**window, "cursor": page.cursor}))
        # A clock of ours that is fast must not mark as seen what has not happened yet.
        seen_until = max(window["from"], min(window["to"], int(exchange.now())))
        job = replace(job, watermark=datetime.fromtimestamp(seen_until, UTC))
        if now.timestamp() - window["to"] < self.interval.total_seconds():
            return Step(page.markets, replace(job, position=None, ended_at=now))
        fitted_one_page = "cursor" not in window
        length = (window["to"] - window["from"]) * (2 if fitted_one_page else 1)
        return Step(page.markets, replace(job, position=_window(seen_until, max(length, FIRST_WINDOW), now)))


def _window(start: int, length: int, now: datetime) -> dict[str, int]:
    return {"from": start, "to": max(start, min(start + length, int(now.timestamp())))}


def walks(settings: CrawlerSettings) -> list[Walk]:
    """Every job there is."""
    live = timedelta(seconds=settings.live_interval)
    return [
        SettledWalk(timedelta(seconds=settings.settled_interval)),
        *(LiveWalk(status, live) for status in LIVE_FILTERS),
    ]
