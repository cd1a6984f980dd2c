"""Maintenance jobs: rate limits, series and retention."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Final

from crawler.job_table import JobState
from crawler.jobs.base import LOWEST_PRIORITY, Job, JobContext, PageUpdate, finished, started
from kalshi_markets import job_names

LIMITS_INTERVAL: Final = timedelta(hours=1)


class LimitsJob(Job):
    """Job that fetches the account's rate limits and the costs of requests, for the rate limiters of all processes."""

    name = job_names.LIMITS
    interval = LIMITS_INTERVAL
    priority = 0.0  # two requests, whose responses limit all others

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield the costs, then the rate limits. Without an API key there are only costs."""
        state, exchange, deadline = started(state, {}), context.exchange, context.listings.deadline
        costs = await exchange.costs(deadline=deadline, priority=self.priority)
        if not exchange.is_signed:
            yield PageUpdate(finished(state), costs=costs)
            return
        yield PageUpdate(state, costs=costs)
        limits = await exchange.account_limits(costs, deadline=deadline, priority=self.priority)
        yield PageUpdate(finished(state), costs=costs, limits=limits)


class SeriesJob(Job):
    """Job that fetches all series, for the categories of the markets."""

    name = job_names.SERIES
    runs_alone_first = True  # markets that are read later get their category at once

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield all series in one update."""
        state = started(state, {})
        yield PageUpdate(finished(state), series=await context.listings.all_series())


class RetentionJob(Job):
    """Job that deletes markets whose retention has expired since their settlement."""

    name = job_names.RETENTION
    priority = LOWEST_PRIORITY / 2

    def __init__(self, interval: timedelta, retention: timedelta) -> None:
        self.interval = interval
        self._retention = retention

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield deletions in batches until no expired market is left."""
        state = started(state, {})
        horizon = await context.listings.exchange_time() - self._retention
        while await context.store.has_expired(horizon):
            yield PageUpdate(state, delete_settled_before=horizon)
        yield PageUpdate(finished(state))
