"""Random schedules of commits, aborts, crashes, late writers, two exporters and outages of the storage."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from crawler.job_table import JobState
from crawler.jobs.lake import check_marker, write_changes
from crawler.lease import LeaseLost
from crawler.outbox import LakeProgress, OutboxPage
from crawler.store import Batch, Store
from kalshi_markets.database import Database
from kalshi_markets.exchange import parse_market
from kalshi_markets.lake.objects import ChangesObject
from kalshi_markets.lake.storage import FolderStorage, LakeStorage, LakeUnavailable, StoredObject
from tests.lake import audit
from tests.support.database import connect, truncate_all

STEPS = 80
TICKERS = [f"E-{number}" for number in range(12)]
SMALL_OUTBOX = 6_000
"""Bytes. Some schedules have an outbox that is soon full."""


class Crash(Exception):
    """End of a process, at the point where it is raised."""


class UnconditionalFolder(FolderStorage):
    """Storage without the condition: the last writer wins. A schedule must find it out."""

    def put(self, key: str, body: bytes) -> bool:
        """Overwrite an object."""
        (self.root / key).unlink(missing_ok=True)
        return super().put(key, body)


@dataclass
class FailingStorage(LakeStorage):
    """Storage that fails before or after a write, on request."""

    storage: LakeStorage
    failure: str = ""

    def put(self, key: str, body: bytes) -> bool:
        """Write an object, unless the failure comes before."""
        failure, self.failure = self.failure, ""
        if failure == "before":
            raise LakeUnavailable("outage")
        written = self.storage.put(key, body)
        if failure == "after":
            raise LakeUnavailable("the response was lost")
        return written

    def get(self, key: str) -> bytes | None:
        """Return the body of an object."""
        return self.storage.get(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose keys start with a prefix."""
        return self.storage.list(prefix)


@dataclass
class Crawler:
    """Process with a lease of its own. It may have lost it without knowing.

    page: what its exporter has read and not yet written.
    written: what its exporter has written and not yet recorded.
    """

    store: Store
    storage: FailingStorage
    page: OutboxPage | None = None
    written: ChangesObject | None = None


@dataclass
class Schedule:
    """One schedule. counts: how often each kind of step happened."""

    environment: Mapping[str, str]
    database: Database
    storage: LakeStorage
    chance: random.Random
    counts: dict[str, int] = field(default_factory=dict)

    def run(self) -> list[str]:
        """Run the schedule to its end and return the differences from the audit trail."""
        truncate_all(self.database)
        audit.clear(self.database)
        outbox = SMALL_OUTBOX if self.chance.random() < 0.2 else 2**30
        crawlers = [self._crawler() for _ in range(2)]
        try:
            holder = crawlers[0]
            self._take_over(holder, outbox)
            for _ in range(STEPS):
                crawler = self.chance.choice(crawlers)
                step = self.chance.choices(list(_STEPS), list(_STEPS.values()))[0]
                if step == "take over":
                    holder = crawler = self.chance.choice(crawlers)
                    self._take_over(crawler, outbox)
                    self._count(step)
                    continue
                with suppress(LeaseLost, LakeUnavailable):
                    getattr(self, f"_{step.replace(' ', '_')}")(crawler)
            self._take_over(holder, outbox)
            self._drain(holder)
            return audit.problems(self.database, self.storage)
        finally:
            for crawler in crawlers:
                crawler.store.queries._database.close()

    def _crawler(self) -> Crawler:
        database = connect(self.environment)
        return Crawler(Store(database, outbox_mb=1), FailingStorage(self.storage))

    def _take_over(self, crawler: Crawler, outbox: int) -> None:
        """Give the lease to a crawler, as after its expiry. The other one may still think that it has it."""
        self.database.execute("UPDATE kalshi_markets_lease SET ends_at = '-infinity'")
        assert crawler.store.lease.acquire()
        with crawler.store.lease.transaction():
            crawler.store.outbox.begin(outbox)
        check_marker(self.storage, crawler.store.outbox.state().lake_id)

    def _commit(self, crawler: Crawler) -> None:
        crawler.store.commit(self._batch())
        self._count("commit")

    def _abort(self, crawler: Crawler) -> None:
        """Commit a page whose transaction fails after all writes."""
        with self._crash("abort", crawler):
            crawler.store.commit(self._batch())

    def _remove(self, crawler: Crawler) -> None:
        crawler.store.commit(Batch(JobState("missing"), removed=self.chance.sample(TICKERS, 2)))
        self._count("remove")

    def _read(self, crawler: Crawler) -> None:
        crawler.page, crawler.written = crawler.store.outbox.next_page(), None

    def _write(self, crawler: Crawler) -> None:
        if crawler.page:
            page, crawler.page = crawler.page, None
            crawler.storage.failure = self.chance.choice(["", "", "before", "after"])
            crawler.written = write_changes(crawler.storage, page)
            self._count("write")

    def _record(self, crawler: Crawler) -> None:
        self._write_first(crawler)
        if crawler.written:
            written, crawler.written = crawler.written, None
            crawler.store.commit(Batch(JobState("lake/export"), lake=LakeProgress(exported=written)))
            self._count("record")

    def _record_and_crash(self, crawler: Crawler) -> None:
        self._write_first(crawler)
        if crawler.written:
            with self._crash("record and crash", crawler):
                self._record(crawler)

    def _write_first(self, crawler: Crawler) -> None:
        """Read and write a page, unless one is written and not yet recorded."""
        if not crawler.written:
            self._read(crawler)
            self._write(crawler)

    def _drain(self, crawler: Crawler) -> None:
        crawler.storage.failure = ""
        while page := crawler.store.outbox.next_page():
            written = write_changes(crawler.storage, page)
            crawler.store.commit(Batch(JobState("lake/export"), lake=LakeProgress(exported=written)))

    def _batch(self) -> Batch:
        tickers = self.chance.choices(TICKERS, k=self.chance.randint(1, 5))
        return Batch(JobState("live/open"), [parse_market(self._market(ticker)) for ticker in tickers])

    def _market(self, ticker: str) -> dict[str, Any]:
        return {
            "ticker": ticker,
            "event_ticker": "E",
            "title": self.chance.choice(["Will it rain?", 'A "quoted" title\nwith lines', "Schnee ❄"]),
            "status": self.chance.choice(["active", "active", "closed"]),
            "yes_bid_dollars": f"0.{self.chance.randint(1, 9999):04d}",
            "volume_fp": f"{self.chance.randint(0, 10**9)}.{self.chance.randint(0, 99):02d}",
            "close_time": f"2026-12-0{self.chance.randint(1, 9)}T00:00:00.{self.chance.randint(0, 999999):06d}Z",
        }

    @contextmanager
    def _crash(self, step: str, crawler: Crawler) -> Iterator[None]:
        """Crash in the transaction of the block, after all its writes."""
        with mock.patch.object(crawler.store.job_table, "write", side_effect=Crash), suppress(Crash):
            yield
            raise AssertionError(f"{step}: nothing crashed")
        self._count(step)

    def _count(self, step: str) -> None:
        self.counts[step] = self.counts.get(step, 0) + 1


_STEPS = {
    "commit": 10,
    "abort": 3,
    "remove": 1,
    "read": 5,
    "write": 6,
    "record": 5,
    "record and crash": 2,
    "take over": 6,
}
"""Steps and their weights."""


def run_schedule(
    environment: Mapping[str, str],
    folder: Path,
    seed: int,
    storage: Callable[[Path], LakeStorage] = FolderStorage,
) -> tuple[list[str], dict[str, int]]:
    """Run the schedule of a seed in a database with the audit trail. Return its differences, and its steps by kind."""
    database = connect(environment)
    try:
        schedule = Schedule(environment, database, storage(folder), random.Random(seed))
        return schedule.run(), schedule.counts
    finally:
        database.close()
