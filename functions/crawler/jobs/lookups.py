"""Jobs that look markets and events up by name, the least recently asked first."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from crawler.jobs.base import Job, JobContext, PageUpdate, finished, started
from crawler.store import JobState
from kalshi_markets import job_names
from kalshi_markets.exchange import (
    BATCH_TICKERS,
    AuthenticationFailed,
    Event,
    ExchangeClientError,
    Listings,
    RawMarket,
)

LIVE_JOBS: Final = tuple(job_names.LIVE.values())
DISTANT_PAST: Final = datetime.min.replace(tzinfo=UTC)
MAX_LOOKUPS: Final = 5_000
"""Markets or events that are looked for in one walk; the rest is for the next one."""
EVENT_RETRY_INTERVAL: Final = timedelta(hours=1)
"""How long an event that the exchange does not know is not asked for again."""
MAX_CONSECUTIVE_REJECTIONS: Final = 16
"""More in a row are not about single tickers: to find the one refused ticker of a hundred takes eight."""
T = TypeVar("T")


class EventsJob(Job):
    """The events of markets that have no series yet: those whose event could not be asked for when they were new."""

    name = job_names.EVENTS

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Some at a time; what the exchange does not know is noted too."""
        state = started(state, {})
        last_requested_before = datetime.now(UTC) - EVENT_RETRY_INTERVAL
        tickers = await context.query(context.store.events_without_series, last_requested_before, MAX_LOOKUPS)
        for batch in ticker_batches(tickers):
            yield PageUpdate(state, events=await fetch_events(context.listings, batch))
        yield PageUpdate(finished(state))


class MissingMarketsJob(Job):
    """Markets that a complete live walk did not see: looked up by name, then in the archive; if nowhere, gone."""

    name = job_names.MISSING
    priority = 1000.0

    def is_due(self, state: JobState, states: Mapping[str, JobState], now: datetime) -> bool:  # noqa: ARG002  # the interface's
        """After each live walk, once the settlements are known up to now: they are why most markets were not seen."""
        walked = [
            states[name].finished_at or DISTANT_PAST
            for name in LIVE_JOBS
            if name in states and states[name].confirmed_at
        ]
        settled = states.get(job_names.SETTLED, JobState(job_names.SETTLED))
        is_news = len(walked) == len(LIVE_JOBS) and min(walked) > (state.started_at or DISTANT_PAST)
        return is_news and settled.position is None and settled.confirmed_at is not None

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """A batch of tickers at a time; one whose name the exchange refuses is neither there nor gone."""
        state = started(state, {})
        tickers = await context.query(context.store.missing, LIVE_JOBS, MAX_LOOKUPS, context.listings.combos)
        for batch in ticker_batches(tickers):
            live, rejected = await fetch_bisecting(context.listings.by_ticker, batch)
            missing = sorted(set(batch) - tickers_of(live) - set(rejected))
            archived, unclear = await fetch_bisecting(_find_archived(context.listings), missing)
            removed = set(missing) - tickers_of(archived) - set(unclear)
            yield PageUpdate(state, [*live, *archived], removed=removed, looked_up=batch)
        yield PageUpdate(finished(state))


class RetryRejectsJob(Job):
    """Markets that could not be stored when they were seen: asked for again, by name."""

    name = job_names.REJECTS

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """A batch of tickers at a time; what can be stored by now, or is no more, is a reject no longer."""
        state = started(state, {})
        tickers = await context.query(context.store.rejected_tickers, MAX_LOOKUPS)
        for batch in ticker_batches(tickers):
            live, rejected = await fetch_bisecting(context.listings.by_ticker, batch)
            archived, unclear = await fetch_bisecting(_find_archived(context.listings), batch)
            resolved = sorted(set(batch) - set(rejected) - set(unclear))
            yield PageUpdate(state, [*live, *archived], resolved_rejects=resolved, looked_up=batch)
        yield PageUpdate(finished(state))


async def fetch_events(listings: Listings, tickers: Sequence[str]) -> list[Event]:
    """The events of at most BATCH_TICKERS tickers; one without a series where the exchange does not know it."""
    events, _ = await fetch_bisecting(listings.events, tickers)
    events_by_ticker = {event.event_ticker: event for event in events}
    return [events_by_ticker.get(ticker, Event(ticker, None, None)) for ticker in tickers]


async def fetch_bisecting(
    fetch: Callable[[Sequence[str]], Awaitable[Sequence[T]]], tickers: Sequence[str]
) -> tuple[list[T], list[str]]:
    """Ask for tickers by name, for halves of them where the exchange refuses, until the refused ones are alone.

    Returns what was found, and the refused tickers. Raises ExchangeError, also where it refuses all the time.
    """
    objects: list[T] = []
    rejected: list[str] = []
    pending, rejections = [tickers] if tickers else [], 0
    while pending:
        chunk = pending.pop()
        try:
            objects += await fetch(chunk)
            rejections = 0
        except ExchangeClientError as error:
            rejections += 1
            if rejections > MAX_CONSECUTIVE_REJECTIONS or isinstance(error, AuthenticationFailed):
                raise
            middle = len(chunk) // 2
            if middle:
                pending += [chunk[middle:], chunk[:middle]]
            else:
                rejected += chunk
    return objects, rejected


def ticker_batches(tickers: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many as one request may name."""
    for start in range(0, len(tickers), BATCH_TICKERS):
        yield tickers[start : start + BATCH_TICKERS]


def tickers_of(markets: Iterable[RawMarket]) -> set[str]:
    """The tickers on a page."""
    return {market.ticker for market in markets if market.ticker}


def _find_archived(listings: Listings) -> Callable[[Sequence[str]], Awaitable[Sequence[RawMarket]]]:
    return lambda tickers: listings.by_ticker(tickers, archived=True)
