"""Jobs that read one listing from its first page to its last."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TypeVar

from crawler.filters import check_times, check_updated
from crawler.job_table import JobState
from crawler.jobs.base import OVERLAP_SECONDS, Job, JobContext, PageUpdate, finished, paginate, started
from kalshi_markets import job_names
from kalshi_markets.exchange import Page

T = TypeVar("T")


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
        """Yield the markets changed since the watermark."""
        state = await _with_window(context, state)
        fetch_page = context.listings.created if self._change == "created" else context.listings.updated
        async for markets, since, following in _changed_pages(state, fetch_page):
            check_times(markets, f"{self._change}_time", since)
            yield PageUpdate(following, markets)


class ChangedEventsJob(Job):
    """Job that reads the events edited since the last pass started, and new ones. Those of combos are not listed."""

    name = job_names.EVENTS_CHANGED

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield the events changed since the watermark.

        The first watermark is committed before the first request: no other job reads an event again.
        """
        state = await _with_window(context, state)
        if state.watermark is None and state.position:
            state = replace(state, watermark=datetime.fromtimestamp(state.position["until"], UTC))
            yield PageUpdate(state)
        pages = _changed_pages(state, context.listings.events_updated, lambda event: str(event["event_ticker"]))
        async for events, since, following in pages:
            check_updated(events, since)
            yield PageUpdate(following, events=events)


async def _with_window(context: JobContext, state: JobState) -> JobState:
    """Return the state with a position: since when changes are read (`since`) and the end of the pass (`until`).

    Both are Unix seconds. The first pass has no watermark and starts at the current time, because other jobs read what
    is older.
    """
    now = await context.listings.exchange_time()
    if state.position:
        return state
    since = int((state.watermark or now).timestamp()) - OVERLAP_SECONDS
    return started(state, {"since": since, "until": int(now.timestamp())})


async def _changed_pages(
    state: JobState,
    fetch_page: Callable[[int, str | None], Awaitable[Page[T]]],
    ticker_of: Callable[[T], str | None] = attrgetter("ticker"),
) -> AsyncIterator[tuple[Sequence[T], int, JobState]]:
    """Yield the rows of each page, the Unix second since which they changed, and the state after the page."""
    position = dict(state.position or {})
    since, window = position["since"], {name: position[name] for name in ("since", "until")}
    async for rows, following in paginate(lambda cursor: fetch_page(since, cursor), position, ticker_of):
        until = datetime.fromtimestamp(position["until"], UTC)
        state = replace(state, position={**window, **following}) if following else finished(state, watermark=until)
        yield rows, since, state
