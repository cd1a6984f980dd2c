"""Run of the crawler: all due jobs run concurrently, and one job at a time writes to the database.

The job with the lowest priority acquires the rate limiter and the write lock first. While a page is written, the next
page of its job is fetched.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from crawler.filters import FirstPages
from crawler.jobs.base import DUE_FRACTION, Job, JobContext, PageUpdate, must_wait
from crawler.page_processor import PageProcessor
from crawler.priority_lock import PriorityLock
from crawler.store import Batch, JobState, LeaseLost, Store
from crawler.summary import Summary
from kalshi_markets.database import DatabaseError
from kalshi_markets.exchange import (
    AuthenticationFailed,
    ExchangeError,
    ExchangeUnavailable,
    Listings,
)
from kalshi_markets.exchange.transport import Transport
from kalshi_markets.logs import make_logger
from kalshi_markets.secrets_manager import SecretUnavailable
from kalshi_markets.settings import SettingsError

SHUTDOWN_SECONDS: Final = 5.0
"""Time reserved for the last commit and the summary."""
SIZE_LOG_SECONDS: Final = 60.0
POLL_SECONDS: Final = 1.0
"""Interval between checks for due jobs."""
LEASE_RENEW_SECONDS: Final = 10.0

logger = make_logger("crawler", child=True)
T = TypeVar("T")


class CrawlRun:
    """Run of all due jobs under the lease.

    deadline: value of time.monotonic(); no page is started after it.
    combos: whether combos are stored.
    """

    def __init__(
        self, jobs: Sequence[Job], store: Store, exchange: Transport, *, deadline: float, combos: bool = False
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._exchange = exchange
        self._deadline = deadline
        self._combos = combos
        self._write_lock, self._read_lock = PriorityLock(), PriorityLock()
        self.states: dict[str, JobState] = {}
        """Current state of each job, by name."""
        self._pages = PageProcessor(store, self._lookup)
        self._first_pages = FirstPages()
        self._renewed_at = self._size_logged_at = 0.0
        self._connection_aborted = False
        self.summary = Summary()

    async def run(self) -> Summary:
        """Run the due jobs until none is due or the deadline. Return the summary, with the exchange's errors.

        Raises DatabaseError, SettingsError, SecretUnavailable.
        """
        if not self._store.take_lease():
            self.summary.outcome = "busy"
            return self.summary
        self._renewed_at = time.monotonic()
        try:
            self.states = self._store.jobs()
            await self._heartbeat()
            await self._run_jobs()
            if not self._connection_aborted:
                self.summary.table_size = self._store.table_size()
        except LeaseLost:
            self.summary.outcome = "busy"
        finally:
            if not self._connection_aborted:  # else the lease expires
                with suppress(DatabaseError):
                    self._store.release_lease()
        if self.summary.errors:
            self.summary.outcome = "failed"
        self.summary.requests, self.summary.rate_limited = self._exchange.requests, self._exchange.rate_limited
        self.summary.bytes_received = self._exchange.bytes_received
        return self.summary

    async def _run_jobs(self) -> None:
        """Run the due jobs until none is due or running, or the deadline is reached."""
        running: dict[str, asyncio.Task[None]] = {}
        if self._due():
            with suppress(ExchangeError):  # each job repeats the request and reports the error
                await self._listings(0.0).exchange_time()
        try:
            while time.monotonic() < self._deadline:
                for job in self._due():
                    if job.name not in running:
                        running[job.name] = asyncio.create_task(self._run_job(job, self._context(job)))
                if not running:
                    return
                await asyncio.wait(running.values(), timeout=self._poll_timeout(), return_when=asyncio.FIRST_COMPLETED)
                for name in [name for name, task in running.items() if task.done()]:
                    running.pop(name).result()
                await self._heartbeat()
            self.summary.outcome = "out of time"
        finally:
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)

    def _due(self) -> list[Job]:
        """Return the due jobs by priority. A job that must run alone first is returned alone until it has completed."""
        now = datetime.now(UTC)
        due = [job for job in self._jobs if job.name not in self.summary.errors and self._is_due(job, now)]
        first = [job for job in due if job.runs_alone_first and self._state(job.name).confirmed_at is None]
        return first or sorted(due, key=lambda job: job.priority)

    def _is_due(self, job: Job, now: datetime) -> bool:
        state = self._state(job.name)
        return not (state.retry_at and now < state.retry_at) and job.is_due(state, self.states, now)

    def _state(self, name: str) -> JobState:
        return self.states.get(name, JobState(name))

    def _poll_timeout(self) -> float:
        return max(0.0, min(POLL_SECONDS, self._deadline - time.monotonic()))

    def _context(self, job: Job) -> JobContext:
        def query(method: Callable[..., T], *arguments: object) -> "asyncio.Future[T]":
            return asyncio.ensure_future(self._write(job.priority, method, *arguments))

        return JobContext(self._listings(job.priority), self._store, self.states, query, self._first_pages)

    def _listings(self, priority: float) -> Listings:
        return Listings(self._exchange, self._deadline + SHUTDOWN_SECONDS / 2, priority, self._combos)

    async def _run_job(self, job: Job, context: JobContext) -> None:
        """Run a job to its end. Fetch and parse the next page while the current page is written."""
        initial_state = self._state(job.name)
        async with aclosing(job.run(context, initial_state)) as updates:
            fetching = asyncio.create_task(self._next_batch(updates, context.listings))
            try:
                while batch := await fetching:
                    async with self._write_lock.acquire(job.priority):
                        fetching = asyncio.create_task(self._next_batch(updates, context.listings))
                        await self._to_thread(self._commit, batch)
            except ExchangeError as error:
                await self._fail(job, error, str(error), initial_state)
            except (DatabaseError, LeaseLost, SettingsError, SecretUnavailable):
                raise
            except Exception as error:
                # A bug or a damaged position must not stop the other jobs in every run.
                logger.exception("job failed with an internal error", extra={"job": job.name})
                message = f"internal error: {type(error).__name__}; see the crawler's log"
                await self._fail(job, error, message, initial_state)
            finally:
                fetching.cancel()
                with suppress(asyncio.CancelledError, Exception):  # it was raised above
                    await fetching

    async def _next_batch(self, updates: AsyncIterator[PageUpdate], listings: Listings) -> Batch | None:
        update = await anext(updates, None)
        return None if update is None else await self._pages.process(update, listings)

    def _commit(self, batch: Batch) -> None:
        written = self._store.commit(batch)
        for state in (batch.state, *batch.other_jobs):
            self.states[state.name] = state
        self._renewed_at = time.monotonic()
        summary, rejected = self.summary, len(written.rejects)
        summary.pages += 1
        markets = len(batch.unchanged) + len(batch.markets) + len(batch.rejects)
        summary.markets += markets
        summary.added += written.added
        summary.changed += written.changed
        summary.rejected += rejected
        summary.drift += sum(deviation.markets for deviation in batch.drift)
        if batch.state.position is None:
            summary.completed.append(batch.state.name)
        counts = {"added": written.added, "changed": written.changed, "rejected": rejected}
        page = {"job": batch.state.name, "markets": markets, "completed": batch.state.position is None}
        # The archive has one page or more for each series, and most of them are empty.
        log = logger.info if markets or batch.state.position is None else logger.debug
        log("page", extra=page | counts)

    async def _fail(self, job: Job, error: Exception, message: str, initial_state: JobState) -> None:
        """Record the error of a job. It is due again in the next run, or after its interval if a retry cannot help."""
        self.summary.errors[job.name] = message
        state = self._state(job.name)
        if not isinstance(error, ExchangeUnavailable | AuthenticationFailed):
            retry_at = (
                datetime.now(UTC) + DUE_FRACTION * job.interval if must_wait(error, initial_state, state) else None
            )
            state = replace(job.state_after_error(error, state), retry_at=retry_at)
        self.states[job.name] = state
        await self._write(job.priority, self._store.record_failure, state, message)
        logger.error("job failed", extra={"job": job.name, "error": message, "retry_at": state.retry_at})

    async def _heartbeat(self) -> None:
        now = time.monotonic()
        if now - self._size_logged_at >= SIZE_LOG_SECONDS:
            self._size_logged_at = now
            size = await self._write(0.0, self._store.table_size)
            logger.info("markets in the table", extra={"table_size": size})
        if now - self._renewed_at >= LEASE_RENEW_SECONDS:
            self._renewed_at = now
            await self._write(0.0, self._store.renew_lease)

    async def _lookup(self, priority: float, method: Callable[..., T], *arguments: object) -> T:
        """Call a method of the store that reads, in a thread. Reads use another connection than writes."""
        async with self._read_lock.acquire(priority):
            return await self._to_thread(method, *arguments)

    async def _write(self, priority: float, method: Callable[..., T], *arguments: object) -> T:
        async with self._write_lock.acquire(priority):
            return await self._to_thread(method, *arguments)

    async def _to_thread(self, method: Callable[..., T], *arguments: object) -> T:
        """Call a method in a thread. If canceled, wait for its end until shortly before the timeout, then abort."""
        working = asyncio.ensure_future(asyncio.to_thread(method, *arguments))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            left = self._deadline + SHUTDOWN_SECONDS * 0.6 - time.monotonic()
            await asyncio.wait({working}, timeout=max(0.0, left))
            if not working.done():
                self._connection_aborted = True
                self._store.abort()
                await asyncio.wait({working})
            working.exception()  # retrieved, so that asyncio does not log it
            raise
