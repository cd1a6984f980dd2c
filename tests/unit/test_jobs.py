import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from crawler.jobs import FIRST_WINDOW, OVERLAP, LiveWalk, SettledWalk
from crawler.store import Job
from kalshi_markets.exchange import ExchangeClient, Page
from kalshi_markets.settings import ExchangeSettings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CUTOFF = NOW - timedelta(days=60)


class Listing(ExchangeClient):
    """An exchange whose settled listing is given, so that a walk's windows can be looked at."""

    def __init__(self, pages: Iterator[Page]) -> None:
        super().__init__(ExchangeSettings.read({}))
        self.pages = pages
        self.windows: list[tuple[int, int]] = []
        self.time = NOW

    def now(self) -> float:
        return self.time.timestamp()

    async def settled_cutoff(self, **_: Any) -> datetime:
        return CUTOFF

    async def settled(self, after: int, before: int, cursor: str | None, **_: Any) -> Page:
        if cursor is None:
            self.windows.append((after, before))
        return next(self.pages)


def walk(pages: Iterator[Page], job: Job, now: datetime = NOW) -> tuple[Listing, Job]:
    async def run(job: Job) -> tuple[Listing, Job]:
        listing = Listing(pages)
        listing.time = now
        while True:
            job = (await SettledWalk(timedelta(minutes=1)).step(listing, job, now, deadline=time.monotonic() + 1)).job
            if job.position is None:
                await listing.aclose()
                return listing, job

    return asyncio.run(run(job))


def forever(page: Page) -> Iterator[Page]:
    while True:
        yield page


EMPTY = Page([], None)


def test_the_settled_windows_cover_everything_from_the_cutoff_to_now() -> None:
    listing, job = walk(forever(EMPTY), Job("settled"))
    assert listing.windows[0] == (int(CUTOFF.timestamp()) - OVERLAP, int(CUTOFF.timestamp()) + FIRST_WINDOW + 1)
    for (_, before), (after, _) in zip(listing.windows, listing.windows[1:], strict=False):
        assert after == before - 1 - OVERLAP
    assert listing.windows[-1][1] == int(NOW.timestamp()) + 1
    assert job.watermark == NOW


def test_windows_widen_while_they_fit_one_page() -> None:
    listing, _ = walk(forever(EMPTY), Job("settled"))
    assert len(listing.windows) < 12


def test_windows_of_several_pages_do_not_widen() -> None:
    def pages() -> Iterator[Page]:
        while True:
            yield Page([], "more")
            yield EMPTY

    listing, _ = walk(pages(), Job("settled"))
    assert len(listing.windows) == 60 * 86_400 // FIRST_WINDOW


def test_the_next_walk_begins_where_the_last_one_ended() -> None:
    _, job = walk(forever(EMPTY), Job("settled"))
    listing, _ = walk(forever(EMPTY), job, NOW + timedelta(minutes=5))
    assert listing.windows == [(int(NOW.timestamp()) - OVERLAP, int(NOW.timestamp()) + 301)]


def steps(job: Job, clocks: list[tuple[datetime, datetime]], pages: Iterator[Page]) -> tuple[Listing, Job]:
    """A step at each pair of times: by our clock and by the exchange's."""

    async def run(job: Job) -> tuple[Listing, Job]:
        listing = Listing(pages)
        for ours, listing.time in clocks:
            job = (await SettledWalk(timedelta(seconds=45)).step(listing, job, ours, deadline=time.monotonic() + 1)).job
        await listing.aclose()
        return listing, job

    return asyncio.run(run(job))


def test_a_window_of_no_length_is_followed_by_one_that_gets_on() -> None:
    at = int(NOW.timestamp())
    stuck = Job("settled", {"from": at, "to": at, "cursor": "c"}, watermark=NOW, begun_at=NOW)
    later = NOW + timedelta(minutes=10)
    _, job = steps(stuck, [(later, later)] * 2, forever(EMPTY))
    assert job.position is None
    assert job.watermark == later


def test_a_clock_that_steps_back_never_leads_into_the_past() -> None:
    _, job = walk(forever(EMPTY), Job("settled"))
    back = [(NOW - timedelta(hours=hours), NOW - timedelta(hours=hours)) for hours in range(1, 40)]
    listing, job = steps(job, back, forever(EMPTY))
    assert all(after <= before for after, before in listing.windows)
    assert job.watermark == NOW
    _, job = walk(forever(EMPTY), job, NOW + timedelta(minutes=1))
    assert job.watermark == NOW + timedelta(minutes=1)


def test_a_clock_of_ours_that_is_fast_marks_nothing_as_seen_that_has_not_happened() -> None:
    begun = Job("settled", watermark=NOW, begun_at=NOW)
    ahead = timedelta(minutes=5)
    _, job = steps(begun, [(NOW + ahead + timedelta(minutes=1), NOW + timedelta(minutes=1))], forever(EMPTY))
    assert job.watermark == NOW + timedelta(minutes=1)


def test_windows_reach_back_over_what_may_have_become_visible_late() -> None:
    listing, _ = walk(forever(EMPTY), Job("settled", watermark=NOW, begun_at=NOW), NOW + timedelta(minutes=1))
    assert listing.windows[0][0] <= NOW.timestamp() - 60


def test_a_walk_is_due_at_first_then_after_its_interval_and_while_under_way() -> None:
    live = LiveWalk("open", timedelta(minutes=5))
    assert live.is_due(Job("live/open"), NOW)
    assert not live.is_due(Job("live/open", begun_at=NOW - timedelta(minutes=4), ended_at=NOW), NOW)
    assert live.is_due(Job("live/open", begun_at=NOW - timedelta(minutes=5), ended_at=NOW), NOW)
    assert live.is_due(Job("live/open", position={"cursor": "c"}, begun_at=NOW), NOW)


def test_live_markets_go_before_the_long_way_from_the_cutoff_but_after_fresh_settlements() -> None:
    live, settled = LiveWalk("open", timedelta(minutes=5)), SettledWalk(timedelta(minutes=1))
    urgency = live.urgency(Job("live/open"), NOW)
    start = int(CUTOFF.timestamp())
    behind = Job("settled", position={"from": start, "to": start + FIRST_WINDOW})
    assert settled.urgency(Job("settled"), NOW) < urgency < settled.urgency(behind, NOW)
