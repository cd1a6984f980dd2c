"""Jobs that look markets and events up by name, the least recently asked first."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from crawler.store import Job
from crawler.walks import Step, Turn, Walk, begun, ended
from kalshi_markets.exchange import (
    BATCH_TICKERS,
    LIVE_FILTERS,
    Event,
    ExchangeRefused,
    KeyRefused,
    Listings,
    Sent,
)

LIVE_JOBS: Final = tuple(f"live/{status}" for status in LIVE_FILTERS)
NEVER: Final = datetime.min.replace(tzinfo=UTC)
MOST_AT_ONCE: Final = 5_000
"""Markets or events that are looked for in one walk; the rest is for the next one."""
RETRY_EVENTS: Final = timedelta(hours=1)
"""How long an event that the exchange does not know is not asked for again."""
MAX_REFUSALS: Final = 16
"""More in a row are not about single tickers: to find the one refused ticker of a hundred takes eight."""
T = TypeVar("T")


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
        """A batch of tickers at a time; one whose name the exchange refuses is neither there nor gone."""
        job = begun(job, {})
        tickers = await turn.read(turn.store.unseen, LIVE_JOBS, MOST_AT_ONCE, turn.listings.combos)
        for batch in batches(tickers):
            live, refused = await ask_bisecting(turn.listings.named, batch)
            missing = sorted(set(batch) - names(live) - set(refused))
            archived, unclear = await ask_bisecting(_archived(turn.listings), missing)
            gone = set(missing) - names(archived) - set(unclear)
            yield Step(job, [*live, *archived], gone=gone, looked_up=batch)
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
            live, refused = await ask_bisecting(turn.listings.named, batch)
            archived, unclear = await ask_bisecting(_archived(turn.listings), batch)
            mended = sorted(set(batch) - set(refused) - set(unclear))
            yield Step(job, [*live, *archived], mended=mended, looked_up=batch)
        yield Step(ended(job))


async def events_of(listings: Listings, tickers: Sequence[str]) -> list[Event]:
    """The events of at most BATCH_TICKERS tickers; one without a series where the exchange does not know it."""
    events, _ = await ask_bisecting(listings.events, tickers)
    found = {event.event_ticker: event for event in events}
    return [found.get(ticker, Event(ticker, None, None)) for ticker in tickers]


async def ask_bisecting(
    ask: Callable[[Sequence[str]], Awaitable[Sequence[T]]], tickers: Sequence[str]
) -> tuple[list[T], list[str]]:
    """Ask for tickers by name, for halves of them where the exchange refuses, until the refused ones are alone.

    Returns what was found, and the refused tickers. Raises ExchangeError, also where it refuses all the time.
    """
    found: list[T] = []
    refused: list[str] = []
    waiting, refusals = [tickers] if tickers else [], 0
    while waiting:
        part = waiting.pop()
        try:
            found += await ask(part)
            refusals = 0
        except ExchangeRefused as error:
            refusals += 1
            if refusals > MAX_REFUSALS or isinstance(error, KeyRefused):
                raise
            middle = len(part) // 2
            if middle:
                waiting += [part[middle:], part[:middle]]
            else:
                refused += part
    return found, refused


def batches(tickers: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many as one request may name."""
    for at in range(0, len(tickers), BATCH_TICKERS):
        yield tickers[at : at + BATCH_TICKERS]


def names(markets: Iterable[Sent]) -> set[str]:
    """The tickers on a page."""
    return {sent.ticker for sent in markets if sent.ticker}


def _archived(listings: Listings) -> Callable[[Sequence[str]], Awaitable[Sequence[Sent]]]:
    return lambda tickers: listings.named(tickers, archived=True)
