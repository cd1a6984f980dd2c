"""Jobs that look up markets and events by ticker, the least recently requested first."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from crawler.job_table import JobState
from crawler.jobs.base import LIVE_JOBS, Job, JobContext, PageUpdate, finished, has_new_live_walk, started
from kalshi_markets import job_names
from kalshi_markets.exchange import (
    BATCH_TICKERS,
    AuthenticationFailed,
    ExchangeClientError,
    Listings,
    RawMarket,
    Row,
)

MAX_LOOKUPS: Final = 5_000
"""Maximum of markets or events in one pass; the next pass reads the rest."""
EVENT_RETRY_INTERVAL: Final = timedelta(hours=1)
"""Time before an unknown event is requested again."""
MAX_CONSECUTIVE_REJECTIONS: Final = 16
"""Maximum of consecutive rejections in a bisection.

Finding one rejected ticker among a hundred takes eight, so more are not caused by single tickers.
"""
T = TypeVar("T")


class EventsJob(Job):
    """Job that fetches events that could not be fetched when their markets were new, or had no valid title then."""

    name = job_names.EVENTS

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield the events in batches."""
        state = started(state, {})
        last_requested_before = datetime.now(UTC) - EVENT_RETRY_INTERVAL
        tickers = await context.store.events_to_request(last_requested_before, MAX_LOOKUPS)
        for batch in ticker_batches(tickers):
            events, unknown = await fetch_events(context.listings, batch)
            yield PageUpdate(state, events=events, unknown_events=unknown)
        yield PageUpdate(finished(state))


class MissingMarketsJob(Job):
    """Job that looks up unsettled markets that the live jobs did not see.

    A market that is neither live nor in the archive is marked as removed.
    """

    name = job_names.MISSING
    priority = 1000.0

    def is_due(self, state: JobState, states: Mapping[str, JobState], now: datetime) -> bool:  # noqa: ARG002  # signature of Job
        """Return whether all live jobs have completed a pass since the last one started and settlements are current.

        Most markets are missing because they have settled.
        """
        settled = states.get(job_names.SETTLED, JobState(job_names.SETTLED))
        is_settled_current = settled.position is None and settled.confirmed_at is not None
        return has_new_live_walk(state, states) and is_settled_current

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield the markets in batches. A ticker that the exchange rejects is neither found nor removed."""
        state = started(state, {})
        tickers = await context.store.missing(LIVE_JOBS, MAX_LOOKUPS, context.listings.combos)
        for batch in ticker_batches(tickers):
            live, rejected = await fetch_bisecting(context.listings.by_ticker, batch)
            missing = sorted(set(batch) - tickers_of(live) - set(rejected))
            archived, unclear = await fetch_bisecting(_find_archived(context.listings), missing)
            removed = set(missing) - tickers_of(archived) - set(unclear)
            yield PageUpdate(state, [*live, *archived], removed=removed, looked_up=batch)
        yield PageUpdate(finished(state))


class RetryRejectsJob(Job):
    """Job that retries rejects: markets that could not be stored when they were read."""

    name = job_names.REJECTS

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    async def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield the markets in batches. A reject is resolved if the market can be stored now or no longer exists."""
        state = started(state, {})
        tickers = await context.store.rejected_tickers(MAX_LOOKUPS)
        for batch in ticker_batches(tickers):
            live, rejected = await fetch_bisecting(context.listings.by_ticker, batch)
            archived, unclear = await fetch_bisecting(_find_archived(context.listings), batch)
            resolved = sorted(set(batch) - set(rejected) - set(unclear))
            yield PageUpdate(state, [*live, *archived], resolved_rejects=resolved, looked_up=batch)
        yield PageUpdate(finished(state))


async def fetch_events(listings: Listings, tickers: Sequence[str]) -> tuple[list[Row], list[str]]:
    """Return the events of at most BATCH_TICKERS tickers, and the tickers of unknown events."""
    events, _ = await fetch_bisecting(listings.events, tickers)
    by_ticker = {event["event_ticker"]: event for event in events}
    return (
        [by_ticker[ticker] for ticker in tickers if ticker in by_ticker],
        [ticker for ticker in tickers if ticker not in by_ticker],
    )


async def fetch_bisecting(
    fetch: Callable[[Sequence[str]], Awaitable[Sequence[T]]], tickers: Sequence[str]
) -> tuple[list[T], list[str]]:
    """Fetch objects by ticker, and bisect batches that the exchange rejects.

    Return the objects and the rejected tickers.
    Raises ExchangeError, also after more than MAX_CONSECUTIVE_REJECTIONS consecutive rejections.
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
    """Yield the tickers in batches of at most BATCH_TICKERS."""
    for start in range(0, len(tickers), BATCH_TICKERS):
        yield tickers[start : start + BATCH_TICKERS]


def tickers_of(markets: Iterable[RawMarket]) -> set[str]:
    """Return the tickers of markets. Markets without a ticker are skipped."""
    return {market.ticker for market in markets if market.ticker}


def _find_archived(listings: Listings) -> Callable[[Sequence[str]], Awaitable[Sequence[RawMarket]]]:
    return lambda tickers: listings.by_ticker(tickers, archived=True)
