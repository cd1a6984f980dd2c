"""Run of the crawler: all due jobs run concurrently, and one job at a time writes to the database.

The job with the lowest priority acquires the rate limiter and the write lock first. While a page is written, the next
page of its job is fetched.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from crawler.filters import FirstPages
from crawler.job_table import JobState
from crawler.jobs.base import DUE_FRACTION, Job, JobContext, PageUpdate, must_wait
from crawler.lease import LeaseLost
from crawler.market_writer import WriteResult
from crawler.page_processor import PageProcessor
from crawler.store import Batch, Store
from crawler.store_gate import StoreGate
from crawler.summary import Summary
from kalshi_markets.database import DatabaseError
from kalshi_markets.exchange import AuthenticationFailed, ExchangeClient, ExchangeError, ExchangeUnavailable, Listings
from kalshi_markets.lake.storage import LakeError, LakeUnavailable
from kalshi_markets.logs import make_logger
from kalshi_markets.secrets_manager import SecretUnavailable
from kalshi_markets.settings import SettingsError

SHUTDOWN_SECONDS: Final = 5.0
"""Time reserved for the last commit and the summary."""
GRACE_SECONDS: Final = 2.5
"""Part of SHUTDOWN_SECONDS in which a started request may still complete."""
ABORT_SECONDS: Final = 3.0
"""Part of SHUTDOWN_SECONDS in which a started statement may still complete. Then it is aborted."""
SIZE_LOG_SECONDS: Final = 60.0
POLL_SECONDS: Final = 1.0
"""Interval between checks for due jobs."""
LEASE_RENEW_SECONDS: Final = 10.0

logger = make_logger("crawler", child=True)


class CrawlRun:
    """Run of all due jobs under the lease.

    deadline: value of time.monotonic(); no page is started after it.
    combos: whether combos are stored.
    """

    def __init__(
        self, jobs: Sequence[Job], store: Store, exchange: ExchangeClient, *, deadline: float, combos: bool = False
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._exchange = exchange
        self._deadline = deadline
        self._combos = combos
        self._gate = StoreGate(store, abort_at=deadline + ABORT_SECONDS)
        self.states: dict[str, JobState] = {}
        """Current state of each job, by name."""
        self._pages = PageProcessor()
        self._first_pages = FirstPages()
        self._renewed_at = self._size_logged_at = 0.0
        self.summary = Summary()

    async def run(self) -> Summary:
        """Run the due jobs until none is due or the deadline. Return the summary, with the exchange's errors.

        Raises DatabaseError, SettingsError, SecretUnavailable.
        """
        if not self._store.lease.acquire():
            self.summary.outcome = "busy"
            return self.summary
        self._renewed_at = time.monotonic()
        try:
            self._store.begin()
            self.states = self._store.job_table.states()
            await self._heartbeat()
            await self._run_jobs()
            if not self._store.is_aborted:
                self.summary.table_size = self._store.job_table.count_markets()
        except LeaseLost:
            self.summary.outcome = "busy"
        finally:
            if not self._store.is_aborted:  # else the lease expires
                with suppress(DatabaseError):
                    self._store.lease.release()
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
        store = self._gate.with_priority(job.priority)
        return JobContext(self._exchange, self._listings(job.priority), store, self.states, self._first_pages)

    def _listings(self, priority: float) -> Listings:
        deadline = self._deadline + GRACE_SECONDS
        return self._exchange.listings(deadline=deadline, priority=priority, combos=self._combos)

    async def _run_job(self, job: Job, context: JobContext) -> None:
        """Run a job to its end. Fetch and parse the next page while the current page is written."""
        initial_state = self._state(job.name)
        async with aclosing(job.run(context, initial_state)) as updates:
            fetching = asyncio.create_task(self._next_batch(updates, context))
            try:
                while batch := await fetching:
                    async with context.store.commit_turn() as commit:
                        fetching = asyncio.create_task(self._next_batch(updates, context))
                        await commit(batch, self._record)
            except (ExchangeError, LakeError) as error:
                await self._fail(job, context, error, str(error), initial_state)
            except (DatabaseError, LeaseLost, SettingsError, SecretUnavailable):
                raise
            except Exception as error:
                # A bug or a damaged position must not stop the other jobs in every run.
                logger.exception("job failed with an internal error", extra={"job": job.name})
                message = f"internal error: {type(error).__name__}; see the crawler's log"
                await self._fail(job, context, error, message, initial_state)
            finally:
                fetching.cancel()
                with suppress(asyncio.CancelledError, Exception):  # it was raised above
                    await fetching

    async def _next_batch(self, updates: AsyncIterator[PageUpdate], context: JobContext) -> Batch | None:
        update = await anext(updates, None)
        return None if update is None else await self._pages.process(update, context)

    def _record(self, batch: Batch, written: WriteResult) -> None:
        """Record a commit in the states, the summary and the log."""
        for state in (batch.state, *batch.other_jobs):
            self.states[state.name] = state
        self._renewed_at = time.monotonic()
        counts, completed = batch.counts(written), batch.state.position is None
        self.summary.add(counts)
        self.summary.drift += sum(deviation.markets for deviation in batch.drift)
        if completed:
            self.summary.completed.append(batch.state.name)
        # The archive has one page or more for each series, and most of them are empty.
        log = logger.info if counts.markets or completed else logger.debug
        page = {"job": batch.state.name, "markets": counts.markets, "completed": completed}
        log("page", extra=page | {"added": counts.added, "changed": counts.changed, "rejected": counts.rejected})

    async def _fail(
        self, job: Job, context: JobContext, error: Exception, message: str, initial_state: JobState
    ) -> None:
        """Record the error of a job. It is due again in the next run, or after its interval if a retry cannot help."""
        self.summary.errors[job.name] = message
        state = self._state(job.name)
        if not isinstance(error, ExchangeUnavailable | AuthenticationFailed | LakeUnavailable):
            retry_at = (
                datetime.now(UTC) + DUE_FRACTION * job.interval if must_wait(error, initial_state, state) else None
            )
            state = replace(job.state_after_error(error, state), retry_at=retry_at)
        self.states[job.name] = state
        await context.store.record_failure(state, message)
        logger.error("job failed", extra={"job": job.name, "error": message, "retry_at": state.retry_at})

    async def _heartbeat(self) -> None:
        now = time.monotonic()
        if now - self._size_logged_at >= SIZE_LOG_SECONDS:
            self._size_logged_at = now
            size = await self._gate.count_markets()
            logger.info("markets in the table", extra={"table_size": size})
        if now - self._renewed_at >= LEASE_RENEW_SECONDS:
            self._renewed_at = now
            await self._gate.renew_lease()
