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
        self._write_events = _WRITE_EVENTS.format(table=table, update_markets=_update_markets_sql(table))
        self._write_series = _WRITE_SERIES.format(table=table, update_markets=_update_markets_sql(table))

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

    They follow a CTE `written_event` with the columns event_ticker, series_ticker, title and category.
    """
    columns = ("series_ticker", "category", "title")
    stored, new = (", ".join(f"{source}.{name}" for name in columns) for source in ("details", "market"))
    return f"""
        market AS (
            SELECT details.ticker, written_event.series_ticker, written_event.category,
                   {TITLE_SQL.format(market="details", event="written_event")} AS title
            FROM written_event JOIN {table}_details AS details ON details.event_ticker = written_event.event_ticker),
        changed_details AS (
            UPDATE {table}_details AS details SET ({", ".join(columns)}) = ROW({new})
            FROM market WHERE details.ticker = market.ticker AND ({stored}) IS DISTINCT FROM ({new})
            RETURNING details.ticker, details.category),
        changed_quotes AS (
            UPDATE {table}_quotes AS quotes
            SET category = changed_details.category, {SET_CHANGE_NUMBER_SQL.format(table=table)}
            FROM changed_details WHERE quotes.ticker = changed_details.ticker
            RETURNING 1)
        SELECT count(*) FROM changed_quotes"""


_WRITE_EVENTS: Final = """
        WITH incoming AS MATERIALIZED (
            SELECT * FROM json_to_recordset($1::json) AS event(event_ticker text, series_ticker text, title text)),
        stored AS (
            INSERT INTO {table}_events (event_ticker, series_ticker, title)
            SELECT event_ticker, series_ticker, title FROM incoming
            ON CONFLICT (event_ticker) DO UPDATE SET
                series_ticker = excluded.series_ticker, title = excluded.title, asked_at = excluded.asked_at),
        written_event AS (
            SELECT incoming.event_ticker, incoming.series_ticker, incoming.title, series.category
            FROM incoming LEFT JOIN {table}_series AS series ON series.series_ticker = incoming.series_ticker
            WHERE incoming.series_ticker IS NOT NULL),
        {update_markets}"""

# Updates markets only if the category changed: a series may have a hundred thousand markets.
_WRITE_SERIES: Final = """
        WITH incoming AS MATERIALIZED (
            SELECT sent.*, series.category IS DISTINCT FROM sent.category AS differs
            FROM json_to_recordset($1::json) AS sent(series_ticker text, title text, category text)
            LEFT JOIN {table}_series AS series ON series.series_ticker = sent.series_ticker),
        stored AS (
            INSERT INTO {table}_series AS series (series_ticker, title, category)
            SELECT series_ticker, title, category FROM incoming
            ON CONFLICT (series_ticker) DO UPDATE SET title = excluded.title, category = excluded.category
            WHERE (series.title, series.category) IS DISTINCT FROM (excluded.title, excluded.category)),
        written_event AS (
            SELECT event.event_ticker, event.series_ticker, event.title, incoming.category
            FROM incoming JOIN {table}_events AS event ON event.series_ticker = incoming.series_ticker
            WHERE incoming.differs),
        {update_markets}"""
