"""One run: as long as time is left, the most urgent job that is due takes its next page."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from aws_lambda_powertools import Logger

from crawler.jobs import Step, Walk
from crawler.store import Job, LeaseLost, Reject, Store
from kalshi_markets.exchange import (
    ExchangeClient,
    ExchangeError,
    ExchangeRefused,
    KeyRefused,
    Refused,
    Row,
    project,
)

MARGIN_SECONDS: Final = 5.0
"""Time left for the last page's commit and the summary."""
SIZE_EVERY_SECONDS: Final = 60.0
NEVER: Final = datetime.min.replace(tzinfo=UTC)

logger = Logger(service="crawler", child=True)


@dataclass
class Summary:
    """What a run came to. outcome: idle (nothing is due any more), out of time, failed, or busy (another run writes).

    completed: the walks that ended in it. errors: by job.
    """

    outcome: str = "idle"
    pages: int = 0
    markets: int = 0
    added: int = 0
    changed: int = 0
    refused: int = 0
    requests: int = 0
    table_size: int = 0
    completed: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For the function's answer and the log."""
        return asdict(self)


class Crawl:
    """One run under the lease. ends_at: on time.monotonic()'s clock; nothing is begun after it."""

    def __init__(self, walks: Sequence[Walk], store: Store, exchange: ExchangeClient, *, ends_at: float) -> None:
        self._walks = walks
        self._store = store
        self._exchange = exchange
        self._ends_at = ends_at
        self._size_logged_at = -SIZE_EVERY_SECONDS
        self.summary = Summary()

    async def run(self) -> Summary:
        """Returns what was done. Raises DatabaseError; the exchange's errors are told in the summary."""
        if not self._store.take_lease():
            self.summary.outcome = "busy"
            return self.summary
        try:
            while self._turn_is_left():
                turn = self._most_urgent()
                if turn is None:
                    break
                await self._take_page(*turn)
            self.summary.table_size = self._store.table_size()
            self._store.release_lease()
        except LeaseLost:
            self.summary.outcome = "busy"
        if self.summary.errors:
            self.summary.outcome = "failed"
        self.summary.requests = self._exchange.requests
        return self.summary

    def _turn_is_left(self) -> bool:
        now = time.monotonic()
        if now - self._size_logged_at >= SIZE_EVERY_SECONDS:
            self._size_logged_at = now
            logger.info("markets in the table", extra={"table_size": self._store.table_size()})
        if now < self._ends_at:
            return True
        self.summary.outcome = "out of time"
        return False

    def _most_urgent(self) -> tuple[Walk, Job] | None:
        now = datetime.now(UTC)
        due = []
        jobs = self._store.jobs()
        for walk in self._walks:
            job = jobs.get(walk.name, Job(walk.name))
            if walk.name not in self.summary.errors and walk.is_due(job, now):
                due.append((walk.urgency(job, now), job.begun_at or NEVER, walk, job))
        return min(due, key=lambda turn: turn[:2])[2:] if due else None

    async def _take_page(self, walk: Walk, job: Job) -> None:
        try:
            step = await walk.step(self._exchange, job, datetime.now(UTC), deadline=self._ends_at + MARGIN_SECONDS / 2)
        except ExchangeError as error:
            # A job that failed rests until the next run; the others go on.
            self.summary.errors[walk.name] = str(error)
            # A cursor that is refused will be refused again: the walk begins anew.
            refused = isinstance(error, ExchangeRefused) and not isinstance(error, KeyRefused)
            self._store.note_failure(job, str(error), restart=refused)
            logger.error("the exchange did not give a page", extra={"job": walk.name, "error": str(error)})
            return
        rows, rejects = _projected(step.markets)
        written = self._store.commit_page(step.job, rows, rejects)
        self._count(step, written.added, written.changed, len(rejects))

    def _count(self, step: Step, added: int, changed: int, refused: int) -> None:
        summary = self.summary
        summary.pages += 1
        summary.markets += len(step.markets)
        summary.added += added
        summary.changed += changed
        summary.refused += refused
        if step.completed:
            summary.completed.append(step.job.name)
        page = {"job": step.job.name, "markets": len(step.markets), "added": added, "changed": changed}
        logger.info("page", extra=page | {"refused": refused, "completed": step.completed})


def _projected(markets: Sequence[Mapping[str, Any]]) -> tuple[list[Row], list[Reject]]:
    rows, rejects = [], []
    for market in markets:
        try:
            rows.append(project(market))
        except Refused as refused:
            text = json.dumps(market, default=str)
            ticker = str(market.get("ticker") or "") if isinstance(market, Mapping) else ""
            # Escaped, since what cannot be stored may be a character; what has no ticker is told apart by its text.
            name = (
                ticker.encode("unicode_escape").decode()[:200] or f"({hashlib.sha256(text.encode()).hexdigest()[:16]})"
            )
            rejects.append(Reject(name, str(refused), text))
    return rows, rejects
