"""Jobs that look after what the walks over markets leave open."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from crawler.store import Job
from crawler.walks import FAR_BEHIND, Step, Turn, Walk, begun, ended
from kalshi_markets.exchange import BATCH_TICKERS, LIVE_FILTERS, Event, Listings, Sent

LIVE_JOBS: Final = tuple(f"live/{status}" for status in LIVE_FILTERS)
NEVER: Final = datetime.min.replace(tzinfo=UTC)
MOST_AT_ONCE: Final = 5_000
"""Markets or events that are looked for in one walk; the rest is for the next one."""


RETRY_EVENTS: Final = timedelta(hours=1)
"""How long an event that the exchange does not know is not asked for again."""


class SeriesWalk(Walk):
    """Every series, for the categories of the markets."""

    name = "series"
    goes_first = True  # what is read after it has its category at once

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    async def steps(self, turn: Turn, job: Job) -> AsyncGenerator[Step, None]:
        """One answer."""
        job = begun(job, {})
        yield Step(ended(job), series=await turn.listings.all_series())


class EventsWalk(Walk):
    """The events of markets that have no series yet: those whose event could not be asked for when they were new."""

    name = "events"

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    async def steps(self, turn: Turn, job: Job) -> AsyncGenerator[Step, None]:
        """Some at a time; what the exchange does not know is noted too."""
        job = begun(job, {})
        asked_before = datetime.now(UTC) - RETRY_EVENTS
        tickers = await turn.read(turn.store.unplaced_events, asked_before, MOST_AT_ONCE)
        for batch in batches(tickers):
            yield Step(job, events=await events_of(turn.listings, batch))
        yield Step(ended(job))


class VanishedWalk(Walk):
    """Markets that a complete live walk did not see: looked up by name, then in the archive; if nowhere, gone."""

    name = "vanished"
    urgency = 1000.0

    def is_due(self, job: Job, jobs: Mapping[str, Job], now: datetime) -> bool:  # noqa: ARG002  # the interface's
        """After each live walk, once the settlements are known up to now: they are why most markets were not seen."""
        walked = [jobs[name].ended_at or NEVER for name in LIVE_JOBS if name in jobs and jobs[name].confirmed_at]
        settled = jobs.get("settled", Job("settled"))
        is_news = len(walked) == len(LIVE_JOBS) and min(walked) > (job.begun_at or NEVER)
        return is_news and settled.position is None and settled.confirmed_at is not None

    async def steps(self, turn: Turn, job: Job) -> AsyncGenerator[Step, None]:
        """A batch of tickers at a time."""
        job = begun(job, {})
        tickers = await turn.read(turn.store.unseen, LIVE_JOBS, MOST_AT_ONCE, turn.listings.combos)
        for batch in batches(tickers):
            live = await turn.listings.named(batch)
            missing = sorted(set(batch) - names(live))
            archived = await turn.listings.named(missing, archived=True) if missing else []
            yield Step(job, [*live, *archived], gone=set(missing) - names(archived))
        yield Step(ended(job))


class RejectsWalk(Walk):
    """Markets that could not be stored when they were seen: asked for again, by name."""

    name = "rejects"

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    async def steps(self, turn: Turn, job: Job) -> AsyncGenerator[Step, None]:
        """A batch of tickers at a time; what can be stored by now, or is no more, is a reject no longer."""
        job = begun(job, {})
        tickers = await turn.read(turn.store.rejected, MOST_AT_ONCE)
        for batch in batches(tickers):
            found = [*await turn.listings.named(batch), *await turn.listings.named(batch, archived=True)]
            yield Step(job, found, mended=batch)
        yield Step(ended(job))


class RetentionWalk(Walk):
    """Deletes markets that were settled longer ago than they are to be kept."""

    name = "retention"
    urgency = FAR_BEHIND / 2

    def __init__(self, interval: timedelta, kept: timedelta) -> None:
        self.interval = interval
        self._kept = kept

    async def steps(self, turn: Turn, job: Job) -> AsyncGenerator[Step, None]:
        """Some at a time, until none is left."""
        job = begun(job, {})
        horizon = await turn.listings.time() - self._kept
        while await turn.read(turn.store.has_expired, horizon):
            yield Step(job, expired=horizon)
        yield Step(ended(job))


async def events_of(listings: Listings, tickers: Sequence[str]) -> list[Event]:
    """The events of at most BATCH_TICKERS tickers; one without a series where the exchange does not know it."""
    found = {event.event_ticker: event for event in await listings.events(tickers)}
    return [found.get(ticker, Event(ticker, None, None)) for ticker in tickers]


def batches(tickers: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many as one request may name; a comma would part a ticker in two."""
    tickers = [ticker for ticker in tickers if "," not in ticker]
    for at in range(0, len(tickers), BATCH_TICKERS):
        yield tickers[at : at + BATCH_TICKERS]


def names(markets: Iterable[Sent]) -> set[str]:
    """The tickers on a page."""
    return {sent.ticker for sent in markets if sent.ticker}
