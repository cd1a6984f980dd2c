"""Store of the crawler. Each page is committed together with the job's state, under the lease."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from crawler.event_writer import EventWriter
from crawler.job_table import JobState, JobTable, PageCounts
from crawler.lease import Lease
from crawler.market_counter import MarketCounter
from crawler.market_writer import MarketWriter, Reject, WriteResult, is_row_error
from crawler.outbox import LakeProgress, Outbox
from crawler.store_queries import StoreQueries
from kalshi_markets.database import Database, StatementError
from kalshi_markets.exchange import AccountLimits, Costs, Deviation, ParsedMarket, Row

MEBIBYTE: Final = 1024 * 1024
MAX_DELETES: Final = 2_000
"""Maximum of expired markets that one commit deletes."""


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
    unknown_events: tickers of events that the exchange does not know.
    count_markets: whether to count the markets after the other changes.
    removed: tickers that the exchange no longer has.
    looked_up: tickers that were looked up by name.
    costs: costs of requests.
    limits: rate limits of the account.
    delete_settled_before: time; markets settled before it are deleted.
    other_jobs: states of other jobs.
    lake: what has been written to the lake.
    """

    state: JobState
    markets: Sequence[ParsedMarket] = ()
    unchanged: Sequence[str] = ()
    rejects: Sequence[Reject] = ()
    drift: Sequence[Deviation] = ()
    seen: Sequence[str] = ()
    refresh_hashes: bool = False
    resolved_rejects: Sequence[str] = ()
    events: Sequence[Row] = ()
    series: Sequence[Row] = ()
    unknown_events: Sequence[str] = ()
    count_markets: bool = False
    removed: Collection[str] = ()
    looked_up: Sequence[str] = ()
    costs: Costs | None = None
    limits: AccountLimits | None = None
    delete_settled_before: datetime | None = None
    other_jobs: Sequence[JobState] = ()
    lake: LakeProgress | None = None

    def counts(self, written: WriteResult) -> PageCounts:
        """Return the numbers that the commit of this batch adds to the counters."""
        markets = len(self.unchanged) + len(self.markets) + len(self.rejects)
        return PageCounts(1, markets, written.added, written.changed, len(written.rejects))


class Store:
    """Store of the crawler. Methods raise DatabaseError.

    database: connection for writes.
    outbox_mb: maximum size of the lake's outbox, in MiB; 0: there is no lake.
    reader: connection for queries that run at the same time as a write. Default: the connection for writes.
    is_aborted: whether `abort` was called.
    """

    def __init__(self, database: Database, reader: Database | None = None, *, outbox_mb: int = 0) -> None:
        self.lease = Lease(database)
        self.job_table = JobTable(database)
        self.is_aborted = False
        self._database = database
        self._reader = reader or database
        self.queries = StoreQueries(database, self._reader, self.lease)
        self._table = database.settings.table
        self._market_writer = MarketWriter(database)
        self._event_writer = EventWriter(database)
        self._counter = MarketCounter(database)
        self._outbox_mb = outbox_mb
        self.outbox = Outbox(database)

    def abort(self) -> None:
        """Abort the running statements of other threads. Their transaction is not committed."""
        self.is_aborted = True
        self._database.abort()
        self._reader.abort()

    def begin(self) -> None:
        """Start a run: with a lake, start or continue its recording. Raises LeaseLost."""
        if self._outbox_mb:
            with self.lease.transaction():
                self.outbox.begin(self._outbox_mb * MEBIBYTE)

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

    def record_failure(self, state: JobState, message: str) -> None:
        """Store the last error of a job, with its position and retry time. Raises LeaseLost."""
        with self.lease.transaction():
            self.job_table.write_failure(state, message)

    def _commit(self, batch: Batch, *, bisect: bool) -> WriteResult:
        with self.lease.transaction():
            written = self._write_objects(batch, bisect=bisect)
            written += WriteResult(changed=self._mark_removed(batch.removed))
            if self._outbox_mb and (written.added or written.changed):
                self.outbox.record()
            if batch.lake:
                self.outbox.acknowledge(batch.lake)
            self._write_lookups(batch.looked_up)
            self._write_account(batch.costs, batch.limits)
            written += WriteResult(added=-self._delete_expired(batch.delete_settled_before))
            self._write_rejects(written.rejects, batch.resolved_rejects)
            self._write_drift(batch.drift)
            if batch.count_markets:
                self._counter.count()
            self._write_jobs(batch, written)
        return written

    def _write_objects(self, batch: Batch, *, bisect: bool) -> WriteResult:
        write_events = self._event_writer.write_bisecting if bisect else self._event_writer.write
        write_markets = self._market_writer.write_bisecting if bisect else self._market_writer.write
        described = write_events(batch.events, batch.series, batch.unknown_events)
        written = write_markets(batch.markets, refresh_hashes=batch.refresh_hashes)
        return written + WriteResult(changed=described, rejects=tuple(batch.rejects))

    def _mark_removed(self, tickers: Collection[str]) -> int:
        """Mark markets as removed. Return the number of markets that were not marked before."""
        if not tickers:
            return 0
        sql = f"""
            WITH removed AS (
                UPDATE {self._table}_quotes
                SET removed_at = now(), changed_at = now(), change_number = nextval('{self._table}_change')
                WHERE ticker IN (SELECT json_array_elements_text($1::json)) AND removed_at IS NULL
                RETURNING 1)
            SELECT count(*) FROM removed"""
        [[removed]] = self._database.execute(sql, json.dumps([*tickers]))
        return int(removed)

    def _write_lookups(self, tickers: Sequence[str]) -> None:
        """Record when markets were looked up. One that was not looked up for a week is no longer missing."""
        if not tickers:
            return
        sql = f"""
            WITH old AS (DELETE FROM {self._table}_lookups
                WHERE asked_at < now() - interval '7 days'
                  AND ticker NOT IN (SELECT json_array_elements_text($1::json)))
            INSERT INTO {self._table}_lookups (ticker, asked_at)
            SELECT DISTINCT ticker, now() FROM json_array_elements_text($1::json) AS ticker
            ON CONFLICT (ticker) DO UPDATE SET asked_at = excluded.asked_at"""
        self._database.execute(sql, json.dumps([*tickers]))

    def _write_account(self, costs: Costs | None, limits: AccountLimits | None) -> None:
        """Store costs and rate limits, for all processes. The rate expires after an hour unless it is renewed."""
        if costs:
            sql = f"UPDATE {self._table}_limiter SET endpoint_costs = $1::jsonb"
            self._database.execute(sql, json.dumps(dict(costs.by_path)))
        if limits:
            sql = f"""
                UPDATE {self._table}_limiter
                SET account_rate = $1::double precision, bucket_capacity = $2::double precision,
                    account_rate_until = now() + interval '1 hour'"""
            self._database.execute(sql, limits.rate, limits.bucket_capacity)

    def _delete_expired(self, settled_before: datetime | None) -> int:
        """Delete at most MAX_DELETES markets that were settled before a time. Return their number."""
        if not settled_before:
            return 0
        table = self._table
        sql = f"""
            WITH expired AS (
                SELECT ticker FROM {table}_quotes WHERE settlement_ts < $1::timestamptz
                ORDER BY settlement_ts LIMIT $2::int),
            history AS (DELETE FROM {table}_history AS history USING expired WHERE history.ticker = expired.ticker),
            details AS (DELETE FROM {table}_details AS details USING expired WHERE details.ticker = expired.ticker),
            quotes AS (
                DELETE FROM {table}_quotes AS quotes USING expired WHERE quotes.ticker = expired.ticker RETURNING 1)
            SELECT count(*) FROM quotes"""
        [[expired]] = self._database.execute(sql, settled_before, MAX_DELETES)
        return int(expired)

    def _write_rejects(self, rejects: Sequence[Reject], resolved: Sequence[str]) -> None:
        """Store rejects, and delete resolved rejects."""
        for reject in rejects:
            sql = f"""
                INSERT INTO {self._table}_rejects (ticker, reason, object) VALUES ($1, $2, $3)
                ON CONFLICT (ticker) DO UPDATE SET
                    reason = excluded.reason, object = excluded.object, last_at = now()"""
            self._database.execute(sql, reject.ticker, reject.reason, reject.object_json)
        if resolved:
            # Rejects of this transaction have last_at = now() and stay.
            sql = f"""
                DELETE FROM {self._table}_rejects
                WHERE ticker IN (SELECT json_array_elements_text($1::json)) AND last_at < now()"""
            self._database.execute(sql, json.dumps([*resolved]))

    def _write_drift(self, drift: Sequence[Deviation]) -> None:
        sql = f"""
            INSERT INTO {self._table}_drift AS drift (member, change, markets, example)
            VALUES ($1, $2, $3::bigint, $4)
            ON CONFLICT (member, change) DO UPDATE SET
                markets = drift.markets + excluded.markets, example = excluded.example, last_at = now()"""
        for deviation in drift:
            self._database.execute(sql, *deviation)

    def _write_jobs(self, batch: Batch, written: WriteResult) -> None:
        for state in batch.other_jobs:
            self.job_table.write(state)
        self.job_table.write(batch.state, batch.counts(written), batch.seen)
        if batch.state.position is None:
            self.job_table.delete_old_seen(batch.state)
