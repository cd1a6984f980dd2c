"""Batch write of events and series, and of the markets' columns that follow from them."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from crawler.incoming_rows import (
    assign_sql,
    differ_sql,
    incoming_rows_sql,
    names_of,
    qualified,
    set_change_number_sql,
)
from crawler.market_writer import EVENT_TITLE_SQL, FROM_EVENT, is_row_error
from kalshi_markets.database import Database, StatementError
from kalshi_markets.event_columns import EVENT_COLUMNS, SERIES_COLUMNS
from kalshi_markets.exchange import Row
from kalshi_markets.logs import make_logger
from kalshi_markets.text import MAX_TICKER_LENGTH

MAX_ROWS: Final = 1_000
"""Maximum of rows in one statement."""
_CATEGORIES: Final = ("category", "categories")
_MARKET_COLUMNS: Final = (*FROM_EVENT, "title")

logger = make_logger("crawler", child=True)


class EventWriter:
    """Writer of events and series, and of the markets' columns that depend on them. Methods raise DatabaseError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = database.settings.table
        self._events_sql = _write_events_sql(table)
        self._series_sql = _write_series_sql(table)
        self._unknown_sql = _write_unknown_sql(table)

    def write(self, events: Sequence[Row], series: Sequence[Row], unknown_events: Sequence[str]) -> int:
        """Write events and series within a transaction. Return the number of changed markets."""
        changed = self._write_series(series) + self._write_events(events)
        self._write_unknown(unknown_events)
        return changed

    def write_bisecting(self, events: Sequence[Row], series: Sequence[Row], unknown_events: Sequence[str]) -> int:
        """Write by bisection and skip each row that PostgreSQL rejects. Return the number of changed markets.

        A skipped event is stored as unknown, so that it is not requested again at once.
        """
        changed, _ = self._bisect(self._write_series, series)
        changed_by_events, skipped = self._bisect(self._write_events, events)
        self._write_unknown([*unknown_events, *(str(event["event_ticker"]) for event in skipped)])
        return changed + changed_by_events

    def _bisect(self, write: Callable[[Sequence[Row]], int], rows: Sequence[Row]) -> tuple[int, list[Row]]:
        """Return the number of changed markets, and the rows that PostgreSQL rejects."""
        try:
            with self._database.savepoint():
                return write(rows), []
        except StatementError as error:
            if not is_row_error(error):
                raise
            if len(rows) == 1:
                logger.warning("event or series rejected", extra={"error": str(error)})
                return 0, [*rows]
        half = len(rows) // 2
        (first, skipped), (second, further) = self._bisect(write, rows[:half]), self._bisect(write, rows[half:])
        return first + second, [*skipped, *further]

    def _write_events(self, events: Sequence[Row]) -> int:
        return self._write(self._events_sql, {event["event_ticker"]: event for event in events})

    def _write_series(self, series: Sequence[Row]) -> int:
        return self._write(self._series_sql, {item["series_ticker"]: item for item in series})

    def _write(self, sql: str, rows_by_ticker: dict[Any, Row]) -> int:
        """Write rows of different tickers. Return the number of changed markets."""
        rows, changed = [*rows_by_ticker.values()], 0
        for start in range(0, len(rows), MAX_ROWS):
            changed += int(self._database.execute(sql, json.dumps(rows[start : start + MAX_ROWS]))[0][0])
        return changed

    def _write_unknown(self, tickers: Sequence[str]) -> None:
        storable = [ticker for ticker in tickers if len(ticker) <= MAX_TICKER_LENGTH]
        if storable:
            self._database.execute(self._unknown_sql, json.dumps(storable))


def _write_events_sql(table: str) -> str:
    """Return the SQL that writes events. Its parameter is a JSON array of rows. It returns one row (changed markets).

    The categories are those of the series. They follow it later, if it is not stored yet.
    """
    sent = names_of(EVENT_COLUMNS)
    stored = [*sent, *_CATEGORIES]
    return f"""
        WITH incoming AS MATERIALIZED (
            SELECT sent.*, series.category, series.categories FROM ({incoming_rows_sql(EVENT_COLUMNS)}) AS sent
            LEFT JOIN {table}_series AS series ON series.series_ticker = sent.series_ticker),
        changed AS (
            UPDATE {table}_events AS event SET {assign_sql(stored)}, {set_change_number_sql(table, "_events")}
            FROM incoming WHERE event.event_ticker = incoming.event_ticker AND {differ_sql("event", stored)}),
        added AS (
            INSERT INTO {table}_events ({", ".join(stored)}) SELECT {", ".join(stored)} FROM incoming
            WHERE NOT EXISTS (SELECT FROM {table}_events AS event WHERE event.event_ticker = incoming.event_ticker)),
        known AS (
            DELETE FROM {table}_unknown_events AS unknown USING incoming
            WHERE unknown.event_ticker = incoming.event_ticker),
        {_update_markets_sql(table, "incoming")}"""


def _write_series_sql(table: str) -> str:
    """Return the SQL that writes series. Its parameter is a JSON array of rows. It returns one row (changed markets).

    Events and markets are updated only if the categories changed: a series may have a hundred thousand markets.
    """
    stored = names_of(SERIES_COLUMNS)
    return f"""
        WITH incoming AS MATERIALIZED ({incoming_rows_sql(SERIES_COLUMNS)}),
        moved AS MATERIALIZED (
            SELECT incoming.series_ticker, {qualified("incoming", _CATEGORIES)} FROM incoming
            LEFT JOIN {table}_series AS series ON series.series_ticker = incoming.series_ticker
            WHERE {differ_sql("series", _CATEGORIES)}),
        changed AS (
            UPDATE {table}_series AS series SET {assign_sql(stored)}, {set_change_number_sql(table, "_series")}
            FROM incoming WHERE series.series_ticker = incoming.series_ticker AND {differ_sql("series", stored)}),
        added AS (
            INSERT INTO {table}_series ({", ".join(stored)}) SELECT {", ".join(stored)} FROM incoming
            WHERE NOT EXISTS (SELECT FROM {table}_series AS series WHERE series.series_ticker = incoming.series_ticker)
        ),
        event AS MATERIALIZED (
            SELECT event.event_ticker, event.series_ticker, event.title, {qualified("moved", _CATEGORIES)}
            FROM moved JOIN {table}_events AS event ON event.series_ticker = moved.series_ticker),
        changed_events AS (
            UPDATE {table}_events AS stored SET {assign_sql(_CATEGORIES, "event")},
                {set_change_number_sql(table, "_events")}
            FROM event WHERE stored.event_ticker = event.event_ticker AND {differ_sql("stored", _CATEGORIES, "event")}),
        {_update_markets_sql(table, "event")}"""


def _update_markets_sql(table: str, events: str) -> str:
    """Return CTEs that update the markets of events and count them.

    events: a CTE with the columns event_ticker, series_ticker, title, category and categories.
    """
    return f"""
        market AS (
            SELECT details.ticker, event.series_ticker, event.title AS event_title, event.category, event.categories,
                   CASE WHEN details.title_from_event OR coalesce(details.title, '') = ''
                        THEN coalesce({EVENT_TITLE_SQL.format(market="details", event="event")}, details.title)
                        ELSE details.title END AS title
            FROM {events} AS event JOIN {table}_details AS details ON details.event_ticker = event.event_ticker),
        changed_details AS (
            UPDATE {table}_details AS details SET {assign_sql(_MARKET_COLUMNS, "market")}
            FROM market WHERE details.ticker = market.ticker AND {differ_sql("details", _MARKET_COLUMNS, "market")}
            RETURNING details.ticker, {qualified("details", _CATEGORIES)}),
        changed_quotes AS (
            UPDATE {table}_quotes AS quotes
            SET {assign_sql(_CATEGORIES, "changed_details")}, {set_change_number_sql(table)}, details_changed_at = now()
            FROM changed_details WHERE quotes.ticker = changed_details.ticker
            RETURNING 1)
        SELECT count(*) FROM changed_quotes"""


def _write_unknown_sql(table: str) -> str:
    """Return the SQL that records unknown events. Its parameter is a JSON array of tickers."""
    return f"""
        WITH incoming AS (SELECT DISTINCT json_array_elements_text($1::json) AS event_ticker),
        bare AS (  -- rows of a version that stored unknown events without a series
            DELETE FROM {table}_events AS event USING incoming
            WHERE event.event_ticker = incoming.event_ticker AND event.series_ticker IS NULL)
        INSERT INTO {table}_unknown_events (event_ticker, asked_at) SELECT event_ticker, now() FROM incoming
        ON CONFLICT (event_ticker) DO UPDATE SET asked_at = excluded.asked_at"""
