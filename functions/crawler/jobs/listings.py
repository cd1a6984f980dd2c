"""Jobs that read one listing from its first page to its last."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from crawler.filters import check_times
from crawler.job_table import JobState
from crawler.jobs.base import OVERLAP_SECONDS, Job, JobContext, PageUpdate, finished, paginate, started
from kalshi_markets import job_names


class LiveJob(Job):
    """Job that reads all markets of one status filter. Only a complete listing shows changes of quotes and volumes."""

    def __init__(self, status: str, interval: timedelta) -> None:
        self.name = job_names.LIVE[status]
        self.interval = interval
        self._status = status

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield the markets of the filter, newest first."""
        state = state if state.position is not None else started(state, {})
        # Once an hour. After the exchange adds a member, all object hashes differ until they are stored again.
        refresh_hashes = (
            state.started_at is None or state.confirmed_at is None or state.started_at.hour != state.confirmed_at.hour
        )
        is_first, first_pages = "cursor" not in (state.position or {}), context.first_pages
        if is_first:
            first_pages.expect(self.name)
        try:
            async for markets, next_position in paginate(
                lambda c: context.listings.live(self._status, c), state.position or {}
            ):
                if is_first:
                    await first_pages.check(self.name, markets)
                    is_first = False
                state = replace(state, position=next_position) if next_position else finished(state)
                yield PageUpdate(state, markets, track_seen=True, refresh_hashes=refresh_hashes)
        finally:
            first_pages.withdraw(self.name)


class ChangedJob(Job):
    """Job that reads the markets created, or edited, since the last pass started."""

    def __init__(self, change: str, interval: timedelta) -> None:
        self.name = f"changed/{change}"
        self.interval = interval
        self._change = change

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield the markets changed since the watermark.

        The first pass has no watermark and starts at the current time, because the live jobs read older markets.
        """
        now = await context.listings.exchange_time()
        if not state.position:
            since = int((state.watermark or now).timestamp()) - OVERLAP_SECONDS
            state = started(state, {"since": since, "until": int(now.timestamp())})
        position = dict(state.position or {})
        fetch_page = context.listings.created if self._change == "created" else context.listings.updated
        field = f"{self._change}_time"
        window = {name: position[name] for name in ("since", "until")}
        async for markets, following in paginate(lambda cursor: fetch_page(position["since"], cursor), position):
            check_times(markets, field, position["since"])
            until = datetime.fromtimestamp(position["until"], UTC)
            state = replace(state, position={**window, **following}) if following else finished(state, watermark=until)
            yield PageUpdate(state, markets)
