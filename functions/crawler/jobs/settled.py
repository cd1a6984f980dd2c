"""Jobs that read settlements, in windows of the settlement time."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from crawler.filters import check_times
from crawler.job_table import JobState
from crawler.jobs.base import (
    LOWEST_PRIORITY,
    OVERLAP_SECONDS,
    Job,
    JobContext,
    PageUpdate,
    finished,
    paginate,
    started,
)
from kalshi_markets import job_names

INITIAL_WINDOW_SECONDS: Final = 6 * 3600
"""Length of the first window, about 19 pages on the whole exchange.

After a window that fits one page the next window is twice as long.
"""
RECHECK_AFTER: Final = timedelta(hours=25)
"""Time after which the 24-hour figures of a settled market no longer change."""


class SettledJob(Job):
    """Job that reads the settlements since `lookback` before the watermark.

    Its position has the window of settlement times (`from`, `to`), the end of the pass (`until`), all in Unix seconds,
    and the position of the page in the window (paginate).
    """

    def __init__(self, name: str, interval: timedelta, lookback: timedelta = timedelta()) -> None:
        self.name = name
        self.interval = interval
        self._lookback = lookback

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield the settled markets: the oldest window first, the latest settlement of a window first."""
        if not state.position:
            start, until = await self._bounds(context, state)
            state = started(state, _window(int(start.timestamp()), INITIAL_WINDOW_SECONDS, int(until.timestamp())))
        while state.position:
            window = {name: state.position[name] for name in ("from", "to", "until")}
            # Both bounds are exclusive.
            after, before = window["from"] - OVERLAP_SECONDS, window["to"] + 1
            position, pages = state.position, 0
            async for markets, following in paginate(lambda c: context.listings.settled(after, before, c), position):  # noqa: B023
                pages += 1
                check_times(markets, "settlement_ts", after, before)
                if following:
                    state = replace(state, position={**window, **following})
                    yield PageUpdate(state, markets)
            fitted_one_page = pages == 1 and "cursor" not in position
            state, gap = self._advance(context, state, window, fitted_one_page), await _archive_gap(context, window)
            yield PageUpdate(state, markets, other_jobs=gap)

    def restarted(self, state: JobState) -> JobState:
        """Return the state at the start of the current window."""
        window = {name: value for name, value in (state.position or {}).items() if name in ("from", "to", "until")}
        return replace(state, position=window or None)

    async def _bounds(self, context: JobContext, state: JobState) -> tuple[datetime, datetime]:
        now = await context.listings.exchange_time()
        return (state.watermark or now) - self._lookback, now

    def _advance(
        self, context: JobContext, state: JobState, window: Mapping[str, int], widen: bool
    ) -> JobState:  # private
        # If our clock is fast, the watermark must not pass the exchange's time.
        seen_until = max(window["from"], min(window["to"], int(context.listings.exchange_timestamp())))
        state = replace(state, watermark=datetime.fromtimestamp(seen_until, UTC))
        if window["to"] >= window["until"]:
            return finished(state)
        length = (window["to"] - window["from"]) * (2 if widen else 1)
        return replace(state, position=_window(seen_until, max(length, INITIAL_WINDOW_SECONDS), window["until"]))


class BacklogJob(SettledJob):
    """Job that reads once the settlements before the first pass of SettledJob, back to the cutoff or the retention."""

    priority = LOWEST_PRIORITY

    def __init__(self, retention: timedelta | None) -> None:
        super().__init__(job_names.SETTLED_BACKLOG, Job.interval)
        self._retention = retention

    def is_due(self, state: JobState, states: Mapping[str, JobState], now: datetime) -> bool:  # noqa: ARG002  # signature of Job
        """Return True after SettledJob has a watermark, until the backlog is complete."""
        first_looked = states.get(job_names.SETTLED, JobState(job_names.SETTLED)).watermark is not None
        return state.position is not None or (state.confirmed_at is None and first_looked)

    async def _bounds(self, context: JobContext, state: JobState) -> tuple[datetime, datetime]:  # noqa: ARG002  # signature of Job
        now, start = await context.listings.exchange_time(), await context.listings.cutoff()
        until = context.states[job_names.SETTLED].watermark or now
        if self._retention is not None:
            start = max(start, now - self._retention)
        return min(start, until), until


async def _archive_gap(context: JobContext, window: Mapping[str, int]) -> list[JobState]:
    """Return the job state of the archive gap if the cutoff is later than the start of the window, else an empty list.

    Markets of the window may then have moved to the archive unseen. The cutoff is requested after the window was read,
    because its distance and the times of its moves are not documented.
    """
    if datetime.fromtimestamp(window["from"], UTC) >= await context.listings.cutoff():
        return []
    return [JobState(job_names.ARCHIVE_GAP, watermark=datetime.now(UTC))]


def _window(start: int, length: int, until: int) -> dict[str, int]:
    return {"from": start, "to": max(start, min(start + length, until)), "until": until}
