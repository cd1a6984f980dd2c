"""One run: every job that is due walks on, side by side; what they find is written by one of them at a time.

Of those that wait for the exchange or for their turn to write, the one with the shortest interval goes first. While a
page is written, the next one of its walk is fetched.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from crawler.filters import FirstPages
from crawler.pages import PageReader
from crawler.store import Batch, Job, LeaseLost, Store
from crawler.summary import Summary
from crawler.turns import Turns
from crawler.walks import EARLY, Step, Turn, Walk, must_rest
from kalshi_markets.database import DatabaseError
from kalshi_markets.exchange import (
    ExchangeError,
    ExchangeUnavailable,
    KeyRefused,
    Listings,
)
from kalshi_markets.exchange.transport import Transport
from kalshi_markets.logs import make_logger
from kalshi_markets.secrets import SecretUnavailable
from kalshi_markets.settings import SettingsError

MARGIN_SECONDS: Final = 5.0
"""Time left for the last page's commit and the summary."""
SIZE_EVERY_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 1.0
"""How often it is asked what is due."""
RENEW_SECONDS: Final = 10.0

logger = make_logger("crawler", child=True)
T = TypeVar("T")


class Crawl:
    """One run under the lease. ends_at: on time.monotonic()'s clock; nothing is begun after it."""

    def __init__(
        self, walks: Sequence[Walk], store: Store, exchange: Transport, *, ends_at: float, combos: bool = False
    ) -> None:
        self._walks = walks
        self._store = store
        self._exchange = exchange
        self._ends_at = ends_at
        self._combos = combos
        self._writing, self._reading = Turns(), Turns()
        self.jobs: dict[str, Job] = {}
        """Their lines in the books, as far as this run has brought them."""
        self._pages = PageReader(store, self._look_up)
        self._first_pages = FirstPages()
        self._renewed_at = self._size_logged_at = 0.0
        self._gave_up = False
        self.summary = Summary()

    async def run(self) -> Summary:
        """Returns what was done. Raises DatabaseError; the exchange's errors are told in the summary."""
        if not self._store.take_lease():
            self.summary.outcome = "busy"
            return self.summary
        self._renewed_at = time.monotonic()
        try:
            self.jobs = self._store.jobs()
            await self._tell_and_renew()
            await self._walk_all()
            if not self._gave_up:
                self.summary.table_size = self._store.table_size()
        except LeaseLost:
            self.summary.outcome = "busy"
        finally:
            if not self._gave_up:  # else it ends by itself
                with suppress(DatabaseError):
                    self._store.release_lease()
        if self.summary.errors:
            self.summary.outcome = "failed"
        self.summary.requests, self.summary.refusals = self._exchange.requests, self._exchange.refusals
        self.summary.bytes = self._exchange.bytes_received
        return self.summary

    async def _walk_all(self) -> None:
        """Until nothing is due and nothing under way, or no time is left."""
        under_way: dict[str, asyncio.Task[None]] = {}
        if self._due():
            with suppress(ExchangeError):  # each walk would ask, and tell what is wrong
                await self._listings(0.0).time()
        try:
            while time.monotonic() < self._ends_at:
                for walk in self._due():
                    if walk.name not in under_way:
                        under_way[walk.name] = asyncio.create_task(self._walk(walk, self._turn(walk)))
                if not under_way:
                    return
                await asyncio.wait(under_way.values(), timeout=self._patience(), return_when=asyncio.FIRST_COMPLETED)
                for name in [name for name, task in under_way.items() if task.done()]:
                    under_way.pop(name).result()
                await self._tell_and_renew()
            self.summary.outcome = "out of time"
        finally:
            for task in under_way.values():
                task.cancel()
            await asyncio.gather(*under_way.values(), return_exceptions=True)

    def _due(self) -> list[Walk]:
        """The most urgent first, alone where it is to be known before the others begin."""
        now = datetime.now(UTC)
        due = [walk for walk in self._walks if walk.name not in self.summary.errors and self._is_due(walk, now)]
        first = [walk for walk in due if walk.goes_first and self._job(walk.name).confirmed_at is None]
        return first or sorted(due, key=lambda walk: walk.urgency)

    def _is_due(self, walk: Walk, now: datetime) -> bool:
        job = self._job(walk.name)
        return not (job.retry_at and now < job.retry_at) and walk.is_due(job, self.jobs, now)

    def _job(self, name: str) -> Job:
        return self.jobs.get(name, Job(name))

    def _patience(self) -> float:
        return max(0.0, min(LOOK_SECONDS, self._ends_at - time.monotonic()))

    def _turn(self, walk: Walk) -> Turn:
        def read(method: Callable[..., T], *arguments: object) -> "asyncio.Future[T]":
            return asyncio.ensure_future(self._in_turn(walk.urgency, method, *arguments))

        return Turn(self._listings(walk.urgency), self._store, self.jobs, read, self._first_pages)

    def _listings(self, urgency: float) -> Listings:
        return Listings(self._exchange, self._ends_at + MARGIN_SECONDS / 2, urgency, self._combos)

    async def _walk(self, walk: Walk, turn: Turn) -> None:
        """Fetches and reads a page while the one before is written."""
        begun_from = self._job(walk.name)
        async with aclosing(walk.steps(turn, begun_from)) as steps:
            fetching = asyncio.create_task(self._next(steps, turn.listings))
            try:
                while batch := await fetching:
                    async with self._writing.take(walk.urgency):
                        fetching = asyncio.create_task(self._next(steps, turn.listings))
                        await self._in_thread(self._commit, batch)
            except ExchangeError as error:
                await self._fail(walk, error, str(error), begun_from)
            except (DatabaseError, LeaseLost, SettingsError, SecretUnavailable):
                raise
            except Exception as error:
                # A mistake of ours, or a damaged position: it must not stop the other jobs, minute after minute.
                logger.exception("a job failed by itself", extra={"job": walk.name})
                message = f"internal error: {type(error).__name__}; the crawler's log has the rest"
                await self._fail(walk, error, message, begun_from)
            finally:
                fetching.cancel()
                with suppress(asyncio.CancelledError, Exception):  # it has been raised already
                    await fetching

    async def _next(self, steps: AsyncIterator[Step], listings: Listings) -> Batch | None:
        step = await anext(steps, None)
        return None if step is None else await self._pages.read(step, listings)

    def _commit(self, batch: Batch) -> None:
        written = self._store.commit(batch)
        for job in (batch.job, *batch.also):
            self.jobs[job.name] = job
        self._renewed_at = time.monotonic()
        summary, refused = self.summary, len(written.rejects)
        summary.pages += 1
        markets = len(batch.unchanged) + len(batch.sightings) + len(batch.rejects)
        summary.markets += markets
        summary.added += written.added
        summary.changed += written.changed
        summary.refused += refused
        summary.drift += sum(deviation.markets for deviation in batch.drift)
        if batch.job.position is None:
            summary.completed.append(batch.job.name)
        counts = {"added": written.added, "changed": written.changed, "refused": refused}
        page = {"job": batch.job.name, "markets": markets, "completed": batch.job.position is None}
        # The archive has a page for each series, most of them empty.
        log = logger.info if markets or batch.job.position is None else logger.debug
        log("page", extra=page | counts)

    async def _fail(self, walk: Walk, error: Exception, message: str, begun_from: Job) -> None:
        """Let the job rest until the next run, or for its interval where asking again would not help; others go on."""
        self.summary.errors[walk.name] = message
        job = self._job(walk.name)
        if not isinstance(error, ExchangeUnavailable | KeyRefused):
            retry_at = datetime.now(UTC) + EARLY * walk.interval if must_rest(error, begun_from, job) else None
            job = replace(walk.after(error, job), retry_at=retry_at)
        self.jobs[walk.name] = job
        await self._in_turn(walk.urgency, self._store.note_failure, job, message)
        logger.error("a job failed", extra={"job": walk.name, "error": message, "retry_at": job.retry_at})

    async def _tell_and_renew(self) -> None:
        now = time.monotonic()
        if now - self._size_logged_at >= SIZE_EVERY_SECONDS:
            self._size_logged_at = now
            size = await self._in_turn(0.0, self._store.table_size)
            logger.info("markets in the table", extra={"table_size": size})
        if now - self._renewed_at >= RENEW_SECONDS:
            self._renewed_at = now
            await self._in_turn(0.0, self._store.renew_lease)

    async def _look_up(self, urgency: float, method: Callable[..., T], *arguments: object) -> T:
        """What the store reads over another connection than it writes."""
        async with self._reading.take(urgency):
            return await self._in_thread(method, *arguments)

    async def _in_turn(self, urgency: float, method: Callable[..., T], *arguments: object) -> T:
        async with self._writing.take(urgency):
            return await self._in_thread(method, *arguments)

    async def _in_thread(self, method: Callable[..., T], *arguments: object) -> T:
        """What has begun is brought to its end even if the run ends meanwhile, as long as Lambda's time permits."""
        working = asyncio.ensure_future(asyncio.to_thread(method, *arguments))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            left = self._ends_at + MARGIN_SECONDS * 0.6 - time.monotonic()
            await asyncio.wait({working}, timeout=max(0.0, left))
            if not working.done():
                self._gave_up = True
                self._store.abort()
                await asyncio.wait({working})
            working.exception()  # looked at, so that asyncio does not log it: the run ends anyway
            raise
