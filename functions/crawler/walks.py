"""What a walk is, and those that follow one listing from its beginning to its end."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from crawler.filters import FirstPages, check_times
from crawler.store import Job, Store
from kalshi_markets.exchange import (
    AnswerUnreadable,
    Event,
    ExchangeError,
    ExchangeRefused,
    ExchangeUnavailable,
    FilterIgnored,
    Listings,
    Page,
    Sent,
    Series,
    is_storable,
)
from kalshi_markets.exchange.account import AccountLimits, Costs

OVERLAP: Final = 120
"""Seconds that a walk reaches back into the one before: answers are up to 15 s old (the exchange's CDN), and a
settlement or an edit may become visible after its time."""
MOVED: Final = "archive/moved"
"""The line in the books whose watermark says, by our clock, when markets were last found to have moved behind the
cutoff unseen: only a walk of the archive that began after that has met them."""
BACKLOG: Final = "settled/backlog"
EARLY: Final = 0.9
"""Of an interval. A market is then read again within it, though a walk and the pause between runs take time."""
MOST_PAGES: Final = 100_000
"""Of one walk; the exchange with all its combos has six thousand."""
FAR_BEHIND: Final = 10.0**6
"""The urgency of what may take all the time that is left."""


class ListingLoops(AnswerUnreadable):
    """The listing leads back to where it began: following it would never end."""


@dataclass(frozen=True)
class Turn:
    """What a walk works with in one run."""

    listings: Listings
    store: Store
    jobs: Mapping[str, Job]
    read: Callable[..., Awaitable[Any]]
    """await read(store.method, *arguments): the store serves one at a time."""
    first_pages: FirstPages = field(default_factory=FirstPages)


@dataclass(frozen=True)
class Step:
    """What a walk found, and its line in the books once that is committed.

    keeps_seen: whether account is kept of the markets on it. The other members are those of the store's Batch.
    """

    job: Job
    markets: Sequence[Sent] = ()
    keeps_seen: bool = False
    mended: Sequence[str] = ()
    renew: bool = False
    series: Sequence[Series] = ()
    events: Sequence[Event] = ()
    gone: Collection[str] = ()
    looked_up: Sequence[str] = ()
    costs: Costs | None = None
    limits: AccountLimits | None = None
    expired: datetime | None = None
    also: Sequence[Job] = ()


class Walk(ABC):
    """One job. name: its line in the books; urgency: of the jobs under way, the one with the least goes first.

    interval: how long after a walk's begin the next is due, and how long the job rests after an answer that cannot be
    used.
    """

    name: str
    interval = timedelta(minutes=5)
    goes_first = False
    """Whether the others wait for its first walk."""

    @property
    def urgency(self) -> float:
        """Shorter intervals go first."""
        return self.interval.total_seconds()

    def is_due(self, job: Job, jobs: Mapping[str, Job], now: datetime) -> bool:  # noqa: ARG002  # others look at all
        """A walk under way goes on; the next begins a little before the interval has passed, to end with it."""
        return job.position is not None or job.begun_at is None or now - job.begun_at >= EARLY * self.interval

    @abstractmethod
    def steps(self, turn: Turn, job: Job) -> AsyncGenerator[Step, None]:
        """Goes on where the job stands, to the end of the walk. Raises ExchangeError."""

    def after(self, error: Exception, job: Job) -> Job:
        """Return the job as it goes on after an error that asking again at once would not mend.

        An unreadable page is asked for once more; if it fails again, and after any other error, the walk begins anew.
        """
        if isinstance(error, FilterIgnored):
            return job
        if not isinstance(error, ExchangeError) or job.position is None:
            return replace(job, position=None, begun_at=None)
        is_unreadable = isinstance(error, AnswerUnreadable) and not isinstance(error, ListingLoops)
        if is_unreadable and "failed" not in job.position:
            return replace(job, position={**job.position, "failed": True})
        return self.anew(job)

    def anew(self, job: Job) -> Job:
        """Return the job at its beginning, as what is left out of a walk that cannot go on."""
        return replace(job, position=None, begun_at=None)


def must_rest(error: Exception, begun_from: Job, job: Job) -> bool:
    """Return whether a job is not due again in the next run after an error, but after its interval.

    begun_from: the job as the run began with it. A listing that leads in a circle or is refused is begun anew at once
    if the place of an earlier run may be to blame, and if its first request was refused: that costs one request.
    """
    if isinstance(error, ListingLoops | ExchangeRefused):
        return job.position != begun_from.position and "cursor" not in (begun_from.position or {})
    return not isinstance(error, ExchangeUnavailable)


def begun(job: Job, position: Mapping[str, Any]) -> Job:
    """The job at the beginning of a walk."""
    return replace(job, position=position, begun_at=datetime.now(UTC))


def ended(job: Job, **changes: Any) -> Job:
    """The job at the end of a walk."""
    return replace(job, position=None, ended_at=datetime.now(UTC), confirmed_at=job.begun_at, **changes)


class Found(NamedTuple):
    """A page of a listing, and the place behind it: None at the end."""

    markets: Sequence[Sent]
    place: Mapping[str, Any] | None


async def follow(ask: Callable[[str | None], Awaitable[Page]], place: Mapping[str, Any]) -> AsyncIterator[Found]:
    """The pages of a listing from a place on. Raises ExchangeError; ListingLoops where it leads in a circle.

    A damaged cursor is not refused but begins the listing anew (observed on production, 2026-08): the first ticker
    tells.
    """
    cursor, first, pages = place.get("cursor"), place.get("first"), place.get("pages", 0)
    before: list[str | None] = []
    while True:
        page = await ask(cursor)
        tickers = [sent.ticker for sent in page.markets]
        pages += 1
        if cursor and first is not None and first in tickers:
            raise ListingLoops("the exchange's listing began anew in the middle.")
        first = first or next(filter(is_storable, tickers), None)
        if page.cursor and (page.cursor == cursor or (tickers and tickers == before) or pages > MOST_PAGES):
            raise ListingLoops("the exchange's listing would never end.")
        cursor, before = page.cursor, tickers
        if cursor is None:
            yield Found(page.markets, None)
            return
        yield Found(page.markets, {"cursor": cursor, "first": first, "pages": pages})


class LiveWalk(Walk):
    """Every market that is not settled, by one status filter of the exchange: the only way to see volumes move."""

    def __init__(self, status: str, interval: timedelta) -> None:
        self.name = f"live/{status}"
        self.interval = interval
        self._status = status

    async def steps(self, turn: Turn, job: Job) -> AsyncGenerator[Step, None]:
        """Newest first."""
        job = job if job.position is not None else begun(job, {})
        # Once an hour: where all objects have a new member, they are known by their digests again from then on.
        renew = job.begun_at is None or job.confirmed_at is None or job.begun_at.hour != job.confirmed_at.hour
        is_first, first_pages = "cursor" not in (job.position or {}), turn.first_pages
        if is_first:
            first_pages.expect(self.name)
        try:
            async for markets, place in follow(lambda c: turn.listings.live(self._status, c), job.position or {}):
                if is_first:
                    await first_pages.check(self.name, markets)
                    is_first = False
                job = replace(job, position=place) if place else ended(job)
                yield Step(job, markets, keeps_seen=True, renew=renew)
        finally:
            first_pages.leave(self.name)


class ChangedWalk(Walk):
    """New markets, or edits of their metadata, since the last such walk began."""

    def __init__(self, change: str, interval: timedelta) -> None:
        self.name = f"changed/{change}"
        self.interval = interval
        self._change = change

    async def steps(self, turn: Turn, job: Job) -> AsyncGenerator[Step, None]:
        """What was there before the first walk is the live walks' business."""
        now = await turn.listings.time()
        if not job.position:
            since = int((job.watermark or now).timestamp()) - OVERLAP
            job = begun(job, {"since": since, "until": int(now.timestamp())})
        place = dict(job.position or {})
        ask = turn.listings.created if self._change == "created" else turn.listings.updated
        member = f"{self._change}_time"
        kept = {name: place[name] for name in ("since", "until")}
        async for markets, following in follow(lambda cursor: ask(place["since"], cursor), place):
            check_times(markets, member, place["since"])
            until = datetime.fromtimestamp(place["until"], UTC)
            job = replace(job, position={**kept, **following}) if following else ended(job, watermark=until)
            yield Step(job, markets)
