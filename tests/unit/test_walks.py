import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from crawler.archive import ArchiveWalk
from crawler.lookups import LIVE_JOBS, VanishedWalk
from crawler.settlements import FIRST_WINDOW, REST, BacklogWalk, SettledWalk
from crawler.store import Job, Store
from crawler.walks import (
    EARLY,
    MOVED,
    OVERLAP,
    ChangedWalk,
    ListingLoops,
    LiveWalk,
    Step,
    Turn,
    Walk,
    follow,
)
from kalshi_markets.exchange import Listings, Page, Sent

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CUTOFF = NOW - timedelta(days=60)
MINUTE = timedelta(minutes=1)
EMPTY = Page([], None)


def forever(page: Page) -> Iterator[Page]:
    while True:
        yield page


@dataclass
class Exchange:
    """An exchange whose settled listing is given, so that a walk's windows can be looked at."""

    pages: Iterator[Page] = field(default_factory=lambda: forever(EMPTY))
    at: datetime = NOW
    behind: datetime = CUTOFF
    windows: list[tuple[int, int]] = field(default_factory=list)

    def now(self) -> float:
        return self.at.timestamp()

    async def time(self) -> datetime:
        return self.at

    async def cutoff(self) -> datetime:
        return self.behind

    async def settled(self, after: int, before: int, cursor: str | None) -> Page:
        if cursor is None:
            self.windows.append((after, before))
        return next(self.pages)


async def read(*_: Any) -> Any:
    raise AssertionError("these walks read nothing of the store")


def steps(walk: Walk, exchange: Exchange, job: Job, *others: Job, most: int = 10_000) -> list[Step]:
    """A walk to its end, or its first steps."""

    async def run() -> list[Step]:
        jobs = {one.name: one for one in (job, *others)}
        turn = Turn(cast("Listings", exchange), cast("Store", None), jobs, cast("Callable[..., Awaitable[Any]]", read))
        found: list[Step] = []
        walking = walk.steps(turn, job)
        async for step in walking:
            found.append(step)
            if len(found) == most:
                break
        await walking.aclose()
        return found

    return asyncio.run(run())


SETTLED = SettledWalk("settled", MINUTE)


def test_settlements_are_followed_from_the_first_look_on() -> None:
    exchange = Exchange()
    [step] = steps(SETTLED, exchange, Job("settled"))
    at = int(NOW.timestamp())
    assert exchange.windows == [(at - OVERLAP, at + 1)]
    assert (step.job.position, step.job.watermark, step.job.confirmed_at) == (None, NOW, step.job.begun_at)


def test_the_backlogs_windows_cover_everything_from_the_cutoff_to_the_first_look() -> None:
    exchange = Exchange()
    looked = Job("settled", watermark=NOW - MINUTE)
    last = steps(BacklogWalk(None), exchange, Job("settled/backlog"), looked)[-1]
    assert exchange.windows[0] == (int(CUTOFF.timestamp()) - OVERLAP, int(CUTOFF.timestamp()) + FIRST_WINDOW + 1)
    for (_, before), (after, _) in zip(exchange.windows, exchange.windows[1:], strict=False):
        assert after == before - 1 - OVERLAP
    assert exchange.windows[-1][1] == int((NOW - MINUTE).timestamp()) + 1
    assert last.job.position is None
    assert not any(step.also for step in steps(BacklogWalk(None), Exchange(), Job("settled/backlog"), looked))


def test_windows_widen_while_they_fit_one_page_and_not_otherwise() -> None:
    looked = Job("settled", watermark=NOW)
    narrow, wide = Exchange(iter([Page([], "more"), EMPTY] * 300)), Exchange()
    for exchange in (narrow, wide):
        steps(BacklogWalk(None), exchange, Job("settled/backlog"), looked)
    assert len(wide.windows) < 12
    assert len(narrow.windows) == 60 * 86_400 // FIRST_WINDOW


def test_the_backlog_begins_where_markets_are_kept_from() -> None:
    exchange = Exchange()
    steps(BacklogWalk(timedelta(days=3)), exchange, Job("settled/backlog"), Job("settled", watermark=NOW))
    assert exchange.windows[0][0] == int((NOW - timedelta(days=3)).timestamp()) - OVERLAP


def test_the_backlog_is_due_once_when_the_first_look_is_known() -> None:
    backlog, job = BacklogWalk(None), Job("settled/backlog")
    assert not backlog.is_due(job, {}, NOW)
    assert backlog.is_due(job, {"settled": Job("settled", watermark=NOW)}, NOW)
    done = replace(job, confirmed_at=NOW)
    assert not backlog.is_due(done, {"settled": Job("settled", watermark=NOW)}, NOW + timedelta(days=99))


def test_the_next_walk_begins_where_the_last_one_ended() -> None:
    [first] = steps(SETTLED, Exchange(), Job("settled"))
    later = Exchange(at=NOW + 5 * MINUTE)
    steps(SETTLED, later, first.job)
    assert later.windows == [(int(NOW.timestamp()) - OVERLAP, int(NOW.timestamp()) + 301)]


def test_what_was_settled_is_looked_at_again_when_a_day_has_passed() -> None:
    exchange = Exchange()
    steps(SettledWalk("settled/rested", MINUTE, REST), exchange, Job("settled/rested", watermark=NOW))
    assert exchange.windows[0][0] == int((NOW - REST).timestamp()) - OVERLAP


def test_a_walk_goes_on_in_its_window_after_a_crash() -> None:
    exchange = Exchange(iter([Page([], "a"), Page([], "b"), EMPTY]))
    first = steps(SETTLED, exchange, Job("settled", watermark=NOW - MINUTE), most=1)[0]
    again = steps(SETTLED, exchange, first.job)
    assert [step.job.position is None for step in again] == [False, True]
    assert len(exchange.windows) == 1, "the window was begun once"


def test_a_clock_that_steps_back_never_leads_into_the_past() -> None:
    [step] = steps(SETTLED, Exchange(), Job("settled"))
    back = Exchange(at=NOW - timedelta(hours=30))
    [later] = steps(SETTLED, back, step.job)
    assert all(after <= before for after, before in back.windows)
    assert later.job.watermark == NOW


def test_a_clock_of_ours_that_is_fast_marks_nothing_as_seen_that_has_not_happened() -> None:
    ahead = int((NOW + 5 * MINUTE).timestamp())
    position = {"from": int(NOW.timestamp()), "to": ahead, "until": ahead}
    [step] = steps(SETTLED, Exchange(at=NOW + MINUTE), Job("settled", position, begun_at=NOW))
    assert step.job.watermark == NOW + MINUTE


def test_a_window_that_the_cutoff_moved_into_is_left_to_the_archive() -> None:
    start = int((NOW - timedelta(days=59)).timestamp())
    position = {"from": start, "to": start + 60, "until": start + 60}
    exchange = Exchange(behind=NOW - timedelta(days=58))
    [step] = steps(SETTLED, exchange, Job("settled", position, begun_at=NOW))
    assert [job.name for job in step.also] == [MOVED]
    archive, begun = ArchiveWalk(None), Job("archive", confirmed_at=NOW)
    assert archive.is_due(begun, {MOVED: step.also[0]}, NOW)
    assert not archive.is_due(replace(begun, confirmed_at=step.also[0].watermark), {MOVED: step.also[0]}, NOW)
    assert not archive.is_due(begun, {}, NOW)


@pytest.mark.parametrize("behind", [timedelta(minutes=10), timedelta(days=2), timedelta(days=400)])
def test_nothing_is_assumed_of_how_far_back_the_cutoff_is(behind: timedelta) -> None:
    at = int((NOW - timedelta(days=3)).timestamp())
    position = {"from": at, "to": at + 60, "until": at + 60}
    [step] = steps(SETTLED, Exchange(behind=NOW - behind), Job("settled", position, begun_at=NOW))
    assert bool(step.also) is (behind < timedelta(days=3))


def test_the_archive_waits_for_the_backlog_to_begin_at_the_cutoff() -> None:
    archive, job = ArchiveWalk(None), Job("archive")
    assert not archive.is_due(job, {}, NOW)
    assert archive.is_due(job, {"settled/backlog": Job("settled/backlog", {"from": 0}, begun_at=NOW)}, NOW)
    assert archive.is_due(replace(job, position={"cursor": "c"}), {}, NOW)


def test_a_walk_is_due_at_first_then_after_its_interval_and_while_under_way() -> None:
    live = LiveWalk("open", 5 * MINUTE)
    assert live.is_due(Job("live/open"), {}, NOW)
    assert not live.is_due(Job("live/open", begun_at=NOW - 4 * MINUTE, ended_at=NOW), {}, NOW)
    assert live.is_due(Job("live/open", begun_at=NOW - EARLY * 5 * MINUTE, ended_at=NOW), {}, NOW)
    assert live.is_due(Job("live/open", position={"cursor": "c"}, begun_at=NOW), {}, NOW)


def test_shorter_intervals_go_first_and_the_long_ways_last() -> None:
    order: Sequence[Walk] = [
        *(SETTLED, LiveWalk("open", 5 * MINUTE), SettledWalk("settled/rested", 60 * MINUTE)),
        *(BacklogWalk(None), ArchiveWalk(None)),
    ]
    assert [*sorted(order, key=lambda walk: walk.urgency)] == [*order]


def test_vanished_markets_are_looked_for_after_each_complete_live_walk() -> None:
    settled = Job("settled", watermark=NOW, confirmed_at=NOW)
    walked = {name: Job(name, begun_at=NOW, ended_at=NOW + MINUTE, confirmed_at=NOW) for name in LIVE_JOBS}
    vanished, job = VanishedWalk(), Job("vanished", begun_at=NOW)
    assert vanished.is_due(job, {**walked, "settled": settled}, NOW)
    assert not vanished.is_due(job, walked, NOW), "settlements are not known"
    assert not vanished.is_due(job, {**walked, "settled": replace(settled, position={"from": 0})}, NOW)
    assert not vanished.is_due(replace(job, begun_at=NOW + 2 * MINUTE), {**walked, "settled": settled}, NOW)
    del walked["live/paused"]
    assert not vanished.is_due(job, {**walked, "settled": settled}, NOW), "one has never been walked"


def pages_of(pages: Sequence[Page], place: dict[str, Any] | None = None) -> list[Any]:
    given = iter(pages)

    async def ask(_: str | None) -> Page:
        return next(given)

    async def run() -> list[Any]:
        return [found async for found in follow(ask, place or {})]

    return asyncio.run(run())


def some(*tickers: str, cursor: str | None) -> Page:
    return Page([Sent(ticker, None, b"", {"ticker": ticker}) for ticker in tickers], cursor)


def test_a_listing_is_followed_to_its_end_over_empty_pages() -> None:
    found = pages_of([some("A", "B", cursor="b"), Page([], "c"), some("C", cursor=None)])
    assert [len(page.markets) for page in found] == [2, 0, 1]
    assert [page.place and page.place["cursor"] for page in found] == ["b", "c", None]


@pytest.mark.parametrize(
    "pages",
    [
        [some("A", cursor="x"), some("B", cursor="x")],
        [some("A", cursor="x"), some("B", cursor="y"), some("B", cursor="z")],
        [some("A", "B", cursor="x"), some("NEW", "A", cursor="y")],
    ],
    ids=["the same cursor", "the same page", "from the beginning"],
)
def test_a_listing_that_leads_in_a_circle_is_left(pages: Sequence[Page]) -> None:
    with pytest.raises(ListingLoops):
        pages_of(pages)


def test_a_damaged_cursor_is_noticed_in_a_later_run_too() -> None:
    [first] = pages_of([some("A", "B", cursor="x"), some("C", cursor="y"), some("D", cursor=None)])[:1]
    with pytest.raises(ListingLoops):
        pages_of([some("A", cursor="z")], dict(first.place))


def test_a_walk_that_was_led_in_a_circle_begins_anew_but_the_archives_goes_on_by_series() -> None:
    position = {"from": 1, "to": 2, "until": 3, "cursor": "c", "first": "A"}
    error = ListingLoops("…")
    assert LiveWalk("open", MINUTE).after(error, Job("live/open", {"cursor": "c"}, begun_at=NOW)) == Job("live/open")
    assert SETTLED.after(error, Job("settled", position)).position == {"from": 1, "to": 2, "until": 3}
    archive = Job("archive", {"cursor": "c", "unlisted": ["A"]}, begun_at=NOW)
    assert ArchiveWalk(None).after(error, archive) == replace(
        archive, position={"after": "", "unlisted": ["A"], "way": "series"}
    )


def test_changes_are_asked_for_since_the_last_such_walk_began() -> None:
    walk = ChangedWalk("created", MINUTE)
    asked: list[int] = []

    class Changes(Exchange):
        async def created(self, after: int, _: str | None) -> Page:
            asked.append(after)
            return EMPTY

    [first] = steps(walk, Changes(), Job("changed/created"))
    [later] = steps(walk, Changes(at=NOW + 5 * MINUTE), first.job)
    assert asked == [int(NOW.timestamp()) - OVERLAP] * 2
    assert (first.job.watermark, later.job.watermark) == (NOW, NOW + 5 * MINUTE)
