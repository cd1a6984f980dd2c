"""Maintenance jobs: rate limits, series, counts and retention."""

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime, timedelta
from typing import Final

from crawler.filters import check_updated
from crawler.job_table import JobState
from crawler.jobs.base import (
    DISTANT_PAST,
    LOWEST_PRIORITY,
    OVERLAP_SECONDS,
    Job,
    JobContext,
    PageUpdate,
    finished,
    has_new_live_walk,
    started,
)
from crawler.outbox import Outbox
from kalshi_markets import job_names

LIMITS_INTERVAL: Final = timedelta(hours=1)
SERIES_BATCH: Final = 100
"""Maximum of series in one commit. If their categories change, it also writes their events and markets."""
_ADDING_JOBS: Final = (job_names.SETTLED_BACKLOG, job_names.ARCHIVE)


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
    """Job that reads the series edited since the last pass started, and all series in the first pass of a day.

    A series that is missing from a listing of edits is found a day later. A day is one of UTC.
    """

    name = job_names.SERIES
    runs_alone_first = True  # markets that are read later get their category at once

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield the series in batches."""
        now, state = await context.listings.exchange_time(), started(state, {})
        # A series without a title was sent damaged. It may not be edited for years.
        since = None if await context.store.has_untitled_series() else _edited_since(state)
        series = await context.listings.series(since)
        if since is not None:
            check_updated(series, since)
        for start in range(0, len(series), SERIES_BATCH):
            yield PageUpdate(state, series=series[start : start + SERIES_BATCH])
        yield PageUpdate(finished(state, watermark=now))


def _edited_since(state: JobState) -> int | None:
    """Return the Unix second since which edited series are read. None: all series are read.

    state: state at the start of a pass.
    """
    if state.watermark is None or state.confirmed_at is None or state.started_at is None:
        return None
    is_first_of_day = state.started_at.date() != state.confirmed_at.date()
    return None if is_first_of_day else int(state.watermark.timestamp()) - OVERLAP_SECONDS


class CountsJob(Job):
    """Job that counts the markets, for facets and for the series."""

    name = job_names.COUNTS
    priority = 1000.0

    def is_due(self, state: JobState, states: Mapping[str, JobState], now: datetime) -> bool:  # noqa: ARG002  # signature of Job
        """Return whether all live jobs, the backlog or the archive have completed a pass since the last one started.

        The backlog and the archive add most of the settled markets, and are rarely run.
        """
        added = [states[name].finished_at or DISTANT_PAST for name in _ADDING_JOBS if name in states]
        has_new_markets = state.started_at is not None and max(added, default=DISTANT_PAST) > state.started_at
        return has_new_live_walk(state, states) or has_new_markets

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:  # noqa: ARG002  # signature of Job
        """Yield one update that counts."""
        yield PageUpdate(finished(started(state, {})), count_markets=True)


class RetentionJob(Job):
    """Job that deletes markets whose retention has expired since their settlement.

    after_backlog: whether it waits until the backlog of the lake is complete.
    """

    name = job_names.RETENTION
    priority = LOWEST_PRIORITY / 2

    def __init__(self, interval: timedelta, retention: timedelta, *, after_backlog: bool) -> None:
        self.interval = interval
        self._retention = retention
        self._after_backlog = after_backlog

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield deletions in batches until no expired market is left."""
        state = started(state, {})
        if self._after_backlog and not (await context.store.lake(Outbox.state)).backlog_complete:
            yield PageUpdate(finished(state))
            return
        horizon = await context.listings.exchange_time() - self._retention
        while await context.store.has_expired(horizon):
            yield PageUpdate(state, delete_settled_before=horizon)
        yield PageUpdate(finished(state))
