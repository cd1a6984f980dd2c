import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from crawler.job_table import JobState
from crawler.jobs.archive import ArchiveJob
from crawler.jobs.base import (
    DUE_FRACTION,
    LIVE_JOBS,
    OVERLAP_SECONDS,
    Job,
    JobContext,
    PageUpdate,
    PaginationLoop,
    paginate,
)
from crawler.jobs.listings import ChangedJob, LiveJob
from crawler.jobs.lookups import MissingMarketsJob
from crawler.jobs.maintenance import CountsJob
from crawler.jobs.settled import INITIAL_WINDOW_SECONDS, RECHECK_AFTER, BacklogJob, SettledJob
from crawler.store_gate import StoreGate
from kalshi_markets.exchange import ExchangeClient, Listings, Page, RawMarket
from kalshi_markets.job_names import ARCHIVE, ARCHIVE_GAP, COUNTS, SETTLED_BACKLOG

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CUTOFF = NOW - timedelta(days=60)
MINUTE = timedelta(minutes=1)
MarketPage = Page[RawMarket]
EMPTY: MarketPage = Page([], None)


def forever(page: MarketPage) -> Iterator[MarketPage]:
    while True:
        yield page


@dataclass
class Exchange:
    """Exchange with a given listing of settled markets.

    behind: the cutoff between the live and the archived markets.
    windows: the windows that a pass requests.
    """

    pages: Iterator[MarketPage] = field(default_factory=lambda: forever(EMPTY))
    at: datetime = NOW
    behind: datetime = CUTOFF
    windows: list[tuple[int, int]] = field(default_factory=list)

    def exchange_timestamp(self) -> float:
        return self.at.timestamp()

    async def exchange_time(self) -> datetime:
        return self.at

    async def cutoff(self) -> datetime:
        return self.behind

    async def settled(self, after: int, before: int, cursor: str | None) -> MarketPage:
        if cursor is None:
            self.windows.append((after, before))
        return next(self.pages)


def steps(job_code: Job, exchange: Exchange, job: JobState, *others: JobState, limit: int = 10_000) -> list[PageUpdate]:
    """Run a pass to its end, or its first `limit` steps, and return the updates."""

    async def run() -> list[PageUpdate]:
        jobs = {state.name: state for state in (job, *others)}
        # These jobs send no other requests, and they do not query the store.
        context = JobContext(cast("ExchangeClient", None), cast("Listings", exchange), cast("StoreGate", None), jobs)
        updates: list[PageUpdate] = []
        walking = job_code.run(context, job)
        async for update in walking:
            updates.append(update)
            if len(updates) == limit:
                break
        await walking.aclose()
        return updates

    return asyncio.run(run())


SETTLED = SettledJob("settled", MINUTE)


def test_settlements_are_followed_from_the_first_look_on() -> None:
    exchange = Exchange()
    [step] = steps(SETTLED, exchange, JobState("settled"))
    at = int(NOW.timestamp())
    assert exchange.windows == [(at - OVERLAP_SECONDS, at + 1)]
    assert (step.state.position, step.state.watermark, step.state.confirmed_at) == (None, NOW, step.state.started_at)


def test_the_backlogs_windows_cover_everything_from_the_cutoff_to_the_first_look() -> None:
    exchange = Exchange()
    looked = JobState("settled", watermark=NOW - MINUTE)
    last = steps(BacklogJob(None), exchange, JobState("settled/backlog"), looked)[-1]
    assert exchange.windows[0] == (
        int(CUTOFF.timestamp()) - OVERLAP_SECONDS,
        int(CUTOFF.timestamp()) + INITIAL_WINDOW_SECONDS + 1,
    )
    for (_, before), (after, _) in zip(exchange.windows, exchange.windows[1:], strict=False):
        assert after == before - 1 - OVERLAP_SECONDS
    assert exchange.windows[-1][1] == int((NOW - MINUTE).timestamp()) + 1
    assert last.state.position is None
    assert not any(step.other_jobs for step in steps(BacklogJob(None), Exchange(), JobState("settled/backlog"), looked))


def test_windows_widen_while_they_fit_one_page_and_not_otherwise() -> None:
    looked = JobState("settled", watermark=NOW)
    narrow, wide = Exchange(iter([Page([], "more"), EMPTY] * 300)), Exchange()
    for exchange in (narrow, wide):
        steps(BacklogJob(None), exchange, JobState("settled/backlog"), looked)
    assert len(wide.windows) < 12
    assert len(narrow.windows) == 60 * 86_400 // INITIAL_WINDOW_SECONDS


def test_the_backlog_starts_at_the_retention_limit() -> None:
    exchange = Exchange()
    steps(BacklogJob(timedelta(days=3)), exchange, JobState("settled/backlog"), JobState("settled", watermark=NOW))
    assert exchange.windows[0][0] == int((NOW - timedelta(days=3)).timestamp()) - OVERLAP_SECONDS


def test_the_backlog_is_due_once_when_the_first_look_is_known() -> None:
    backlog, job = BacklogJob(None), JobState("settled/backlog")
    assert not backlog.is_due(job, {}, NOW)
    assert backlog.is_due(job, {"settled": JobState("settled", watermark=NOW)}, NOW)
    done = replace(job, confirmed_at=NOW)
    assert not backlog.is_due(done, {"settled": JobState("settled", watermark=NOW)}, NOW + timedelta(days=99))


def test_the_next_walk_begins_where_the_last_one_ended() -> None:
    [first] = steps(SETTLED, Exchange(), JobState("settled"))
    later = Exchange(at=NOW + 5 * MINUTE)
    steps(SETTLED, later, first.state)
    assert later.windows == [(int(NOW.timestamp()) - OVERLAP_SECONDS, int(NOW.timestamp()) + 301)]


def test_settled_markets_are_rechecked_after_a_day() -> None:
    exchange = Exchange()
    steps(SettledJob("settled/recheck", MINUTE, RECHECK_AFTER), exchange, JobState("settled/recheck", watermark=NOW))
    assert exchange.windows[0][0] == int((NOW - RECHECK_AFTER).timestamp()) - OVERLAP_SECONDS


def test_a_walk_goes_on_in_its_window_after_a_crash() -> None:
    exchange = Exchange(iter([Page([], "a"), Page([], "b"), EMPTY]))
    first = steps(SETTLED, exchange, JobState("settled", watermark=NOW - MINUTE), limit=1)[0]
    resumed = steps(SETTLED, exchange, first.state)
    assert [step.state.position is None for step in resumed] == [False, True]
    assert len(exchange.windows) == 1, "the window was begun once"


def test_a_clock_that_steps_back_never_leads_into_the_past() -> None:
    [step] = steps(SETTLED, Exchange(), JobState("settled"))
    back = Exchange(at=NOW - timedelta(hours=30))
    [later] = steps(SETTLED, back, step.state)
    assert all(after <= before for after, before in back.windows)
    assert later.state.watermark == NOW


def test_a_clock_of_ours_that_is_fast_marks_nothing_as_seen_that_has_not_happened() -> None:
    ahead = int((NOW + 5 * MINUTE).timestamp())
    position = {"from": int(NOW.timestamp()), "to": ahead, "until": ahead}
    [step] = steps(SETTLED, Exchange(at=NOW + MINUTE), JobState("settled", position, started_at=NOW))
    assert step.state.watermark == NOW + MINUTE


def test_a_window_that_the_cutoff_moved_into_is_left_to_the_archive() -> None:
    start = int((NOW - timedelta(days=59)).timestamp())
    position = {"from": start, "to": start + 60, "until": start + 60}
    exchange = Exchange(behind=NOW - timedelta(days=58))
    [step] = steps(SETTLED, exchange, JobState("settled", position, started_at=NOW))
    assert [job.name for job in step.other_jobs] == [ARCHIVE_GAP]
    archive, begun = ArchiveJob(None), JobState("archive", confirmed_at=NOW)
    assert archive.is_due(begun, {ARCHIVE_GAP: step.other_jobs[0]}, NOW)
    assert not archive.is_due(
        replace(begun, confirmed_at=step.other_jobs[0].watermark), {ARCHIVE_GAP: step.other_jobs[0]}, NOW
    )
    assert not archive.is_due(begun, {}, NOW)


@pytest.mark.parametrize("behind", [timedelta(minutes=10), timedelta(days=2), timedelta(days=400)])
def test_nothing_is_assumed_of_how_far_back_the_cutoff_is(behind: timedelta) -> None:
    at = int((NOW - timedelta(days=3)).timestamp())
    position = {"from": at, "to": at + 60, "until": at + 60}
    [step] = steps(SETTLED, Exchange(behind=NOW - behind), JobState("settled", position, started_at=NOW))
    assert bool(step.other_jobs) is (behind < timedelta(days=3))


def test_the_archive_waits_for_the_backlog_to_begin_at_the_cutoff() -> None:
    archive, job = ArchiveJob(None), JobState("archive")
    assert not archive.is_due(job, {}, NOW)
    assert archive.is_due(job, {"settled/backlog": JobState("settled/backlog", {"from": 0}, started_at=NOW)}, NOW)
    assert archive.is_due(replace(job, position={"cursor": "c"}), {}, NOW)


def test_a_walk_is_due_at_first_then_after_its_interval_and_while_under_way() -> None:
    live = LiveJob("open", 5 * MINUTE)
    assert live.is_due(JobState("live/open"), {}, NOW)
    assert not live.is_due(JobState("live/open", started_at=NOW - 4 * MINUTE, finished_at=NOW), {}, NOW)
    assert live.is_due(JobState("live/open", started_at=NOW - DUE_FRACTION * 5 * MINUTE, finished_at=NOW), {}, NOW)
    assert live.is_due(JobState("live/open", position={"cursor": "c"}, started_at=NOW), {}, NOW)


def test_shorter_intervals_go_first_and_the_long_ways_last() -> None:
    order: Sequence[Job] = [
        *(SETTLED, LiveJob("open", 5 * MINUTE), SettledJob("settled/recheck", 60 * MINUTE)),
        *(BacklogJob(None), ArchiveJob(None)),
    ]
    assert [*sorted(order, key=lambda walk: walk.priority)] == [*order]


def test_missing_markets_are_looked_up_after_each_complete_live_job() -> None:
    settled = JobState("settled", watermark=NOW, confirmed_at=NOW)
    walked = {name: JobState(name, started_at=NOW, finished_at=NOW + MINUTE, confirmed_at=NOW) for name in LIVE_JOBS}
    missing, job = MissingMarketsJob(), JobState("missing", started_at=NOW)
    assert missing.is_due(job, {**walked, "settled": settled}, NOW)
    assert not missing.is_due(job, walked, NOW), "settlements are not known"
    assert not missing.is_due(job, {**walked, "settled": replace(settled, position={"from": 0})}, NOW)
    assert not missing.is_due(replace(job, started_at=NOW + 2 * MINUTE), {**walked, "settled": settled}, NOW)
    del walked["live/paused"]
    assert not missing.is_due(job, {**walked, "settled": settled}, NOW), "one has never been walked"


def pages_of(pages: Sequence[MarketPage], position: dict[str, Any] | None = None) -> list[Any]:
    given = iter(pages)

    async def ask(_: str | None) -> MarketPage:
        return next(given)

    async def run() -> list[Any]:
        return [page async for page in paginate(ask, position or {})]

    return asyncio.run(run())


def some(*tickers: str, cursor: str | None) -> MarketPage:
    return Page([RawMarket(ticker, None, b"", {"ticker": ticker}) for ticker in tickers], cursor)


def test_a_listing_is_followed_to_its_end_over_empty_pages() -> None:
    pages = pages_of([some("A", "B", cursor="b"), Page([], "c"), some("C", cursor=None)])
    assert [len(page.rows) for page in pages] == [2, 0, 1]
    assert [page.next_position and page.next_position["cursor"] for page in pages] == ["b", "c", None]


@pytest.mark.parametrize(
    "pages",
    [
        [some("A", cursor="x"), some("B", cursor="x")],
        [some("A", cursor="x"), some("B", cursor="y"), some("B", cursor="z")],
        [some("A", "B", cursor="x"), some("NEW", "A", cursor="y")],
    ],
    ids=["the same cursor", "the same page", "from the beginning"],
)
def test_a_listing_that_leads_in_a_circle_is_left(pages: Sequence[MarketPage]) -> None:
    with pytest.raises(PaginationLoop):
        pages_of(pages)


def test_a_damaged_cursor_is_noticed_in_a_later_run_too() -> None:
    [first] = pages_of([some("A", "B", cursor="x"), some("C", cursor="y"), some("D", cursor=None)])[:1]
    with pytest.raises(PaginationLoop):
        pages_of([some("A", cursor="z")], dict(first.next_position))


def test_a_pagination_loop_restarts_a_job_but_the_archive_continues_by_series() -> None:
    position = {"from": 1, "to": 2, "until": 3, "cursor": "c", "first": "A"}
    error = PaginationLoop("…")
    assert LiveJob("open", MINUTE).state_after_error(
        error, JobState("live/open", {"cursor": "c"}, started_at=NOW)
    ) == JobState("live/open")
    assert SETTLED.state_after_error(error, JobState("settled", position)).position == {"from": 1, "to": 2, "until": 3}
    archive = JobState("archive", {"cursor": "c", "unlisted": ["A"]}, started_at=NOW)
    assert ArchiveJob(None).state_after_error(error, archive) == replace(
        archive, position={"after": "", "unlisted": ["A"], "way": "series"}
    )


def test_changes_are_fetched_since_the_start_of_the_last_changed_job() -> None:
    walk = ChangedJob("created", MINUTE)
    since: list[int] = []

    class Changes(Exchange):
        async def created(self, after: int, _: str | None) -> MarketPage:
            since.append(after)
            return EMPTY

    [first] = steps(walk, Changes(), JobState("changed/created"))
    [later] = steps(walk, Changes(at=NOW + 5 * MINUTE), first.state)
    assert since == [int(NOW.timestamp()) - OVERLAP_SECONDS] * 2
    assert (first.state.watermark, later.state.watermark) == (NOW, NOW + 5 * MINUTE)


def test_markets_are_counted_after_each_live_pass_and_after_the_backlog_and_the_archive() -> None:
    live = {name: JobState(name, finished_at=NOW, confirmed_at=NOW - MINUTE) for name in LIVE_JOBS}
    job, counted = CountsJob(), JobState(COUNTS, started_at=NOW, finished_at=NOW, confirmed_at=NOW)
    assert job.is_due(JobState(COUNTS), live, NOW)
    assert not job.is_due(JobState(COUNTS), {SETTLED_BACKLOG: JobState(SETTLED_BACKLOG, finished_at=NOW)}, NOW)
    assert not job.is_due(counted, live, NOW)
    assert not job.is_due(counted, live | {ARCHIVE: JobState(ARCHIVE, started_at=NOW)}, NOW)
    for name in (SETTLED_BACKLOG, ARCHIVE):
        assert not job.is_due(counted, live | {name: JobState(name, finished_at=NOW - MINUTE)}, NOW)
        assert job.is_due(counted, live | {name: JobState(name, finished_at=NOW + MINUTE)}, NOW)
