"""Queries of the crawler's jobs and of its page processor."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from crawler.lease import Lease
from kalshi_markets.database import Database
from kalshi_markets.exchange import RawMarket
from kalshi_markets.text import is_valid_pg_text


class Comparison(NamedTuple):
    """Comparison of a page with the stored rows.

    known_digests: digests of unchanged markets.
    new_tickers: tickers of markets that have no row.
    """

    known_digests: set[str]
    new_tickers: set[str]


class StoreQueries:
    """Queries of the store. Methods raise DatabaseError.

    database: connection for writes, which the queries of the jobs use.
    reader: connection of `compare` and `unknown_events`, which run at the same time as a write.
    """

    def __init__(self, database: Database, reader: Database, lease: Lease) -> None:
        self._database = database
        self._reader = reader
        self._lease = lease
        self._table = database.settings.table

    def compare(self, raw_markets: Sequence[RawMarket]) -> Comparison:
        """Compare the markets of a page with the stored rows."""
        sql = f"""
            SELECT json_agg(replace(quotes.object_hash::text, '-', ''))
                       FILTER (WHERE quotes.object_hash = incoming.digest AND quotes.removed_at IS NULL),
                   json_agg(incoming.ticker) FILTER (WHERE quotes.ticker IS NULL)
            FROM json_to_recordset($1::json) AS incoming(ticker text, digest uuid)
            LEFT JOIN {self._table}_quotes AS quotes ON quotes.ticker = incoming.ticker"""
        incoming = [
            {"ticker": market.ticker, "digest": market.digest}
            for market in raw_markets
            if market.digest or is_valid_pg_text(market.ticker)
        ]
        [[known, new]] = self._reader.query(sql, json.dumps(incoming))
        return Comparison(set(known or ()), set(new or ()))

    def unknown_events(self, tickers: Collection[str]) -> list[str]:
        """Return the tickers of events that were never requested. Tickers with a comma are excluded.

        The exchange splits tickers at commas.
        """
        sql = f"""
            SELECT incoming.ticker FROM json_array_elements_text($1::json) AS incoming(ticker)
            WHERE incoming.ticker NOT LIKE '%,%'
              AND NOT EXISTS (SELECT FROM {self._table}_events WHERE event_ticker = incoming.ticker)
              AND NOT EXISTS (SELECT FROM {self._table}_unknown_events WHERE event_ticker = incoming.ticker)"""
        return [ticker for (ticker,) in self._reader.query(sql, json.dumps([*tickers]))]

    def events_to_request(self, last_requested_before: datetime, maximum: int) -> list[str]:
        """Return the events of markets without a series, and the events that were stored without a valid title.

        The least recently requested come first.
        last_requested_before: unknown events requested after it are excluded. maximum: number of events.
        """
        sql = f"""
            SELECT event_ticker FROM (
                SELECT details.event_ticker, min(event.asked_at) AS asked_at FROM {self._table}_details AS details
                LEFT JOIN {self._table}_unknown_events AS event ON event.event_ticker = details.event_ticker
                WHERE details.series_ticker IS NULL AND details.event_ticker IS NOT NULL
                  AND (event.asked_at IS NULL OR event.asked_at < $1::timestamptz)
                GROUP BY details.event_ticker
                UNION SELECT event_ticker, NULL FROM {self._table}_events WHERE title IS NULL) AS candidate
            WHERE event_ticker NOT LIKE '%,%'
            ORDER BY asked_at NULLS FIRST, event_ticker LIMIT $2::int"""
        return self._tickers(sql, last_requested_before, maximum)

    def known_archived(self, cutoff: datetime, maximum: int, combos: bool) -> list[str]:
        """Return the tickers of stored markets that were settled before the cutoff, the first created first."""
        sql = f"""
            SELECT details.ticker FROM {self._table}_details AS details
            JOIN {self._table}_quotes AS quotes ON quotes.ticker = details.ticker
            WHERE details.settlement_ts < $1::timestamptz AND quotes.removed_at IS NULL
              AND details.ticker NOT LIKE '%,%' AND ($3::boolean OR details.mve_collection_ticker IS NULL)
            ORDER BY details.created_time, details.ticker LIMIT $2::int"""
        return self._tickers(sql, cutoff, maximum, combos)

    def next_series(self, after: str, combos: bool) -> str | None:
        """Return the first series whose ticker sorts after `after`, or None if there is none."""
        sql = f"""
            SELECT series_ticker FROM {self._table}_series
            WHERE series_ticker > $1::text AND ($2::boolean OR series_ticker NOT LIKE 'KXMVE%')
            ORDER BY series_ticker LIMIT 1"""
        return next(iter(self._tickers(sql, after, combos)), None)

    def unknown(self, tickers: Sequence[str]) -> list[str]:
        """Return the tickers that have no row."""
        sql = f"""
            SELECT incoming.ticker FROM json_array_elements_text($1::json) AS incoming(ticker)
            WHERE NOT EXISTS (SELECT FROM {self._table}_quotes AS quotes WHERE quotes.ticker = incoming.ticker)"""
        return self._tickers(sql, json.dumps([*tickers]))

    def missing(self, jobs: Sequence[str], maximum: int, combos: bool) -> list[str]:
        """Return the unsettled markets that the last complete passes of these jobs did not see.

        The least recently looked up come first.
        """
        table = self._table
        # The partial index of the quotes covers unsettled markets. That of the details finds markets without a status.
        sql = f"""
            WITH seen AS MATERIALIZED (
                SELECT unnest(page.tickers) AS ticker_hash FROM {table}_seen AS page
                JOIN {table}_jobs AS job ON job.job = page.job AND job.confirmed_at = page.started_at
                WHERE page.job IN (SELECT json_array_elements_text($1::json))),
            unsettled AS (
                SELECT ticker FROM {table}_quotes WHERE status <> 'finalized'
                UNION ALL
                SELECT ticker FROM {table}_details WHERE status IS NULL),
            unseen AS MATERIALIZED (
                SELECT ticker FROM unsettled
                WHERE NOT EXISTS (SELECT FROM seen WHERE seen.ticker_hash = hashtextextended(unsettled.ticker, 0)))
            SELECT unseen.ticker FROM unseen JOIN {table} AS market ON market.ticker = unseen.ticker
            LEFT JOIN {table}_lookups AS lookup ON lookup.ticker = unseen.ticker
            WHERE market.removed_at IS NULL AND ($3::boolean OR market.mve_collection_ticker IS NULL)
              AND unseen.ticker NOT LIKE '%,%'
            ORDER BY lookup.asked_at NULLS FIRST, 1 LIMIT $2::int"""
        return self._tickers(sql, json.dumps([*jobs]), maximum, combos)

    def rejected_tickers(self, maximum: int) -> list[str]:
        """Return the tickers of rejects of earlier runs, the least recently looked up first."""
        sql = f"""
            SELECT reject.ticker FROM {self._table}_rejects AS reject
            LEFT JOIN {self._table}_lookups AS lookup ON lookup.ticker = reject.ticker
            WHERE reject.ticker NOT LIKE '%,%' AND reject.last_at < $2::timestamptz
            ORDER BY lookup.asked_at NULLS FIRST, reject.last_at LIMIT $1::int"""
        return self._tickers(sql, maximum, self._lease.acquired_at)

    def has_expired(self, before: datetime) -> bool:
        """Return whether any market was settled before a time."""
        sql = f"SELECT FROM {self._table}_quotes WHERE settlement_ts < $1::timestamptz LIMIT 1"
        return bool(self._database.query(sql, before))

    def has_untitled_series(self) -> bool:
        """Return whether any series was stored without a valid title."""
        return bool(self._database.query(f"SELECT FROM {self._table}_series WHERE title IS NULL LIMIT 1"))

    def _tickers(self, sql: str, *values: object) -> list[str]:
        return [ticker for (ticker,) in self._database.query(sql, *values)]
