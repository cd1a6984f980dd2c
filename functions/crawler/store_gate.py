"""Asynchronous access to the store: its blocking methods run in threads, in the order of their priorities."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from crawler.job_table import JobState
from crawler.market_writer import WriteResult
from crawler.outbox import Outbox
from crawler.priority_lock import PriorityLock
from crawler.store import Batch, Store
from crawler.store_queries import StoreQueries

P = ParamSpec("P")
T = TypeVar("T")
Record = Callable[[Batch, WriteResult], None]
Commit = Callable[[Batch, Record], Awaitable[None]]


def _query(
    method: Callable[Concatenate[StoreQueries, P], T], *, on_reader: bool = False
) -> Callable[Concatenate["StoreGate", P], Coroutine[Any, Any, T]]:
    """Return the asynchronous version of a query. on_reader: whether the query uses the connection for reads."""

    @wraps(method)
    async def query(gate: "StoreGate", /, *args: P.args, **kwargs: P.kwargs) -> T:
        lock = gate._read_lock if on_reader else gate._write_lock
        return await gate._run(lock, lambda: method(gate.store.queries, *args, **kwargs))

    return query


@dataclass(frozen=True)
class StoreGate:
    """Asynchronous facade of the store for one priority. Methods raise DatabaseError.

    Each of the store's two connections runs one method at a time; the lowest priority is next.
    A canceled method ends before the cancellation continues, so that no thread uses the store later. A method that is
    still running at `abort_at` is aborted.

    store: store of the run.
    abort_at: value of time.monotonic().
    priority: lower runs first.
    """

    store: Store
    abort_at: float
    priority: float = 0.0
    _write_lock: PriorityLock = field(default_factory=PriorityLock)
    _read_lock: PriorityLock = field(default_factory=PriorityLock)

    compare = _query(StoreQueries.compare, on_reader=True)
    unknown_events = _query(StoreQueries.unknown_events, on_reader=True)

    events_to_request = _query(StoreQueries.events_to_request)
    has_expired = _query(StoreQueries.has_expired)
    has_untitled_series = _query(StoreQueries.has_untitled_series)
    known_archived = _query(StoreQueries.known_archived)
    missing = _query(StoreQueries.missing)
    next_series = _query(StoreQueries.next_series)
    rejected_tickers = _query(StoreQueries.rejected_tickers)
    unknown = _query(StoreQueries.unknown)

    def with_priority(self, priority: float) -> Self:
        """Return a facade with another priority. Both wait for the same connections."""
        return replace(self, priority=priority)

    async def count_markets(self) -> int:
        """Return the number of markets."""
        return await self._run(self._write_lock, self.store.job_table.count_markets)

    async def renew_lease(self) -> None:
        """Extend the lease. Raises LeaseLost."""
        await self._run(self._write_lock, self.store.lease.renew)

    async def record_failure(self, state: JobState, message: str) -> None:
        """Store the last error of a job, with its position and retry time. Raises LeaseLost."""
        await self._run(self._write_lock, lambda: self.store.record_failure(state, message))

    async def lake(self, query: Callable[Concatenate[Outbox, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of a query of the lake's outbox."""
        return await self._run(self._write_lock, lambda: query(self.store.outbox, *args, **kwargs))

    @asynccontextmanager
    async def commit_turn(self) -> AsyncIterator[Commit]:
        """Wait for the connection for writes, and yield a function that commits a batch. It raises LeaseLost.

        Its second parameter is called with the result, in the same thread: a commit is recorded even if it is canceled.
        """
        async with self._write_lock.acquire(self.priority):
            yield self._commit

    async def _commit(self, batch: Batch, record: Record) -> None:
        await self._in_thread(lambda: record(batch, self.store.commit(batch)))

    async def _run(self, lock: PriorityLock, call: Callable[[], T]) -> T:
        async with lock.acquire(self.priority):
            return await self._in_thread(call)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        """Run a call in a thread. If canceled, wait for its end until `abort_at`, then abort it."""
        working = asyncio.ensure_future(asyncio.to_thread(call))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            await asyncio.wait({working}, timeout=max(0.0, self.abort_at - time.monotonic()))
            if not working.done():
                self.store.abort()
                await asyncio.wait({working})
            working.exception()  # retrieved, so that asyncio does not log it
            raise
