"""Outbox of the lake: the versions of each commit, recorded as JSON lines in the commit's own transaction."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from kalshi_markets.columns import Column, Entity, Kind, Table
from kalshi_markets.database import Database
from kalshi_markets.lake.columns import LAKE_DETAILS, LAKE_QUOTES
from kalshi_markets.lake.objects import ChangesObject

BACKLOG_ROWS: Final = 10_000
"""Maximum of versions in an object of the backlog."""
MAX_OBJECT_BYTES: Final = 32 * 1024 * 1024
"""Maximum size of the lines of one object, in bytes. A single commit may exceed it."""
TIME_FORMAT: Final = "YYYY-MM-DD HH24:MI:SS.US"
"""Format of times in the lake, always UTC (postgresql.org/docs, data type formatting)."""
NOT_RECORDED: Final = "not recorded"
"""Reason of a gap: markets changed while the lake was off."""
OUTBOX_FULL: Final = "outbox full"
"""Reason of a gap: the storage was unavailable for so long that the outbox reached its maximum size."""


class LakeState(NamedTuple):
    """Position of the export.

    lake_id: identifier of the database's lake.
    exported: last change that is in the lake.
    backlog_before: the backlog has the versions up to this change.
    backlog_complete: whether the backlog is in the lake.
    """

    lake_id: str
    exported: int
    backlog_before: int
    backlog_complete: bool


@dataclass(frozen=True)
class LakeProgress:
    """Progress of the lake that a commit records.

    exported: object of changes that has been written.
    closed_day: day whose manifest has been written.
    backlog_before: the backlog up to this change is complete.
    """

    exported: ChangesObject | None = None
    closed_day: date | None = None
    backlog_before: int | None = None


class OutboxPage(NamedTuple):
    """Lines of one or more commits of one day, to be written as one object.

    after: last change before the lines.
    last: last change of the lines.
    body: the lines, each with a line break at its end.
    """

    after: int
    last: int
    day: date
    body: str


class Outbox:
    """Outbox of the lake. Methods raise DatabaseError.

    `begin`, `record` and `acknowledge` run in a transaction of the lease.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = database.settings.table
        self._record_sql = _record_sql(self._table)

    def begin(self, max_bytes: int) -> None:
        """Start recording, or continue it.

        Changes that were not recorded become a gap record, and the backlog is due again. If the outbox is larger than
        max_bytes, its oldest rows give way to a gap record.
        """
        sql = f"""
            SELECT lake.exported, {self._recorded_sql()},
                coalesce((SELECT max(change_number) FROM {self._table}_quotes), 0)
            FROM {self._table}_lake AS lake"""
        [[exported, recorded, newest]] = self._database.execute(sql)
        if exported is None or newest > recorded:
            if exported is not None:
                self._insert_gap(recorded, newest, NOT_RECORDED)
            sql = f"""
                UPDATE {self._table}_lake SET exported = coalesce(exported, $1::bigint), backlog_before = $1::bigint,
                    backlog_complete = false"""
            self._database.execute(sql, newest)
        self._shrink(max_bytes)

    def record(self) -> None:
        """Record the versions that the transaction has written. Call it after all writes."""
        # As a parameter, the number has a plan that reads only the new versions: a subquery would read a third of all.
        [[recorded]] = self._database.execute(f"SELECT {self._recorded_sql()} FROM {self._table}_lake AS lake")
        self._database.execute(self._record_sql, recorded)

    def state(self) -> LakeState:
        """Return the position of the export. Recording must have begun."""
        sql = f"SELECT lake_id, exported, backlog_before, backlog_complete FROM {self._table}_lake"
        [[lake_id, *position]] = self._database.query(sql)
        return LakeState(str(lake_id), *position)

    def next_page(self) -> OutboxPage | None:
        """Return the oldest lines of one day that are not in the lake, or None if there are none."""
        sql = f"""
            SELECT lake.exported, page.after, page.number, page.day, page.lines
            FROM {self._table}_lake AS lake CROSS JOIN LATERAL (
                SELECT *, sum(bytes) OVER (ORDER BY number) AS total, row_number() OVER (ORDER BY number) AS position,
                    first_value(day) OVER (ORDER BY number) AS first_day
                FROM {self._table}_outbox WHERE number > lake.exported) AS page
            WHERE (page.total <= $1::bigint OR page.position = 1) AND page.day = page.first_day
            ORDER BY page.number"""
        rows = self._database.query(sql, MAX_OBJECT_BYTES)
        if not rows:
            return None
        exported, after, _, day, _ = rows[0]
        if after > exported:
            raise ValueError(f"the outbox continues after change {after}, but the lake ends with {exported}.")
        lines = "".join(row[4] for row in rows)
        return OutboxPage(exported, rows[-1][2], day, lines if after == exported else _lines_after(exported, lines))

    def backlog_page(self, before: int, after_ticker: str) -> list[tuple[str, str]]:
        """Return tickers and lines of the next versions of the backlog, with their details, in the order of tickers."""
        sql = f"""
            SELECT ticker, {_line_sql(self._table, "true")} FROM {self._table}_quotes AS quotes
            WHERE ticker > $1::text AND change_number <= $2::bigint ORDER BY ticker LIMIT {BACKLOG_ROWS}"""
        return [(ticker, line) for ticker, line in self._database.query(sql, after_ticker, before)]

    def snapshot_page(self, entity: Entity, after_key: str) -> list[tuple[str, str]]:
        """Return keys and lines of the next events or series, in the order of their keys."""
        columns = [column for column in entity.columns if column.table is not Table.SERIES_COUNTS]
        values = ", ".join(f"{_json_value('item', column)} AS {column.name}" for column in columns)
        sql = f"""
            SELECT {entity.key}, row_to_json(line)::text || E'\n' FROM (
                SELECT {values} FROM {self._table}_{entity.name} AS item
                WHERE {entity.key} > $1::text ORDER BY {entity.key} LIMIT {BACKLOG_ROWS}) AS line"""
        return [(key, line) for key, line in self._database.query(sql, after_key)]

    def closed_day(self) -> list[ChangesObject]:
        """Return the objects of the oldest day that has ended and is exported but has no manifest."""
        sql = f"""
            SELECT after, last, day, lines, size, sha256 FROM {self._table}_lake_objects AS object
            WHERE day = (SELECT min(day) FROM {self._table}_lake_objects) AND day < now()::date
              AND NOT EXISTS (SELECT FROM {self._table}_outbox AS outbox WHERE outbox.day <= object.day)
            ORDER BY after"""
        return [ChangesObject(*row) for row in self._database.query(sql)]

    def acknowledge(self, progress: LakeProgress) -> None:
        """Record progress. The lines that are in the lake are deleted."""
        if progress.exported:
            self._acknowledge(progress.exported)
        if progress.closed_day:
            sql = f"DELETE FROM {self._table}_lake_objects WHERE day = $1::date"
            self._database.execute(sql, progress.closed_day)
        if progress.backlog_before is not None:
            sql = f"UPDATE {self._table}_lake SET backlog_complete = true WHERE backlog_before = $1::bigint"
            self._database.execute(sql, progress.backlog_before)

    def _acknowledge(self, written: ChangesObject) -> None:
        sql = f"""
            WITH object AS (
                INSERT INTO {self._table}_lake_objects (after, last, day, lines, size, sha256)
                VALUES ($1::bigint, $2::bigint, $3::date, $4::bigint, $5::bigint, $6::text) ON CONFLICT DO NOTHING),
            exported AS (DELETE FROM {self._table}_outbox WHERE number <= $2::bigint)
            UPDATE {self._table}_lake SET exported = greatest(exported, $2::bigint)"""
        self._database.execute(sql, *written)

    def _recorded_sql(self) -> str:
        """Return the SQL of the last recorded change."""
        return f"coalesce((SELECT max(number) FROM {self._table}_outbox), lake.exported)"

    def _insert_gap(self, after: int, number: int, reason: str) -> None:
        sql = f"""
            INSERT INTO {self._table}_outbox (number, after, day, bytes, lines)
            SELECT $2::bigint, $1::bigint, now()::date, octet_length(line), line FROM ({_GAP_SQL}) AS gap(line)"""
        self._database.execute(sql, after, number, reason)

    def _shrink(self, max_bytes: int) -> None:
        """Replace the oldest rows by one gap record, until the outbox is at most half full."""
        sql = f"""
            WITH row AS (
                SELECT number, after, sum(bytes) OVER (ORDER BY number DESC) AS total FROM {self._table}_outbox),
            old AS (SELECT number, after FROM row
                WHERE total > $1::bigint / 2 AND (SELECT max(total) FROM row) > $1::bigint),
            deleted AS (DELETE FROM {self._table}_outbox AS outbox USING old WHERE outbox.number = old.number)
            SELECT min(after), max(number) FROM old HAVING count(*) > 0"""
        for after, number in self._database.execute(sql, max_bytes):
            self._insert_gap(after, number, OUTBOX_FULL)


_GAP_SQL: Final = f"""
    SELECT json_build_object('gap', $3::text, 'after', $1::bigint, 'change_number', $2::bigint,
        'changed_at', to_char(now(), '{TIME_FORMAT}'))::text || E'\\n'"""


def _record_sql(table: str) -> str:
    """Return the SQL that records the versions after the change number $1.

    The details are part of a version only if they changed with it: to join them to each version would read a random
    page for each.
    """
    return f"""
        INSERT INTO {table}_outbox (number, after, day, bytes, lines)
        SELECT max(change_number), $1::bigint, now()::date, sum(octet_length(line)),
            string_agg(line, '' ORDER BY change_number)
        FROM (
            SELECT quotes.change_number, {_line_sql(table, "quotes.details_changed_at = quotes.changed_at")} AS line
            FROM {table}_quotes AS quotes WHERE quotes.change_number > $1::bigint) AS version
        HAVING count(*) > 0"""


def _line_sql(table: str, has_details: str) -> str:
    """Return the SQL of the line of a version. has_details: SQL condition of versions with their details."""
    quotes = ", ".join(f"'{column.name}', {_json_value('quotes', column)}" for column in LAKE_QUOTES)
    details = ", ".join(f"{_json_value('details', column)} AS {column.name}" for column in LAKE_DETAILS)
    return f"""
        json_build_object({quotes}, 'details', CASE WHEN {has_details} THEN (
            SELECT row_to_json(detail) FROM (
                SELECT {details} FROM {table}_details AS details WHERE details.ticker = quotes.ticker) AS detail)
        END)::text || E'\\n'"""


def _json_value(alias: str, column: Column) -> str:
    """Return the SQL of a column's value in a line: decimals and JSON as strings, times in UTC."""
    name = f"{alias}.{column.name}"
    match column.kind:
        case Kind.TIME:
            return f"to_char({name}, '{TIME_FORMAT}')"
        case Kind.NUMBER if column.sql_type == "numeric":
            return f"{name}::text"
        case Kind.JSON:
            return f"{name}::text"
    return name


def _lines_after(number: int, lines: str) -> str:
    """Return the lines with later changes than a number: another exporter may have written the others."""
    later = (line for line in lines.splitlines(keepends=True) if json.loads(line)["change_number"] > number)
    return "".join(later)
