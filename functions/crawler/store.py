"""What the crawler writes: pages, each committed together with its place in the books, under the lease."""

import json
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from crawler.catalogue import Catalogue
from crawler.markets import Markets, Reject, Written, is_of_a_row
from kalshi_markets.database import Database, StatementRefused
from kalshi_markets.exchange import Deviation, Event, Sent, Series, Sighting, is_storable

LEASE_SECONDS: Final = 30
"""How long a crawler that died keeps others out; a living one renews with every page, and at least three times."""
EXPIRED_AT_ONCE: Final = 2_000


class LeaseLost(Exception):
    """Another invocation writes now; this one must stop."""


@dataclass(frozen=True)
class Job:
    """A job's line in the books.

    position: where its walk goes on; None when none is under way. watermark: up to when its walks have seen everything,
    on the exchange's clock. begun_at, ended_at: of the last walk; confirmed_at: when the last complete one began.
    """

    name: str
    position: Mapping[str, Any] | None = None
    watermark: datetime | None = None
    begun_at: datetime | None = None
    ended_at: datetime | None = None
    confirmed_at: datetime | None = None


@dataclass(frozen=True)
class Batch:
    """What is committed together. job: its line afterwards; also: another's.

    sightings, unchanged: the markets of a page, and the tickers of those that it shows as they are stored already.
    seen: the tickers on the page, where the walk keeps account of them. renew: as Markets.write has it.
    mended: rejects, unless they are rejected again in this batch. gone: tickers that the exchange has no more.
    expired: settled before this, to be deleted.
    """

    job: Job
    sightings: Sequence[Sighting] = ()
    unchanged: Sequence[str] = ()
    rejects: Sequence[Reject] = ()
    drift: Sequence[Deviation] = ()
    seen: Sequence[str] = ()
    renew: bool = False
    mended: Sequence[str] = ()
    events: Sequence[Event] = ()
    series: Sequence[Series] = ()
    gone: Collection[str] = ()
    expired: datetime | None = None
    also: Sequence[Job] = ()


class Store:
    """The tables, for one writer. reader: another connection, for what is looked up while that one writes.

    Raises DatabaseError.
    """

    def __init__(self, database: Database, reader: Database | None = None) -> None:
        self._database = database
        self._reader = reader or database
        self._holder = str(uuid.uuid4())  # not the request's id: Lambda may deliver an event twice under the same one
        self._sql = _Sql(database.settings.table)
        self._markets = Markets(database)
        self._catalogue = Catalogue(database)

    def take_lease(self) -> bool:
        """Whether nobody else holds it, or writes at this moment."""
        return bool(self._database.execute(self._sql.take_lease, self._holder, LEASE_SECONDS))

    def renew_lease(self) -> None:
        """Keeps others out while nothing is committed. Raises LeaseLost."""
        if not self._database.execute(self._sql.renew_lease, self._holder, LEASE_SECONDS):
            raise LeaseLost

    def release_lease(self) -> None:
        """Lets the next invocation begin at once."""
        self._database.execute(self._sql.release_lease, self._holder)

    def jobs(self) -> dict[str, Job]:
        """The lines in the books by name; a job has none before its first page."""
        return {row[0]: Job(*row) for row in self._database.read(self._sql.read_jobs)}

    def abort(self) -> None:
        """From another thread: ends what is under way, which then is not committed."""
        self._database.abort()
        self._reader.abort()

    def table_size(self) -> int:
        """Rows in the markets table, from the books."""
        return int(self._database.read(self._sql.table_size)[0][0])

    def compare(self, sent: Sequence[Sent]) -> tuple[set[str], set[str]]:
        """The digests of those objects that the rows as they stand were made of; the tickers that have no row."""
        asked = [{"ticker": o.ticker, "digest": o.digest} for o in sent if o.digest or is_storable(o.ticker)]
        [[known, new]] = self._reader.read(self._sql.compare, json.dumps(asked))
        return set(known or ()), set(new or ())

    def unknown_events(self, tickers: Collection[str]) -> list[str]:
        """Which of these events were never asked for."""
        return [ticker for (ticker,) in self._reader.read(self._sql.unknown_events, json.dumps([*tickers]))]

    def unplaced_events(self, asked_before: datetime, most: int) -> list[str]:
        """Events of markets without a series, but for those that the exchange did not know since."""
        return self._tickers(self._sql.unplaced_events, asked_before, most)

    def unseen(self, jobs: Sequence[str], most: int, combos: bool) -> list[str]:  # a setting
        """Markets, not settled as far as we know, that the last complete walks of these jobs did not see."""
        return self._tickers(self._sql.unseen, json.dumps([*jobs]), most, combos)

    def rejected(self, most: int) -> list[str]:
        """Tickers of markets that could not be stored, the longest known first."""
        return self._tickers(self._sql.rejected, most)

    def has_expired(self, before: datetime) -> bool:
        """Whether any market was settled before this."""
        return bool(self._database.read(self._sql.has_expired, before))

    def commit(self, batch: Batch) -> Written:
        """Writes a batch and the job's new line in one transaction. Raises LeaseLost, having written nothing.

        A row that PostgreSQL refuses in spite of all care is found by halving, and kept aside.
        """
        try:
            return self._commit(batch, halve=False)
        except StatementRefused as error:
            if not is_of_a_row(error):
                raise
            return self._commit(batch, halve=True)

    def note_failure(self, job: Job, message: str) -> None:
        """Keeps a job's last error beside its place. Raises LeaseLost."""
        with self._under_lease():
            position = None if job.position is None else json.dumps(job.position)
            self._database.execute(self._sql.write_failure, job.name, message, position, job.begun_at)

    def _commit(self, batch: Batch, *, halve: bool) -> Written:
        with self._under_lease():
            execute, sql = self._database.execute, self._sql
            described = self._catalogue.write(batch.events, batch.series)
            write = self._markets.write_halved if halve else self._markets.write
            written = write(batch.sightings, renew=batch.renew)
            written += Written(changed=described, rejects=tuple(batch.rejects))
            if batch.gone:
                [[gone]] = execute(sql.write_gone, json.dumps([*batch.gone]))
                written += Written(changed=gone)
            if batch.expired:
                [[expired]] = execute(sql.delete_expired, batch.expired, EXPIRED_AT_ONCE)
                written += Written(added=-expired)
            for reject in written.rejects:
                execute(sql.write_reject, reject.ticker, reject.reason, reject.text)
            if batch.mended:
                execute(sql.clear_rejects, json.dumps([*batch.mended]))
            for deviation in batch.drift:
                execute(sql.write_drift, *deviation)
            for other in batch.also:
                self._write_job(other, (0, 0, 0, 0, 0), ())
            markets = len(batch.unchanged) + len(batch.sightings) + len(batch.rejects)
            counts = (1, markets, written.added, written.changed, len(written.rejects))
            self._write_job(batch.job, counts, batch.seen)
            if batch.job.position is None:
                execute(sql.forget_seen, batch.job.name, batch.job.begun_at)
        return written

    def _write_job(self, job: Job, counts: tuple[int, ...], seen: Sequence[str]) -> None:
        position = None if job.position is None else json.dumps(job.position)
        line = (job.name, position, job.watermark, job.begun_at, job.ended_at, job.confirmed_at)
        self._database.execute(self._sql.write_job, *line, *counts, json.dumps(seen))

    def _tickers(self, sql: str, *values: object) -> list[str]:
        return [ticker for (ticker,) in self._database.read(sql, *values)]

    @contextmanager
    def _under_lease(self) -> Iterator[None]:
        # The lease's row is locked until the commit: no two batches are written at once, by whomever.
        with self._database.transaction():
            self.renew_lease()
            yield


class _Sql:
    """The statements, for one table name."""

    def __init__(self, table: str) -> None:
        self.take_lease = f"""
            UPDATE {table}_lease AS l
            SET holder = $1::text, ends_at = clock_timestamp() + make_interval(secs => $2::int)
            FROM (SELECT only_row FROM {table}_lease WHERE ends_at <= clock_timestamp() FOR UPDATE SKIP LOCKED) AS free
            WHERE l.only_row = free.only_row RETURNING 1"""
        self.renew_lease = f"""
            UPDATE {table}_lease SET ends_at = clock_timestamp() + make_interval(secs => $2::int)
            WHERE holder = $1::text RETURNING 1"""
        self.release_lease = f"""
            UPDATE {table}_lease SET holder = NULL, ends_at = '-infinity' WHERE holder = $1::text"""
        self.read_jobs = f"SELECT job, position, watermark, begun_at, ended_at, confirmed_at FROM {table}_jobs"
        self.table_size = f"SELECT coalesce(sum(added), 0) FROM {table}_jobs"
        self.compare = f"""
            SELECT json_agg(replace(q.object_digest::text, '-', ''))
                       FILTER (WHERE q.object_digest = s.digest AND q.gone_at IS NULL),
                   json_agg(s.ticker) FILTER (WHERE q.ticker IS NULL)
            FROM json_to_recordset($1::json) AS s(ticker text, digest uuid)
            LEFT JOIN {table}_quotes AS q ON q.ticker = s.ticker"""
        self.unknown_events = f"""
            SELECT e FROM json_array_elements_text($1::json) AS e
            WHERE NOT EXISTS (SELECT FROM {table}_events WHERE event_ticker = e)"""
        self.unplaced_events = f"""
            SELECT DISTINCT t.event_ticker FROM {table}_terms AS t
            LEFT JOIN {table}_events AS e ON e.event_ticker = t.event_ticker
            WHERE t.series_ticker IS NULL AND t.event_ticker IS NOT NULL
              AND (e.asked_at IS NULL OR e.asked_at < $1::timestamptz)
            LIMIT $2::int"""
        # The index of the status holds only what is not settled; what has none is looked for by the terms' own.
        self.unseen = f"""
            WITH seen AS MATERIALIZED (
                SELECT unnest(s.tickers) AS ticker FROM {table}_seen AS s
                JOIN {table}_jobs AS j ON j.job = s.job AND j.confirmed_at = s.begun_at
                WHERE s.job IN (SELECT json_array_elements_text($1::json))),
            unsettled AS (
                SELECT ticker FROM {table}_quotes WHERE status <> 'finalized'
                UNION ALL
                SELECT ticker FROM {table}_terms WHERE status IS NULL),
            unseen AS MATERIALIZED (
                SELECT ticker FROM unsettled AS u
                WHERE NOT EXISTS (SELECT FROM seen WHERE seen.ticker = hashtextextended(u.ticker, 0)))
            SELECT u.ticker FROM unseen AS u JOIN {table} AS m ON m.ticker = u.ticker
            WHERE m.gone_at IS NULL AND ($3::boolean OR m.mve_collection_ticker IS NULL)
            ORDER BY 1 LIMIT $2::int"""
        self.forget_seen = f"DELETE FROM {table}_seen WHERE job = $1 AND begun_at <> $2::timestamptz"
        self.write_gone = f"""
            WITH gone AS (
                UPDATE {table}_quotes SET gone_at = now(), changed_at = now(), change_number = nextval('{table}_change')
                WHERE ticker IN (SELECT json_array_elements_text($1::json)) AND gone_at IS NULL
                RETURNING 1)
            SELECT count(*) FROM gone"""
        self.has_expired = f"SELECT FROM {table}_quotes WHERE settlement_ts < $1::timestamptz LIMIT 1"
        self.delete_expired = f"""
            WITH expired AS (
                SELECT ticker FROM {table}_quotes WHERE settlement_ts < $1::timestamptz
                ORDER BY settlement_ts LIMIT $2::int),
            history AS (DELETE FROM {table}_history USING expired WHERE {table}_history.ticker = expired.ticker),
            terms AS (DELETE FROM {table}_terms USING expired WHERE {table}_terms.ticker = expired.ticker),
            quotes AS (
                DELETE FROM {table}_quotes USING expired WHERE {table}_quotes.ticker = expired.ticker RETURNING 1)
            SELECT count(*) FROM quotes"""
        self.write_job = f"""
            WITH seen AS (
                INSERT INTO {table}_seen (job, begun_at, tickers)
                SELECT $1::text, $4::timestamptz, array_agg(hashtextextended(t COLLATE "C", 0))
                FROM json_array_elements_text($12::json) AS t HAVING count(*) > 0)
            INSERT INTO {table}_jobs AS j (job, position, watermark, begun_at, ended_at, confirmed_at, generation,
                                           committed_at, pages, markets, added, changed, refused, change_number)
            SELECT $1::text, $2::jsonb, $3::timestamptz, $4::timestamptz, $5::timestamptz, $6::timestamptz, 1,
                   clock_timestamp(), $7::bigint, $8::bigint, $9::bigint, $10::bigint, $11::bigint, last_value
            FROM {table}_change
            ON CONFLICT (job) DO UPDATE SET
                position = excluded.position, watermark = excluded.watermark, begun_at = excluded.begun_at,
                ended_at = excluded.ended_at, confirmed_at = excluded.confirmed_at,
                committed_at = excluded.committed_at, last_error = NULL,
                generation = j.generation + (excluded.begun_at IS DISTINCT FROM j.begun_at)::int,
                pages = j.pages + excluded.pages, markets = j.markets + excluded.markets,
                added = j.added + excluded.added, changed = j.changed + excluded.changed,
                refused = j.refused + excluded.refused, change_number = excluded.change_number"""
        self.write_failure = f"""
            INSERT INTO {table}_jobs AS j (job, last_error, failed_at) VALUES ($1, $2, clock_timestamp())
            ON CONFLICT (job) DO UPDATE SET last_error = excluded.last_error, failed_at = excluded.failed_at,
                position = $3::jsonb, begun_at = $4::timestamptz"""
        self.write_reject = f"""
            INSERT INTO {table}_rejects (ticker, reason, object) VALUES ($1, $2, $3)
            ON CONFLICT (ticker) DO UPDATE SET
                reason = excluded.reason, object = excluded.object, last_at = now()"""
        self.rejected = f"SELECT ticker FROM {table}_rejects ORDER BY last_at LIMIT $1::int"
        # Those of this transaction are of now.
        self.clear_rejects = f"""
            DELETE FROM {table}_rejects
            WHERE ticker IN (SELECT json_array_elements_text($1::json)) AND last_at < now()"""
        self.write_drift = f"""
            INSERT INTO {table}_drift AS d (member, change, markets, example) VALUES ($1, $2, $3::bigint, $4)
            ON CONFLICT (member, change) DO UPDATE SET
                markets = d.markets + excluded.markets, example = excluded.example, last_at = now()"""
