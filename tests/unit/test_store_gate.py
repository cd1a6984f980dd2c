import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest

from crawler.job_table import JobState
from crawler.market_writer import WriteResult
from crawler.store import Batch, Store
from crawler.store_gate import StoreGate
from kalshi_markets.database import Database, Row


class Connection:
    """Connection of a test: a query waits until it is opened, and its first parameter is then added to `queries`."""

    settings = SimpleNamespace(table="markets")

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.queries: list[object] = []

    def query(self, sql: str, *values: object) -> list[Row]:
        assert self.opened.wait(60)
        self.queries.append(values[0])
        return []

    def abort(self) -> None:
        self.opened.set()


class CommittingStore(Store):
    """Store whose commit is one query."""

    def commit(self, batch: Batch) -> WriteResult:
        self._database.query("", batch.state.name)
        return WriteResult(added=1)


class Fixture:
    def __init__(self, seconds_to_abort: float) -> None:
        self.writer, self.reader = Connection(), Connection()
        self.store = CommittingStore(cast("Database", self.writer), cast("Database", self.reader))
        self.gate = StoreGate(self.store, time.monotonic() + seconds_to_abort)


def run(test: Callable[[Fixture], Coroutine[Any, Any, None]], seconds_to_abort: float = 60) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await test(Fixture(seconds_to_abort))

    asyncio.run(limited())


def test_a_connection_runs_one_query_at_a_time_by_priority() -> None:
    async def test(fixture: Fixture) -> None:
        tasks = [
            asyncio.create_task(fixture.gate.with_priority(priority).next_series(name, combos=False))
            for name, priority in (("running", 9.0), ("last", 3.0), ("first", 1.0), ("second", 1.0))
        ]
        await asyncio.sleep(0.05)
        fixture.writer.opened.set()
        assert await asyncio.gather(*tasks) == [None] * 4
        assert fixture.writer.queries == ["running", "first", "second", "last"]

    run(test)


def test_a_page_is_compared_while_another_one_is_written() -> None:
    async def test(fixture: Fixture) -> None:
        writing = asyncio.create_task(fixture.gate.unknown(["A"]))
        await asyncio.sleep(0.05)
        fixture.reader.opened.set()
        assert await fixture.gate.unknown_events(["E"]) == []
        assert not writing.done()
        fixture.writer.opened.set()
        await writing

    run(test)


async def commit(fixture: Fixture, names: list[tuple[str, int]]) -> None:
    async with fixture.gate.commit_turn() as commit:
        await commit(Batch(JobState("job")), lambda batch, written: names.append((batch.state.name, written.added)))


def test_a_canceled_commit_ends_and_is_recorded_before_the_cancellation_continues() -> None:
    async def test(fixture: Fixture) -> None:
        recorded: list[tuple[str, int]] = []
        committing = asyncio.create_task(commit(fixture, recorded))
        await asyncio.sleep(0.05)
        committing.cancel()
        await asyncio.sleep(0.05)
        assert not committing.done()
        fixture.writer.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await committing
        assert recorded == [("job", 1)]
        assert not fixture.store.is_aborted

    run(test)


def test_a_canceled_query_is_aborted_when_time_runs_out() -> None:
    async def test(fixture: Fixture) -> None:
        querying = asyncio.create_task(fixture.gate.has_expired(cast("Any", "now")))
        await asyncio.sleep(0.05)
        querying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await querying
        assert fixture.store.is_aborted
        assert fixture.writer.queries == ["now"]

    run(test, seconds_to_abort=0.2)
