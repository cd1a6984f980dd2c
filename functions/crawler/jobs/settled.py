"""Walks over settlements, window by window of the time at which they took place."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from crawler.filters import check_times
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
from crawler.store import JobState
from kalshi_markets import job_names

INITIAL_WINDOW_SECONDS: Final = 6 * 3600
"""Seconds of settlements: about 19 pages on the whole exchange. Where they fit one page the next window is wider."""
RECHECK_AFTER: Final = timedelta(hours=25)
"""After so long a settled market's figures of the last 24 hours have come to rest."""


class SettledJob(Job):
    """Every settlement since the walk before began, or, `reach` before that.

    Its position is a window of settlement times in Unix seconds, `from` and `to`, and the place within it.
    """

    def __init__(self, name: str, interval: timedelta, lookback: timedelta = timedelta()) -> None:
        self.name = name
        self.interval = interval
        self._lookback = lookback

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Oldest window first; in each the latest settlement."""
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
        """Return the job at the beginning of its window."""
        window = {name: value for name, value in (state.position or {}).items() if name in ("from", "to", "until")}
        return replace(state, position=window or None)

    async def _bounds(self, context: JobContext, state: JobState) -> tuple[datetime, datetime]:
        now = await context.listings.exchange_time()
        return (state.watermark or now) - self._lookback, now

    def _advance(
        self, context: JobContext, state: JobState, window: Mapping[str, int], widen: bool
    ) -> JobState:  # private
        # A clock of ours that is fast must not mark as seen what has not happened yet.
        seen_until = max(window["from"], min(window["to"], int(context.listings.exchange_timestamp())))
        state = replace(state, watermark=datetime.fromtimestamp(seen_until, UTC))
        if window["to"] >= window["until"]:
            return finished(state)
        length = (window["to"] - window["from"]) * (2 if widen else 1)
        return replace(state, position=_window(seen_until, max(length, INITIAL_WINDOW_SECONDS), window["until"]))


class BacklogJob(SettledJob):
    """Once: what was settled before this service first looked, as far back as the exchange lists it or we keep it."""

    priority = LOWEST_PRIORITY

    def __init__(self, retention: timedelta | None) -> None:
        super().__init__(job_names.SETTLED_BACKLOG, Job.interval)
        self._retention = retention

    def is_due(self, state: JobState, states: Mapping[str, JobState], now: datetime) -> bool:  # noqa: ARG002  # the interface's
        """Once it is known from when on the other walk sees everything."""
        first_looked = states.get(job_names.SETTLED, JobState(job_names.SETTLED)).watermark is not None
        return state.position is not None or (state.confirmed_at is None and first_looked)

    async def _bounds(self, context: JobContext, state: JobState) -> tuple[datetime, datetime]:  # noqa: ARG002  # the interface's
        now, start = await context.listings.exchange_time(), await context.listings.cutoff()
        until = context.states[job_names.SETTLED].watermark or now
        if self._retention is not None:
            start = max(start, now - self._retention)
        return min(start, until), until


async def _archive_gap(context: JobContext, window: Mapping[str, int]) -> list[JobState]:
    """A line for the archive's walk where the cutoff moved into a window before it was walked: the rest is there.

    The cutoff is asked for after the window was read: how far back it is, and when it moves, is not documented.
    """
    if datetime.fromtimestamp(window["from"], UTC) >= await context.listings.cutoff():
        return []
    return [JobState(job_names.ARCHIVE_GAP, watermark=datetime.now(UTC))]


def _window(start: int, length: int, until: int) -> dict[str, int]:
    return {"from": start, "to": max(start, min(start + length, until)), "until": until}
