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

    async def settled_cutoff(self, **_: Any) -> datetime:
        return CUTOFF

    async def settled(self, after: int, before: int, cursor: str | None, **_: Any) -> Page:
        if cursor is None:
            self.windows.append((after, before))
        return next(self.pages)


def walk(pages: Iterator[Page], job: Job, now: datetime = NOW) -> tuple[Listing, Job]:
    async def run(job: Job) -> tuple[Listing, Job]:
        listing = Listing(pages)
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
