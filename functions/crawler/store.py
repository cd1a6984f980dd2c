"""What the crawler writes: pages, each committed together with its place in the books, under the lease."""

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
from kalshi_markets.exchange import Deviation, Event, ParsedMarket, RawMarket, Series, is_valid_pg_text
from kalshi_markets.exchange.account import AccountLimits, Costs

LEASE_SECONDS: Final = 30
"""How long a crawler that died keeps others out; a living one renews with every page, and at least three times."""
MAX_DELETES: Final = 2_000


class LeaseLost(Exception):
    """Another invocation writes now; this one must stop."""


@dataclass(frozen=True)
class JobState:
    """A job's line in the books.

    position: where its walk goes on; None when none is under way. watermark: up to when its walks have seen everything,
    on the exchange's clock. started_at, finished_at: of the last walk; confirmed_at: when the last complete one began.
    retry_at: when the job is due again after an answer that could not be used. completed_by: in which way the last
    complete walk of the archive read it.
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
    """What is committed together. state: of the job afterwards; other_jobs: states of others.

    markets, unchanged: the markets of a page, and the tickers of those that it shows as they are stored already.
    seen: the tickers on the page, where the walk keeps account of them. refresh_hashes: as MarketWriter.write has it.
    resolved_rejects: rejects, unless they are rejected again in this batch.
    removed: tickers that the exchange has no more.
    looked_up: tickers that were asked for by name. costs, limits: what requests cost, how many the account may send.
    delete_settled_before: settled before this, to be deleted.
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
    """The tables, for one writer. reader: another connection, for what is looked up while that one writes.

    Raises DatabaseError.
    """

    def __init__(self, database: Database, reader: Database | None = None) -> None:
        self._database = database
        self._reader = reader or database
        self._holder = str(uuid.uuid4())  # not the request's id: Lambda may deliver an event twice under the same one
        self._taken_at: datetime | None = None
        self._sql = StoreSql(database.settings.table)
        self._markets = MarketWriter(database)
        self._events = EventWriter(database)

    def take_lease(self) -> bool:
        """Whether nobody else holds it, or writes at this moment."""
        taken = self._database.execute(self._sql.take_lease, self._holder, LEASE_SECONDS)
        self._taken_at = taken[0][0] if taken else None
        return bool(taken)

    def renew_lease(self) -> None:
        """Keeps others out while nothing is committed. Raises LeaseLost."""
        if not self._database.execute(self._sql.renew_lease, self._holder, LEASE_SECONDS):
            raise LeaseLost

    def release_lease(self) -> None:
        """Lets the next invocation begin at once."""
        self._database.execute(self._sql.release_lease, self._holder)

    def jobs(self) -> dict[str, JobState]:
        """The lines in the books by name; a job has none before its first page."""
        return {row[0]: JobState(*row) for row in self._database.query(self._sql.read_jobs)}

    def abort(self) -> None:
        """From another thread: ends what is under way, which then is not committed."""
        self._database.abort()
        self._reader.abort()

    def table_size(self) -> int:
        """Rows in the markets table, from the books."""
        return int(self._database.query(self._sql.table_size)[0][0])

    def compare(self, raw_markets: Sequence[RawMarket]) -> tuple[set[str], set[str]]:
        """The digests of those objects that the rows as they stand were made of; the tickers that have no row."""
        requested = [
            {"ticker": market.ticker, "digest": market.digest}
            for market in raw_markets
            if market.digest or is_valid_pg_text(market.ticker)
        ]
        [[known, new]] = self._reader.query(self._sql.compare, json.dumps(requested))
        return set(known or ()), set(new or ())

    def unknown_events(self, tickers: Collection[str]) -> list[str]:
        """Which of these events were never asked for; a comma would part a ticker in two."""
        return [ticker for (ticker,) in self._reader.query(self._sql.unknown_events, json.dumps([*tickers]))]

    def events_without_series(self, last_requested_before: datetime, maximum: int) -> list[str]:
        """Events of markets without a series, but for those that the exchange did not know since; those that were asked
        for least recently come first."""
        return self._tickers(self._sql.events_without_series, last_requested_before, maximum)

    def known_archived(self, cutoff: datetime, maximum: int, combos: bool) -> list[str]:  # a setting
        """Return markets that were settled before the cutoff, the first created first."""
        return self._tickers(self._sql.known_archived, cutoff, maximum, combos)

    def next_series(self, after: str, combos: bool) -> str | None:  # a setting
        """Return the series that comes after another one by its ticker."""
        return next(iter(self._tickers(self._sql.next_series, after, combos)), None)

    def unknown(self, tickers: Sequence[str]) -> list[str]:
        """Return the tickers of which there is no row."""
        return self._tickers(self._sql.unknown, json.dumps([*tickers]))

    def missing(self, jobs: Sequence[str], maximum: int, combos: bool) -> list[str]:  # a setting
        """Markets, not settled as far as we know, that the last complete walks of these jobs did not see; those that
        were looked up least recently come first."""
        return self._tickers(self._sql.missing, json.dumps([*jobs]), maximum, combos)

    def rejected_tickers(self, maximum: int) -> list[str]:
        """Tickers of the rejects of earlier runs, those that were looked up least recently first."""
        return self._tickers(self._sql.rejected_tickers, maximum, self._taken_at)

    def has_expired(self, before: datetime) -> bool:
        """Whether any market was settled before this."""
        return bool(self._database.query(self._sql.has_expired, before))

    def commit(self, batch: Batch) -> WriteResult:
        """Writes a batch and the job's new line in one transaction. Raises LeaseLost, having written nothing.

        A row that PostgreSQL refuses in spite of all care is found by halving, and kept aside.
        """
        try:
            return self._commit(batch, bisect=False)
        except StatementError as error:
            if not is_row_error(error):
                raise
            return self._commit(batch, bisect=True)

    def record_failure(self, job: JobState, message: str) -> None:
        """Keeps a job's last error beside its place. Raises LeaseLost."""
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
        # The lease's row is locked until the commit: no two batches are written at once, by whomever.
        with self._database.transaction():
            self.renew_lease()
            yield
