"""Jobs that look after what the walks over markets leave open."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Final

from crawler.jobs.base import LOWEST_PRIORITY, Job, JobContext, PageUpdate, finished, started
from crawler.store import JobState
from kalshi_markets import job_names
from kalshi_markets.exchange.account import fetch_costs, fetch_limits

LIMITS_INTERVAL: Final = timedelta(hours=1)


class LimitsJob(Job):
    """What the exchange permits the account, and what requests cost, for the limiter of all processes."""

    name = job_names.LIMITS
    interval = LIMITS_INTERVAL
    priority = 0.0  # two requests, by which all others are paced

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Two answers; without an API key there is no account to ask for."""
        state, listings = started(state, {}), context.listings
        costs = await fetch_costs(listings.transport, deadline=listings.deadline, priority=listings.priority)
        if not listings.transport.is_signed:
            yield PageUpdate(finished(state), costs=costs)
            return
        yield PageUpdate(state, costs=costs)
        limits = await fetch_limits(listings.transport, costs, deadline=listings.deadline, priority=listings.priority)
        yield PageUpdate(finished(state), costs=costs, limits=limits)


class SeriesJob(Job):
    """Every series, for the categories of the markets."""

    name = job_names.SERIES
    runs_alone_first = True  # what is read after it has its category at once

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """One answer."""
        state = started(state, {})
        yield PageUpdate(finished(state), series=await context.listings.all_series())


class RetentionJob(Job):
    """Deletes markets that were settled longer ago than they are to be kept."""

    name = job_names.RETENTION
    priority = LOWEST_PRIORITY / 2

    def __init__(self, interval: timedelta, retention: timedelta) -> None:
        self.interval = interval
        self._retention = retention

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Some at a time, until none is left."""
        state = started(state, {})
        horizon = await context.listings.exchange_time() - self._retention
        while await context.query(context.store.has_expired, horizon):
            yield PageUpdate(state, delete_settled_before=horizon)
        yield PageUpdate(finished(state))
