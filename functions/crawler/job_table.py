"""Table of the jobs: their states and the counters of their pages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from kalshi_markets.database import Database


@dataclass(frozen=True)
class JobState:
    """State of a job, as stored in the table of jobs.

    name: name of the job.
    position: checkpoint of the current pass; None: no pass is running.
    watermark: time up to which the passes have seen everything, on the exchange's clock.
    started_at: start of the last pass.
    finished_at: end of the last complete pass.
    confirmed_at: start of the last complete pass.
    retry_at: time when the job is due again after an error; None: the usual schedule.
    completed_by: how the last complete pass read the archive (crawler.jobs.archive: LISTING or SERIES).
    """

    name: str
    position: Mapping[str, Any] | None = None
    watermark: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    confirmed_at: datetime | None = None
    retry_at: datetime | None = None
    completed_by: str | None = None


class PageCounts(NamedTuple):
    """Numbers that a commit adds to the counters of its job."""

    pages: int = 0
    markets: int = 0
    added: int = 0
    changed: int = 0
    rejected: int = 0


NO_PAGE: Final = PageCounts()


class JobTable:
    """Table of the jobs, and of the tickers that their passes saw. Methods raise DatabaseError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = database.settings.table

    def states(self) -> dict[str, JobState]:
        """Return the stored states of the jobs by name. A job has none before its first page."""
        sql = f"""
            SELECT job, position, watermark, started_at, finished_at, confirmed_at, retry_at, completed_by
            FROM {self._table}_jobs"""
        return {row[0]: JobState(*row) for row in self._database.query(sql)}

    def count_markets(self) -> int:
        """Return the number of markets, computed from the counters of the jobs."""
        return int(self._database.query(f"SELECT coalesce(sum(added), 0) FROM {self._table}_jobs")[0][0])

    def write(self, state: JobState, counts: PageCounts = NO_PAGE, seen: Sequence[str] = ()) -> None:
        """Store the state of a job, add to its counters, and record the tickers that its pass saw."""
        table = self._table
        sql = f"""
            WITH seen AS (
                INSERT INTO {table}_seen (job, started_at, tickers)
                SELECT $1::text, $4::timestamptz, array_agg(hashtextextended(ticker COLLATE "C", 0))
                FROM json_array_elements_text($13::json) AS ticker HAVING count(*) > 0)
            INSERT INTO {table}_jobs AS job (job, position, watermark, started_at, finished_at, confirmed_at,
                                             completed_by, run_count, committed_at, pages, markets, added, changed,
                                             rejected, change_number)
            SELECT $1::text, $2::jsonb, $3::timestamptz, $4::timestamptz, $5::timestamptz, $6::timestamptz, $7::text,
                   1, clock_timestamp(), $8::bigint, $9::bigint, $10::bigint, $11::bigint, $12::bigint, last_value
            FROM {table}_change
            ON CONFLICT (job) DO UPDATE SET
                position = excluded.position, watermark = excluded.watermark, started_at = excluded.started_at,
                finished_at = excluded.finished_at, confirmed_at = excluded.confirmed_at,
                completed_by = excluded.completed_by, committed_at = excluded.committed_at, last_error = NULL,
                retry_at = NULL,
                run_count = job.run_count + (excluded.started_at IS DISTINCT FROM job.started_at)::int,
                pages = job.pages + excluded.pages, markets = job.markets + excluded.markets,
                added = job.added + excluded.added, changed = job.changed + excluded.changed,
                rejected = job.rejected + excluded.rejected, change_number = excluded.change_number"""
        times = (state.watermark, state.started_at, state.finished_at, state.confirmed_at)
        row = (state.name, _position_json(state), *times, state.completed_by)
        self._database.execute(sql, *row, *counts, json.dumps(seen))

    def write_failure(self, state: JobState, message: str) -> None:
        """Store the last error of a job, with its position and retry time."""
        sql = f"""
            INSERT INTO {self._table}_jobs AS job (job, last_error, failed_at, retry_at)
            VALUES ($1, $2, clock_timestamp(), $5::timestamptz)
            ON CONFLICT (job) DO UPDATE SET last_error = excluded.last_error, failed_at = excluded.failed_at,
                retry_at = excluded.retry_at, position = $3::jsonb, started_at = $4::timestamptz"""
        self._database.execute(sql, state.name, message, _position_json(state), state.started_at, state.retry_at)

    def delete_old_seen(self, state: JobState) -> None:
        """Delete the tickers that earlier passes of a job saw."""
        sql = f"DELETE FROM {self._table}_seen WHERE job = $1 AND started_at <> $2::timestamptz"
        self._database.execute(sql, state.name, state.started_at)


def _position_json(state: JobState) -> str | None:
    return None if state.position is None else json.dumps(state.position)
