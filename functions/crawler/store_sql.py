"""SQL statements of the crawler's store."""


class StoreSql:
    """SQL statements of the store, for one table name."""

    def __init__(self, table: str) -> None:
        self.take_lease = f"""
            UPDATE {table}_lease AS l
            SET holder = $1::text, ends_at = clock_timestamp() + make_interval(secs => $2::int)
            FROM (SELECT only_row FROM {table}_lease WHERE ends_at <= clock_timestamp() FOR UPDATE SKIP LOCKED) AS free
            WHERE l.only_row = free.only_row RETURNING clock_timestamp()"""
        self.renew_lease = f"""
            UPDATE {table}_lease SET ends_at = clock_timestamp() + make_interval(secs => $2::int)
            WHERE holder = $1::text RETURNING 1"""
        self.release_lease = f"""
            UPDATE {table}_lease SET holder = NULL, ends_at = '-infinity' WHERE holder = $1::text"""
        self.read_jobs = f"""
            SELECT job, position, watermark, started_at, finished_at, confirmed_at, retry_at, completed_by
            FROM {table}_jobs"""
        self.table_size = f"SELECT coalesce(sum(added), 0) FROM {table}_jobs"
        self.compare = f"""
            SELECT json_agg(replace(q.object_hash::text, '-', ''))
                       FILTER (WHERE q.object_hash = s.digest AND q.removed_at IS NULL),
                   json_agg(s.ticker) FILTER (WHERE q.ticker IS NULL)
            FROM json_to_recordset($1::json) AS s(ticker text, digest uuid)
            LEFT JOIN {table}_quotes AS q ON q.ticker = s.ticker"""
        self.unknown_events = f"""
            SELECT e FROM json_array_elements_text($1::json) AS e
            WHERE e NOT LIKE '%,%' AND NOT EXISTS (SELECT FROM {table}_events WHERE event_ticker = e)"""
        self.events_without_series = f"""
            SELECT t.event_ticker FROM {table}_details AS t
            LEFT JOIN {table}_events AS e ON e.event_ticker = t.event_ticker
            WHERE t.series_ticker IS NULL AND t.event_ticker IS NOT NULL AND t.event_ticker NOT LIKE '%,%'
              AND (e.asked_at IS NULL OR e.asked_at < $1::timestamptz)
            GROUP BY t.event_ticker ORDER BY min(e.asked_at) NULLS FIRST, t.event_ticker LIMIT $2::int"""
        # The partial index of the quotes covers unsettled markets. That of the details finds markets without a status.
        self.missing = f"""
            WITH seen AS MATERIALIZED (
                SELECT unnest(s.tickers) AS ticker FROM {table}_seen AS s
                JOIN {table}_jobs AS j ON j.job = s.job AND j.confirmed_at = s.started_at
                WHERE s.job IN (SELECT json_array_elements_text($1::json))),
            unsettled AS (
                SELECT ticker FROM {table}_quotes WHERE status <> 'finalized'
                UNION ALL
                SELECT ticker FROM {table}_details WHERE status IS NULL),
            unseen AS MATERIALIZED (
                SELECT ticker FROM unsettled AS u
                WHERE NOT EXISTS (SELECT FROM seen WHERE seen.ticker = hashtextextended(u.ticker, 0)))
            SELECT u.ticker FROM unseen AS u JOIN {table} AS m ON m.ticker = u.ticker
            LEFT JOIN {table}_lookups AS l ON l.ticker = u.ticker
            WHERE m.removed_at IS NULL AND ($3::boolean OR m.mve_collection_ticker IS NULL) AND u.ticker NOT LIKE '%,%'
            ORDER BY l.asked_at NULLS FIRST, 1 LIMIT $2::int"""
        # A market that was not looked up for a week is no longer missing.
        self.note_lookups = f"""
            WITH forgotten AS (DELETE FROM {table}_lookups
                WHERE asked_at < now() - interval '7 days'
                  AND ticker NOT IN (SELECT json_array_elements_text($1::json)))
            INSERT INTO {table}_lookups (ticker, asked_at)
            SELECT DISTINCT t, now() FROM json_array_elements_text($1::json) AS t
            ON CONFLICT (ticker) DO UPDATE SET asked_at = excluded.asked_at"""
        self.known_archived = f"""
            SELECT t.ticker FROM {table}_details AS t JOIN {table}_quotes AS q ON q.ticker = t.ticker
            WHERE t.settlement_ts < $1::timestamptz AND q.removed_at IS NULL AND t.ticker NOT LIKE '%,%'
              AND ($3::boolean OR t.mve_collection_ticker IS NULL)
            ORDER BY t.created_time, t.ticker LIMIT $2::int"""
        self.next_series = f"""
            SELECT series_ticker FROM {table}_series
            WHERE series_ticker > $1::text AND ($2::boolean OR series_ticker NOT LIKE 'KXMVE%')
            ORDER BY series_ticker LIMIT 1"""
        self.unknown = f"""
            SELECT t FROM json_array_elements_text($1::json) AS t
            WHERE NOT EXISTS (SELECT FROM {table}_quotes WHERE ticker = t)"""
        # The values apply to all processes. The account's rate expires after an hour unless it is renewed.
        self.write_costs = f"UPDATE {table}_limiter SET endpoint_costs = $1::jsonb"
        self.write_limits = f"""
            UPDATE {table}_limiter SET account_rate = $1::double precision, bucket_capacity = $2::double precision,
                                       account_rate_until = now() + interval '1 hour'"""
        self.delete_old_seen = f"DELETE FROM {table}_seen WHERE job = $1 AND started_at <> $2::timestamptz"
        self.mark_removed = f"""
            WITH removed AS (
                UPDATE {table}_quotes
                SET removed_at = now(), changed_at = now(), change_number = nextval('{table}_change')
                WHERE ticker IN (SELECT json_array_elements_text($1::json)) AND removed_at IS NULL
                RETURNING 1)
            SELECT count(*) FROM removed"""
        self.has_expired = f"SELECT FROM {table}_quotes WHERE settlement_ts < $1::timestamptz LIMIT 1"
        self.delete_expired = f"""
            WITH expired AS (
                SELECT ticker FROM {table}_quotes WHERE settlement_ts < $1::timestamptz
                ORDER BY settlement_ts LIMIT $2::int),
            history AS (DELETE FROM {table}_history USING expired WHERE {table}_history.ticker = expired.ticker),
            terms AS (DELETE FROM {table}_details USING expired WHERE {table}_details.ticker = expired.ticker),
            quotes AS (
                DELETE FROM {table}_quotes USING expired WHERE {table}_quotes.ticker = expired.ticker RETURNING 1)
            SELECT count(*) FROM quotes"""
        self.write_job = f"""
            WITH seen AS (
                INSERT INTO {table}_seen (job, started_at, tickers)
                SELECT $1::text, $4::timestamptz, array_agg(hashtextextended(t COLLATE "C", 0))
                FROM json_array_elements_text($13::json) AS t HAVING count(*) > 0)
            INSERT INTO {table}_jobs AS j (job, position, watermark, started_at, finished_at, confirmed_at,
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
                run_count = j.run_count + (excluded.started_at IS DISTINCT FROM j.started_at)::int,
                pages = j.pages + excluded.pages, markets = j.markets + excluded.markets,
                added = j.added + excluded.added, changed = j.changed + excluded.changed,
                rejected = j.rejected + excluded.rejected, change_number = excluded.change_number"""
        self.write_failure = f"""
            INSERT INTO {table}_jobs AS j (job, last_error, failed_at, retry_at)
            VALUES ($1, $2, clock_timestamp(), $5::timestamptz)
            ON CONFLICT (job) DO UPDATE SET last_error = excluded.last_error, failed_at = excluded.failed_at,
                retry_at = excluded.retry_at, position = $3::jsonb, started_at = $4::timestamptz"""
        self.write_reject = f"""
            INSERT INTO {table}_rejects (ticker, reason, object) VALUES ($1, $2, $3)
            ON CONFLICT (ticker) DO UPDATE SET
                reason = excluded.reason, object = excluded.object, last_at = now()"""
        self.rejected_tickers = f"""
            SELECT r.ticker FROM {table}_rejects AS r LEFT JOIN {table}_lookups AS l ON l.ticker = r.ticker
            WHERE r.ticker NOT LIKE '%,%' AND r.last_at < $2::timestamptz
            ORDER BY l.asked_at NULLS FIRST, r.last_at LIMIT $1::int"""
        # Rejects of this transaction have last_at = now() and stay.
        self.delete_resolved_rejects = f"""
            DELETE FROM {table}_rejects
            WHERE ticker IN (SELECT json_array_elements_text($1::json)) AND last_at < now()"""
        self.write_drift = f"""
            INSERT INTO {table}_drift AS d (member, change, markets, example) VALUES ($1, $2, $3::bigint, $4)
            ON CONFLICT (member, change) DO UPDATE SET
                markets = d.markets + excluded.markets, example = excluded.example, last_at = now()"""
