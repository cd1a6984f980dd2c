"""Interface of the crawler's jobs, their context, and pagination of listings."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final, Generic, NamedTuple, TypeVar

from crawler.filters import FirstPages
from crawler.job_table import JobState
from crawler.outbox import LakeProgress
from crawler.store_gate import StoreGate
from kalshi_markets import job_names
from kalshi_markets.exchange import (
    AccountLimits,
    Costs,
    ExchangeClient,
    ExchangeClientError,
    ExchangeError,
    ExchangeUnavailable,
    FilterIgnored,
    InvalidResponse,
    Listings,
    Page,
    RawMarket,
    Row,
)
from kalshi_markets.text import is_valid_pg_text

OVERLAP_SECONDS: Final = 120
"""Overlap of two passes.

Responses are up to 15 s old (the exchange's CDN), and a settlement or an edit may become visible after its time.
"""
DUE_FRACTION: Final = 0.9
"""Fraction of the interval after which a job is due.

The rest of the interval is for the pass itself and the pause between runs.
"""
MAX_PAGES: Final = 100_000
"""Maximum of pages in one listing. All markets with combos have 6,000 pages."""
LOWEST_PRIORITY: Final = 10.0**6
"""Priority of a job that may use all the remaining time of a run. Lower runs first."""
LIVE_JOBS: Final = tuple(job_names.LIVE.values())
DISTANT_PAST: Final = datetime.min.replace(tzinfo=UTC)
T = TypeVar("T")


class PaginationLoop(InvalidResponse):
    """Listing whose pagination loops or exceeds the maximum of pages."""


@dataclass(frozen=True)
class JobContext:
    """Context of a job in one run.

    exchange: client of the exchange.
    listings: the client's listings, with the deadline and the job's priority.
    store: store, with the job's priority.
    states: current states of all jobs, by name.
    first_pages: first pages of the listings of this run.
    """

    exchange: ExchangeClient
    listings: Listings
    store: StoreGate
    states: Mapping[str, JobState]
    first_pages: FirstPages = field(default_factory=FirstPages)


@dataclass(frozen=True)
class PageUpdate:
    """Result of one page, committed together with the job's new state.

    track_seen: whether to record the tickers on the page as seen. The other members are those of crawler.store.Batch.
    """

    state: JobState
    markets: Sequence[RawMarket] = ()
    track_seen: bool = False
    resolved_rejects: Sequence[str] = ()
    refresh_hashes: bool = False
    series: Sequence[Row] = ()
    events: Sequence[Row] = ()
    unknown_events: Sequence[str] = ()
    count_markets: bool = False
    removed: Collection[str] = ()
    looked_up: Sequence[str] = ()
    costs: Costs | None = None
    limits: AccountLimits | None = None
    delete_settled_before: datetime | None = None
    other_jobs: Sequence[JobState] = ()
    lake: LakeProgress | None = None


class Job(ABC):
    """Job of the crawler.

    name: name of the job and of its state.
    interval: time from the start of a pass to the start of the next, and the pause after an error.
    priority: lower runs first, as in asyncio.PriorityQueue.
    """

    name: str
    interval = timedelta(minutes=5)
    runs_alone_first = False
    """True if the other jobs wait for the first complete pass of this job."""

    @property
    def priority(self) -> float:
        """Interval in seconds, so that jobs with shorter intervals run first."""
        return self.interval.total_seconds()

    def is_due(self, state: JobState, states: Mapping[str, JobState], now: datetime) -> bool:  # noqa: ARG002  # overrides use all
        """Return whether a pass is running, or DUE_FRACTION of the interval has passed since the last one started."""
        return (
            state.position is not None
            or state.started_at is None
            or now - state.started_at >= DUE_FRACTION * self.interval
        )

    @abstractmethod
    def run(self, context: JobContext, state: JobState) -> AsyncGenerator[PageUpdate, None]:
        """Yield page updates from the job's position to the end of the pass. Raises ExchangeError."""

    def state_after_error(self, error: Exception, state: JobState) -> JobState:
        """Return the state from which the job resumes after an error that an immediate retry cannot fix.

        FilterIgnored leaves the state unchanged. A page with an invalid response is requested once more. After a second
        failure, and after any other error, the pass restarts (`restarted`).
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
        """Return the state that restarts a pass that cannot continue."""
        return replace(state, position=None, started_at=None)


def must_wait(error: Exception, initial_state: JobState, state: JobState) -> bool:
    """Return whether a job must wait for its interval after an error. Otherwise it is due in the next run.

    initial_state: state of the job at the start of the run.
    A listing that loops or is rejected restarts in the next run in two cases: the position of an earlier run may be the
    cause, or the first request was rejected, which costs only one request.
    """
    if isinstance(error, PaginationLoop | ExchangeClientError):
        return state.position != initial_state.position and "cursor" not in (initial_state.position or {})
    return not isinstance(error, ExchangeUnavailable)


def has_new_live_walk(state: JobState, states: Mapping[str, JobState]) -> bool:
    """Return whether all live jobs have completed a pass since the last pass of a job started."""
    walked = [
        states[name].finished_at or DISTANT_PAST for name in LIVE_JOBS if name in states and states[name].confirmed_at
    ]
    return len(walked) == len(LIVE_JOBS) and min(walked) > (state.started_at or DISTANT_PAST)


def started(state: JobState, position: Mapping[str, Any]) -> JobState:
    """Return the state at the start of a pass."""
    return replace(state, position=position, started_at=datetime.now(UTC))


def finished(state: JobState, **changes: Any) -> JobState:
    """Return the state at the end of a complete pass."""
    return replace(state, position=None, finished_at=datetime.now(UTC), confirmed_at=state.started_at, **changes)


class ListingPage(NamedTuple, Generic[T]):
    """Page of a listing. next_position: position of the next page; None on the last page."""

    rows: Sequence[T]
    next_position: Mapping[str, Any] | None


async def paginate(
    fetch_page: Callable[[str | None], Awaitable[Page[T]]],
    position: Mapping[str, Any],
    ticker_of: Callable[[T], str | None] = attrgetter("ticker"),
) -> AsyncIterator[ListingPage[T]]:
    """Yield the pages of a listing from a position on. Raises ExchangeError; PaginationLoop if the pagination loops.

    The exchange does not reject a damaged cursor but restarts the listing (observed on production, 2026-08). The first
    ticker of the listing on a later page shows it.
    """
    cursor, first, pages = position.get("cursor"), position.get("first"), position.get("pages", 0)
    before: list[str | None] = []
    while True:
        page = await fetch_page(cursor)
        tickers = [ticker_of(row) for row in page.rows]
        pages += 1
        if cursor and first is not None and first in tickers:
            raise PaginationLoop("the exchange's listing restarted in the middle.")
        first = first or next(filter(is_valid_pg_text, tickers), None)
        if page.cursor and (page.cursor == cursor or (tickers and tickers == before) or pages > MAX_PAGES):
            raise PaginationLoop("the exchange's pagination does not end.")
        cursor, before = page.cursor, tickers
        if cursor is None:
            yield ListingPage(page.rows, None)
            return
        yield ListingPage(page.rows, {"cursor": cursor, "first": first, "pages": pages})
