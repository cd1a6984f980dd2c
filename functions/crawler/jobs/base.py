"""A job of the crawler: its interface, its context, and the pages of a listing."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from crawler.filters import FirstPages
from crawler.store import JobState, Store
from kalshi_markets.exchange import (
    Event,
    ExchangeClientError,
    ExchangeError,
    ExchangeUnavailable,
    FilterIgnored,
    InvalidResponse,
    Listings,
    Page,
    RawMarket,
    Series,
    is_valid_pg_text,
)
from kalshi_markets.exchange.account import AccountLimits, Costs

OVERLAP_SECONDS: Final = 120
"""Seconds that a walk reaches back into the one before: answers are up to 15 s old (the exchange's CDN), and a
settlement or an edit may become visible after its time."""
DUE_FRACTION: Final = 0.9
"""Of an interval. A market is then read again within it, though a walk and the pause between runs take time."""
MAX_PAGES: Final = 100_000
"""Of one walk; the exchange with all its combos has six thousand."""
LOWEST_PRIORITY: Final = 10.0**6
"""The priority of a job that may take all the time that is left; lower runs first."""


class PaginationLoop(InvalidResponse):
    """The listing leads back to where it began: following it would never end."""


@dataclass(frozen=True)
class JobContext:
    """What a walk works with in one run."""

    listings: Listings
    store: Store
    states: Mapping[str, JobState]
    query: Callable[..., Awaitable[Any]]
    """await query(store.method, *arguments): the store serves one at a time."""
    first_pages: FirstPages = field(default_factory=FirstPages)


@dataclass(frozen=True)
class PageUpdate:
    """Result of one page, committed together with the job's new state.

    track_seen: whether account is kept of the markets on it. The other members are those of the store's Batch.
    """

    state: JobState
    markets: Sequence[RawMarket] = ()
    track_seen: bool = False
    resolved_rejects: Sequence[str] = ()
    refresh_hashes: bool = False
    series: Sequence[Series] = ()
    events: Sequence[Event] = ()
    removed: Collection[str] = ()
    looked_up: Sequence[str] = ()
    costs: Costs | None = None
    limits: AccountLimits | None = None
    delete_settled_before: datetime | None = None
    other_jobs: Sequence[JobState] = ()


class Job(ABC):
    """One job. name: the key of its state. priority: lower runs first, as in asyncio.PriorityQueue.

    interval: how long after a walk's begin the next is due, and how long the job rests after an answer that cannot be
    used.
    """

    name: str
    interval = timedelta(minutes=5)
    runs_alone_first = False
    """Whether the others wait for its first walk."""

    @property
    def priority(self) -> float:
        """Shorter intervals go first."""
        return self.interval.total_seconds()

    def is_due(self, state: JobState, states: Mapping[str, JobState], now: datetime) -> bool:  # noqa: ARG002  # others look at all
        """A walk under way goes on; the next begins a little before the interval has passed, to end with it."""
        return (
            state.position is not None
            or state.started_at is None
            or now - state.started_at >= DUE_FRACTION * self.interval
        )

    @abstractmethod
    def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Goes on where the job stands, to the end of the walk. Raises ExchangeError."""

    def state_after_error(self, error: Exception, state: JobState) -> JobState:
        """Return the job as it goes on after an error that asking again at once would not mend.

        An unreadable page is asked for once more; if it fails again, and after any other error, the walk begins anew.
        """
        if isinstance(error, FilterIgnored):
            return state
        if not isinstance(error, ExchangeError) or state.position is None:
            return replace(state, position=None, started_at=None)
        is_unreadable = isinstance(error, InvalidResponse) and not isinstance(error, PaginationLoop)
        if is_unreadable and "failed" not in state.position:
            return replace(state, position={**state.position, "failed": True})
        return self.restarted(state)

    def restarted(self, state: JobState) -> JobState:
        """Return the job at its beginning, as what is left out of a walk that cannot go on."""
        return replace(state, position=None, started_at=None)


def must_wait(error: Exception, initial_state: JobState, state: JobState) -> bool:
    """Return whether a job is not due again in the next run after an error, but after its interval.

    initial_state: of the job, as the run began with it.
    A listing that loops or is rejected is restarted at once if the position of an earlier run may be to blame, and if
    its first request was rejected: that costs one request.
    """
    if isinstance(error, PaginationLoop | ExchangeClientError):
        return state.position != initial_state.position and "cursor" not in (initial_state.position or {})
    return not isinstance(error, ExchangeUnavailable)


def started(state: JobState, position: Mapping[str, Any]) -> JobState:
    """The job at the beginning of a walk."""
    return replace(state, position=position, started_at=datetime.now(UTC))


def finished(state: JobState, **changes: Any) -> JobState:
    """The job at the end of a walk."""
    return replace(state, position=None, finished_at=datetime.now(UTC), confirmed_at=state.started_at, **changes)


class ListingPage(NamedTuple):
    """A page of a listing, and the place behind it: None at the end."""

    markets: Sequence[RawMarket]
    next_position: Mapping[str, Any] | None


async def paginate(
    fetch_page: Callable[[str | None], Awaitable[Page]], position: Mapping[str, Any]
) -> AsyncIterator[ListingPage]:
    """The pages of a listing from a place on. Raises ExchangeError; PaginationLoop where it leads in a circle.

    A damaged cursor is not refused but begins the listing anew (observed on production, 2026-08): the first ticker
    tells.
    """
    cursor, first, pages = position.get("cursor"), position.get("first"), position.get("pages", 0)
    before: list[str | None] = []
    while True:
        page = await fetch_page(cursor)
        tickers = [market.ticker for market in page.markets]
        pages += 1
        if cursor and first is not None and first in tickers:
            raise PaginationLoop("the exchange's listing restarted in the middle.")
        first = first or next(filter(is_valid_pg_text, tickers), None)
        if page.cursor and (page.cursor == cursor or (tickers and tickers == before) or pages > MAX_PAGES):
            raise PaginationLoop("the exchange's pagination does not end.")
        cursor, before = page.cursor, tickers
        if cursor is None:
            yield ListingPage(page.markets, None)
            return
        yield ListingPage(page.markets, {"cursor": cursor, "first": first, "pages": pages})
