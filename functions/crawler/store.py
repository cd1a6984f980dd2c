"""Database access of the crawler. Each page is committed together with the job's state, under the lease."""

import json
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from crawler.event_writer import EventWriter
from crawler.market_writer import MarketWriter, Reject, WriteResult, is_row_error
from crawler.store_sql import StoreSql
from kalshi_markets.database import Database, StatementError
from kalshi_markets.exchange import Deviation, Event, ParsedMarket, RawMarket, Series
from kalshi_markets.exchange.account import AccountLimits, Costs
from kalshi_markets.text import is_valid_pg_text

LEASE_SECONDS: Final = 30
"""Duration of the lease. A run renews it with every page, and at least every 10 s.

After a crash, other runs are locked out for up to this time.
"""
MAX_DELETES: Final = 2_000


class LeaseLost(Exception):
    """Lease that another invocation has acquired. This run must stop."""


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


@dataclass(frozen=True)
class Batch:
    """Changes that are committed in one transaction.

    state: state of the job after the commit.
    markets: new and changed markets of a page.
    unchanged: tickers of the unchanged markets of the page.
    rejects: markets that cannot be stored.
    drift: deviations of Market objects from the documentation.
    seen: tickers on the page, if the job records them.
    refresh_hashes: parameter of MarketWriter.write.
    resolved_rejects: tickers of rejects to delete, unless this batch rejects them again.
    events, series: events and series to store.
    removed: tickers that the exchange no longer has.
    looked_up: tickers that were looked up by name.
    costs: costs of requests.
    limits: rate limits of the account.
    delete_settled_before: time; markets settled before it are deleted.
    other_jobs: states of other jobs.
    """

    state: JobState
    markets: Sequence[ParsedMarket] = ()
    unchanged: Sequence[str] = ()
    rejects: Sequence[Reject] = ()
    drift: Sequence[Deviation] = ()
    seen: Sequence[str] = ()
    refresh_hashes: bool = False
    resolved_rejects: Sequence[str] = ()
    events: Sequence[Event] = ()
    series: Sequence[Series] = ()
    removed: Collection[str] = ()
    looked_up: Sequence[str] = ()
    costs: Costs | None = None
    limits: AccountLimits | None = None
    delete_settled_before: datetime | None = None
    other_jobs: Sequence[JobState] = ()


class Store:
    """Store of the crawler. Every method raises DatabaseError.

    database: connection for writes.
    reader: connection for reads that run at the same time as a write.
    """

    def __init__(self, database: Database, reader: Database | None = None) -> None:
        self._database = database
        self._reader = reader or database
        self._holder = str(uuid.uuid4())  # not the request id: Lambda may deliver an event twice with the same id
        self._taken_at: datetime | None = None
        self._sql = StoreSql(database.settings.table)
        self._markets = MarketWriter(database)
        self._events = EventWriter(database)

    def take_lease(self) -> bool:
        """Acquire the lease. Return False if another run holds it or is writing."""
        taken = self._database.execute(self._sql.take_lease, self._holder, LEASE_SECONDS)
        self._taken_at = taken[0][0] if taken else None
        return bool(taken)

    def renew_lease(self) -> None:
        """Extend the lease. Raises LeaseLost."""
        if not self._database.execute(self._sql.renew_lease, self._holder, LEASE_SECONDS):
            raise LeaseLost

    def release_lease(self) -> None:
        """Release the lease, so that the next invocation can acquire it at once."""
        self._database.execute(self._sql.release_lease, self._holder)

    def jobs(self) -> dict[str, JobState]:
        """Return the stored states of the jobs by name. A job has none before its first page."""
        return {row[0]: JobState(*row) for row in self._database.query(self._sql.read_jobs)}

    def abort(self) -> None:
        """Abort the running statements of another thread. Their transaction is not committed."""
        self._database.abort()
        self._reader.abort()

    def table_size(self) -> int:
        """Return the number of markets, computed from the counters of the jobs."""
        return int(self._database.query(self._sql.table_size)[0][0])

    def compare(self, raw_markets: Sequence[RawMarket]) -> tuple[set[str], set[str]]:
        """Compare the markets of a page with the stored rows.

        Return the digests of unchanged markets, and the tickers of markets that have no row.
        """
        requested = [
            {"ticker": market.ticker, "digest": market.digest}
            for market in raw_markets
            if market.digest or is_valid_pg_text(market.ticker)
        ]
        [[known, new]] = self._reader.query(self._sql.compare, json.dumps(requested))
        return set(known or ()), set(new or ())

    def unknown_events(self, tickers: Collection[str]) -> list[str]:
        """Return the tickers of events that were never requested. Tickers with a comma are excluded.

        The exchange splits tickers at commas.
        """
        return [ticker for (ticker,) in self._reader.query(self._sql.unknown_events, json.dumps([*tickers]))]

    def events_without_series(self, last_requested_before: datetime, maximum: int) -> list[str]:
        """Return the events of markets without a series, the least recently requested first.

        last_requested_before: events requested after it are excluded. maximum: number of events.
        """
        return self._tickers(self._sql.events_without_series, last_requested_before, maximum)

    def known_archived(self, cutoff: datetime, maximum: int, combos: bool) -> list[str]:  # a setting
        """Return the tickers of stored markets that were settled before the cutoff, the first created first."""
        return self._tickers(self._sql.known_archived, cutoff, maximum, combos)

    def next_series(self, after: str, combos: bool) -> str | None:  # a setting
        """Return the first series whose ticker sorts after `after`, or None if there is none."""
        return next(iter(self._tickers(self._sql.next_series, after, combos)), None)

    def unknown(self, tickers: Sequence[str]) -> list[str]:
        """Return the tickers that have no row."""
        return self._tickers(self._sql.unknown, json.dumps([*tickers]))

    def missing(self, jobs: Sequence[str], maximum: int, combos: bool) -> list[str]:  # a setting
        """Return the unsettled markets that the last complete passes of these jobs did not see.

        The least recently looked up come first.
        """
        return self._tickers(self._sql.missing, json.dumps([*jobs]), maximum, combos)

    def rejected_tickers(self, maximum: int) -> list[str]:
        """Return the tickers of rejects of earlier runs, the least recently looked up first."""
        return self._tickers(self._sql.rejected_tickers, maximum, self._taken_at)

    def has_expired(self, before: datetime) -> bool:
        """Return whether any market was settled before a time."""
        return bool(self._database.query(self._sql.has_expired, before))

    def commit(self, batch: Batch) -> WriteResult:
        """Write a batch and the job's new state in one transaction. Raises LeaseLost, having written nothing.

        A row that PostgreSQL rejects is found by bisecting the batch, and stored as a reject.
        """
        try:
            return self._commit(batch, bisect=False)
        except StatementError as error:
            if not is_row_error(error):
                raise
            return self._commit(batch, bisect=True)

    def record_failure(self, job: JobState, message: str) -> None:
        """Store the last error of a job, with its position and retry time. Raises LeaseLost."""
        with self._under_lease():
            position = None if job.position is None else json.dumps(job.position)
            self._database.execute(self._sql.write_failure, job.name, message, position, job.started_at, job.retry_at)

    def _commit(self, batch: Batch, *, bisect: bool) -> WriteResult:
        with self._under_lease():
            execute, sql = self._database.execute, self._sql
            describe = self._events.write_bisecting if bisect else self._events.write
            described = describe(batch.events, batch.series)
            write = self._markets.write_bisecting if bisect else self._markets.write
            written = write(batch.markets, refresh_hashes=batch.refresh_hashes)
            written += WriteResult(changed=described, rejects=tuple(batch.rejects))
            if batch.removed:
                [[removed]] = execute(sql.mark_removed, json.dumps([*batch.removed]))
                written += WriteResult(changed=removed)
            if batch.looked_up:
                execute(sql.note_lookups, json.dumps([*batch.looked_up]))
            if batch.costs:
                execute(sql.write_costs, json.dumps(dict(batch.costs.by_path)))
            if batch.limits:
                execute(sql.write_limits, batch.limits.rate, batch.limits.bucket_capacity)
            if batch.delete_settled_before:
                [[expired]] = execute(sql.delete_expired, batch.delete_settled_before, MAX_DELETES)
                written += WriteResult(added=-expired)
            for reject in written.rejects:
                execute(sql.write_reject, reject.ticker, reject.reason, reject.object_json)
            if batch.resolved_rejects:
                execute(sql.delete_resolved_rejects, json.dumps([*batch.resolved_rejects]))
            for deviation in batch.drift:
                execute(sql.write_drift, *deviation)
            for other in batch.other_jobs:
                self._write_job(other, (0, 0, 0, 0, 0), ())
            markets = len(batch.unchanged) + len(batch.markets) + len(batch.rejects)
            counts = (1, markets, written.added, written.changed, len(written.rejects))
            self._write_job(batch.state, counts, batch.seen)
            if batch.state.position is None:
                execute(sql.delete_old_seen, batch.state.name, batch.state.started_at)
        return written

    def _write_job(self, state: JobState, counts: tuple[int, ...], seen: Sequence[str]) -> None:
        position = None if state.position is None else json.dumps(state.position)
        times = (state.watermark, state.started_at, state.finished_at, state.confirmed_at)
        row = (state.name, position, *times, state.completed_by)
        self._database.execute(self._sql.write_job, *row, *counts, json.dumps(seen))

    def _tickers(self, sql: str, *values: object) -> list[str]:
        return [ticker for (ticker,) in self._database.query(sql, *values)]

    @contextmanager
    def _under_lease(self) -> Iterator[None]:
        # The renewal locks the lease's row until the commit, so that only one batch is written at a time.
        with self._database.transaction():
            self.renew_lease()
            yield
