"""What the crawler writes: pages of markets, each committed together with its place in the books, under the lease."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from crawler.markets import Markets, Written
from kalshi_markets.database import Database
from kalshi_markets.exchange import Row

LEASE_SECONDS: Final = 30
"""How long a crawler that died keeps others out; a living one renews with every page."""


class LeaseLost(Exception):
    """Another invocation writes now; this one must stop."""


@dataclass(frozen=True)
class Job:
    """A job's line in the books. position: where its walk goes on; None when none is under way."""

    name: str
    position: Mapping[str, Any] | None = None
    watermark: datetime | None = None
    begun_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Reject:
    """A market that could not become a row: its ticker if it has one, why, and the object as JSON."""

    ticker: str
    reason: str
    text: str


class Store:
    """The tables, through one connection. Raises DatabaseError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._holder = str(uuid.uuid4())  # not the request's id: Lambda may deliver an event twice under the same one
        self._sql = _Sql(database.settings.table)
        self._markets = Markets(database)

    def take_lease(self) -> bool:
        """Whether nobody else holds it."""
        return bool(self._database.execute(self._sql.take_lease, self._holder, LEASE_SECONDS))

    def release_lease(self) -> None:
        """Lets the next invocation begin at once."""
        self._database.execute(self._sql.release_lease, self._holder)

    def jobs(self) -> dict[str, Job]:
        """The lines in the books by name; a job has none before its first page."""
        return {row[0]: Job(*row) for row in self._database.execute(self._sql.read_jobs)}

    def table_size(self) -> int:
        """Rows in the markets table, from the books."""
        return int(self._database.execute(self._sql.table_size)[0][0])

    def commit_page(self, job: Job, rows: Sequence[Row], rejects: Sequence[Reject]) -> Written:
        """Writes a page and the job's new line in one transaction. Raises LeaseLost, having written nothing."""
        with self._under_lease():
            written = self._markets.write(rows)
            for reject in rejects:
                self._database.execute(self._sql.write_reject, reject.ticker, reject.reason, reject.text)
            position = None if job.position is None else json.dumps(job.position)
            line = (job.name, position, job.watermark, job.begun_at, job.ended_at)
            counts = (len(rows) + len(rejects), written.added, written.changed, len(rejects))
            self._database.execute(self._sql.write_job, *line, *counts)
        return written

    def note_failure(self, job: Job, message: str, *, restart: bool = False) -> None:
        """Keeps a job's last error beside its place, which stays where it was unless it is to restart.

        Raises LeaseLost.
        """
        with self._under_lease():
            self._database.execute(self._sql.write_failure, job.name, message, restart)

    @contextmanager
    def _under_lease(self) -> Iterator[None]:
        with self._database.transaction():
            if not self._database.execute(self._sql.renew_lease, self._holder, LEASE_SECONDS):
                raise LeaseLost
            yield


class _Sql:
    """The statements, for one table name."""

    def __init__(self, table: str) -> None:
        self.take_lease = f"""
            UPDATE {table}_lease SET holder = $1::text, ends_at = clock_timestamp() + make_interval(secs => $2::int)
            WHERE ends_at <= clock_timestamp() RETURNING 1"""
        self.renew_lease = f"""
            UPDATE {table}_lease SET ends_at = clock_timestamp() + make_interval(secs => $2::int)
            WHERE holder = $1::text RETURNING 1"""
        self.release_lease = f"""
            UPDATE {table}_lease SET holder = NULL, ends_at = '-infinity' WHERE holder = $1::text"""
        self.read_jobs = f"SELECT job, position, watermark, begun_at, ended_at FROM {table}_jobs"
        self.table_size = f"SELECT coalesce(sum(added), 0) FROM {table}_jobs"
        self.write_job = f"""
            INSERT INTO {table}_jobs AS j (job, position, watermark, begun_at, ended_at, generation, committed_at,
                                           pages, markets, added, changed, refused, change_number)
            SELECT $1, $2::jsonb, $3::timestamptz, $4::timestamptz, $5::timestamptz, 1, clock_timestamp(),
                   1, $6::bigint, $7::bigint, $8::bigint, $9::bigint, last_value FROM {table}_change
            ON CONFLICT (job) DO UPDATE SET
                position = excluded.position, watermark = excluded.watermark, begun_at = excluded.begun_at,
                ended_at = excluded.ended_at, committed_at = excluded.committed_at, last_error = NULL,
                generation = j.generation + (excluded.begun_at IS DISTINCT FROM j.begun_at)::int,
                pages = j.pages + 1, markets = j.markets + excluded.markets, added = j.added + excluded.added,
                changed = j.changed + excluded.changed, refused = j.refused + excluded.refused,
                change_number = excluded.change_number"""
        self.write_failure = f"""
            INSERT INTO {table}_jobs AS j (job, last_error, failed_at) VALUES ($1, $2, clock_timestamp())
            ON CONFLICT (job) DO UPDATE SET last_error = excluded.last_error, failed_at = excluded.failed_at,
                position = CASE WHEN $3::boolean THEN NULL ELSE j.position END,
                begun_at = CASE WHEN $3::boolean THEN NULL ELSE j.begun_at END"""
        self.write_reject = f"""
            INSERT INTO {table}_rejects (ticker, reason, object) VALUES ($1, $2, $3)
            ON CONFLICT (ticker) DO UPDATE SET
                reason = excluded.reason, object = excluded.object, last_at = now()"""
