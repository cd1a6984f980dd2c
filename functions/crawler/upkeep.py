"""Jobs that look after what the walks over markets leave open."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Final

from crawler.store import Job
from crawler.walks import FAR_BEHIND, Step, Turn, Walk, begun, ended
from kalshi_markets.exchange.account import fetch_costs, fetch_limits

LIMITS_INTERVAL: Final = timedelta(hours=1)


class LimitsWalk(Walk):
    """What the exchange permits the account, and what requests cost, for the limiter of all processes."""

    name = "limits"
    interval = LIMITS_INTERVAL
    urgency = 0.0  # two requests, by which all others are paced

    async def steps(self, turn: Turn, job: Job) -> AsyncGenerator[Step, None]:
        """Two answers; without an API key there is no account to ask for."""
        job, listings = begun(job, {}), turn.listings
        costs = await fetch_costs(listings.transport, deadline=listings.deadline, urgency=listings.urgency)
        if not listings.transport.is_signed:
            yield Step(ended(job), costs=costs)
            return
        yield Step(job, costs=costs)
        limits = await fetch_limits(listings.transport, costs, deadline=listings.deadline, urgency=listings.urgency)
        yield Step(ended(job), costs=costs, limits=limits)


class SeriesWalk(Walk):
    """Every series, for the categories of the markets."""

    name = "series"
    goes_first = True  # what is read after it has its category at once

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    async def steps(self, turn: Turn, job: Job) -> AsyncGenerator[Step, None]:
        """One answer."""
        job = begun(job, {})
        yield Step(ended(job), series=await turn.listings.all_series())


class RetentionWalk(Walk):
    """Deletes markets that were settled longer ago than they are to be kept."""

    name = "retention"
    urgency = FAR_BEHIND / 2

    def __init__(self, interval: timedelta, kept: timedelta) -> None:
        self.interval = interval
        self._kept = kept

    async def steps(self, turn: Turn, job: Job) -> AsyncGenerator[Step, None]:
        """Some at a time, until none is left."""
        job = begun(job, {})
        horizon = await turn.listings.time() - self._kept
        while await turn.read(turn.store.has_expired, horizon):
            yield Step(job, expired=horizon)
        yield Step(ended(job))
