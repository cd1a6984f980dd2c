"""Walks over settlements, window by window of the time at which they took place."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from crawler.filters import check_times
from crawler.store import Job
from crawler.walks import BACKLOG, FAR_BEHIND, MOVED, OVERLAP, Step, Turn, Walk, begun, ended, follow

FIRST_WINDOW: Final = 6 * 3600
"""Seconds of settlements: about 19 pages on the whole exchange. Where they fit one page the next window is wider."""
REST: Final = timedelta(hours=25)
"""After so long a settled market's figures of the last 24 hours have come to rest."""


class SettledWalk(Walk):
    """Every settlement since the walk before began, or, `reach` before that.

    Its position is a window of settlement times in Unix seconds, `from` and `to`, and the place within it.
    """

    def __init__(self, name: str, interval: timedelta, reach: timedelta = timedelta()) -> None:
        self.name = name
        self.interval = interval
        self._reach = reach

    async def steps(self, turn: Turn, job: Job) -> AsyncGenerator[Step, None]:
        """Oldest window first; in each the latest settlement."""
        if not job.position:
            start, until = await self._bounds(turn, job)
            job = begun(job, _window(int(start.timestamp()), FIRST_WINDOW, int(until.timestamp())))
        while job.position:
            window = {name: job.position[name] for name in ("from", "to", "until")}
            # Both bounds are exclusive.
            after, before = window["from"] - OVERLAP, window["to"] + 1
            place, pages = job.position, 0
            async for markets, following in follow(lambda c: turn.listings.settled(after, before, c), place):  # noqa: B023
                pages += 1
                check_times(markets, "settlement_ts", after, before)
                if following:
                    job = replace(job, position={**window, **following})
                    yield Step(job, markets)
            fitted_one_page = pages == 1 and "cursor" not in place
            job, lost = self._next(turn, job, window, fitted_one_page), await _lost(turn, window)
            yield Step(job, markets, also=lost)

    def anew(self, job: Job) -> Job:
        """Return the job at the beginning of its window."""
        window = {name: value for name, value in (job.position or {}).items() if name in ("from", "to", "until")}
        return replace(job, position=window or None)

    async def _bounds(self, turn: Turn, job: Job) -> tuple[datetime, datetime]:
        now = await turn.listings.time()
        return (job.watermark or now) - self._reach, now

    def _next(self, turn: Turn, job: Job, window: Mapping[str, int], widen: bool) -> Job:  # private
        # A clock of ours that is fast must not mark as seen what has not happened yet.
        seen_until = max(window["from"], min(window["to"], int(turn.listings.now())))
        job = replace(job, watermark=datetime.fromtimestamp(seen_until, UTC))
        if window["to"] >= window["until"]:
            return ended(job)
        length = (window["to"] - window["from"]) * (2 if widen else 1)
        return replace(job, position=_window(seen_until, max(length, FIRST_WINDOW), window["until"]))


class BacklogWalk(SettledWalk):
    """Once: what was settled before this service first looked, as far back as the exchange lists it or we keep it."""

    urgency = FAR_BEHIND

    def __init__(self, kept: timedelta | None) -> None:
        super().__init__(BACKLOG, Walk.interval)
        self._kept = kept

    def is_due(self, job: Job, jobs: Mapping[str, Job], now: datetime) -> bool:  # noqa: ARG002  # the interface's
        """Once it is known from when on the other walk sees everything."""
        first_looked = jobs.get("settled", Job("settled")).watermark is not None
        return job.position is not None or (job.confirmed_at is None and first_looked)

    async def _bounds(self, turn: Turn, job: Job) -> tuple[datetime, datetime]:  # noqa: ARG002  # the interface's
        now, start = await turn.listings.time(), await turn.listings.cutoff()
        until = turn.jobs["settled"].watermark or now
        if self._kept is not None:
            start = max(start, now - self._kept)
        return min(start, until), until


async def _lost(turn: Turn, window: Mapping[str, int]) -> list[Job]:
    """A line for the archive's walk where the cutoff moved into a window before it was walked: the rest is there.

    The cutoff is asked for after the window was read: how far back it is, and when it moves, is not documented.
    """
    if datetime.fromtimestamp(window["from"], UTC) >= await turn.listings.cutoff():
        return []
    return [Job(MOVED, watermark=datetime.now(UTC))]


def _window(start: int, length: int, until: int) -> dict[str, int]:
    return {"from": start, "to": max(start, min(start + length, until)), "until": until}
