"""Batch write of events and series, which Market objects do not contain."""

import json
from collections.abc import Sequence
from typing import Final

from crawler.market_writer import SET_CHANGE_NUMBER_SQL, TITLE_SQL, is_row_error
from kalshi_markets.database import Database, StatementError
from kalshi_markets.exchange import Event, Series
from kalshi_markets.logs import make_logger

logger = make_logger("crawler", child=True)


class EventWriter:
    """Writer of events and series, and of the markets' columns that depend on them. Methods raise DatabaseError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = database.settings.table
        self._write_events = _WRITE_EVENTS.format(table=table, described=_update_markets_sql(table))
        self._write_series = _WRITE_SERIES.format(table=table, described=_update_markets_sql(table))

    def write(self, events: Sequence[Event], series: Sequence[Series]) -> int:
        """Write events and series within a transaction. Return the number of changed markets."""
        changed = 0
        if series:
            series_by_ticker = {item.series_ticker: item._asdict() for item in series}
            changed += int(self._database.execute(self._write_series, json.dumps([*series_by_ticker.values()]))[0][0])
        if events:
            events_by_ticker = {item.event_ticker: item._asdict() for item in events}
            changed += int(self._database.execute(self._write_events, json.dumps([*events_by_ticker.values()]))[0][0])
        return changed

    def write_bisecting(self, events: Sequence[Event], series: Sequence[Series]) -> int:
        """Write by bisection and skip each row that PostgreSQL rejects. Return the number of changed markets.

        A skipped event is stored without its series, so that it is not requested again at once.
        """
        try:
            with self._database.savepoint():
                return self.write(events, series)
        except StatementError as error:
            if not is_row_error(error):
                raise
            if len(events) + len(series) == 1:
                return self._leave_out(events, str(error))
        half, middle = len(series) // 2, len(events) // 2
        changed = 0
        for some_events, some_series in (
            ([], series[:half]),
            ([], series[half:]),
            (events[:middle], []),
            (events[middle:], []),
        ):
            if some_events or some_series:
                changed += self.write_bisecting(some_events, some_series)
        return changed

    def _leave_out(self, events: Sequence[Event], reason: str) -> int:
        logger.warning("event or series rejected", extra={"error": reason})
        bare = [Event(event.event_ticker, None, None) for event in events]
        return self.write_bisecting(bare, []) if bare and bare != [*events] else 0


def _update_markets_sql(table: str) -> str:
    """Return CTEs that update the markets of events and count them.

    They follow a CTE `about` with the columns event_ticker, series_ticker, title and category.
    """
    columns = ("series_ticker", "category", "title")
    described = ", ".join(f"a.{name}" for name in columns)
    return f"""
        affected AS (
            SELECT t.ticker, a.series_ticker, a.category, {TITLE_SQL.format(market="t", event="a")} AS title
            FROM about AS a JOIN {table}_details AS t ON t.event_ticker = a.event_ticker),
        described AS (
            UPDATE {table}_details AS t SET ({", ".join(columns)}) = ROW({described})
            FROM affected AS a
            WHERE t.ticker = a.ticker AND ({", ".join(f"t.{name}" for name in columns)}) IS DISTINCT FROM ({described})
            RETURNING t.ticker, t.category),
        numbered AS (
            UPDATE {table}_quotes AS q SET category = d.category, {SET_CHANGE_NUMBER_SQL.format(table=table)}
            FROM described AS d WHERE q.ticker = d.ticker
            RETURNING 1)
        SELECT count(*) FROM numbered"""


_WRITE_EVENTS: Final = """
        WITH incoming AS MATERIALIZED (
            SELECT * FROM json_to_recordset($1::json) AS r(event_ticker text, series_ticker text, title text)),
        written AS (
            INSERT INTO {table}_events AS e (event_ticker, series_ticker, title)
            SELECT event_ticker, series_ticker, title FROM incoming
            ON CONFLICT (event_ticker) DO UPDATE SET
                series_ticker = excluded.series_ticker, title = excluded.title, asked_at = excluded.asked_at),
        about AS (
            SELECT i.event_ticker, i.series_ticker, i.title, s.category
            FROM incoming AS i LEFT JOIN {table}_series AS s ON s.series_ticker = i.series_ticker
            WHERE i.series_ticker IS NOT NULL),
        {described}"""

# Updates markets only if the category changed: a series may have a hundred thousand markets.
_WRITE_SERIES: Final = """
        WITH incoming AS MATERIALIZED (
            SELECT r.*, s.category IS DISTINCT FROM r.category AS differs
            FROM json_to_recordset($1::json) AS r(series_ticker text, title text, category text)
            LEFT JOIN {table}_series AS s ON s.series_ticker = r.series_ticker),
        written AS (
            INSERT INTO {table}_series AS s (series_ticker, title, category)
            SELECT series_ticker, title, category FROM incoming
            ON CONFLICT (series_ticker) DO UPDATE SET title = excluded.title, category = excluded.category
            WHERE (s.title, s.category) IS DISTINCT FROM (excluded.title, excluded.category)),
        about AS (
            SELECT e.event_ticker, e.series_ticker, e.title, i.category
            FROM incoming AS i JOIN {table}_events AS e ON e.series_ticker = i.series_ticker
            WHERE i.differs),
        {described}"""
