"""Table of generated markets with the exchange's real profile: python -m tests.bench.table [--rows 2000000]

It is stored in a PostgreSQL of its own under .data/bench-<rows>. It is rebuilt if an earlier build was interrupted or
the migrations have changed since.
"""

import argparse
import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import psycopg.sql

from crawler.market_counter import MarketCounter
from kalshi_markets.columns import COLUMNS, MARKETS, Column, Kind, Origin, Table, columns_of
from kalshi_markets.database import Database
from kalshi_markets.event_columns import EVENTS, SERIES
from kalshi_markets.exchange import market_row, series_row
from kalshi_markets.job_names import COUNTS
from kalshi_markets.settings import DatabaseSettings, MigratorSettings
from local import ROOT
from local.exchange.catalogue import MarketFilter, Order
from local.exchange.clock import Clock
from local.exchange.generated import generate
from migrator.indexes import INDEXES, build_indexes, index_name
from migrator.migrate import FOLDER, migrate
from tests.bench.server import TABLE, Connection, connect, running, step

ROWS: Final = 2_000_000
NOW: Final = 1_795_600_000
"""Time of the exchange's clock: 2026-11-25T09:46:40Z."""
LIVE, ARCHIVED = 85_000, 200_000
SETTLED_UNTIL, SETTLED_DAYS = "2026-11-25 21:00Z", 60
SEED: Final = 7

STORED: Final = [column for column in COLUMNS if column.origin is not Origin.SERVICE]
STORED_SERIES: Final = [column for column in SERIES.columns if column.origin is not Origin.SERVICE]
LARGE_SERIES, LARGE_EVENT, LARGE_SIZE = "KXLARGE", "KXLARGE-26NOV25", 10_000
"""A series and its event, with this number of markets."""
TABLES: Final = (Table.DETAILS, Table.QUOTES, Table.EVENTS, Table.SERIES)
ANALYZED: Final = ", ".join(f"{TABLE}_{name}" for name in (*TABLES, "counts", "facets"))


@contextmanager
def table(rows: int, folder: Path | None = None) -> Iterator[dict[str, str]]:
    """Yield the environment of a database with this many markets.

    The database is built the first time. One process uses it at a time; others wait.
    """
    folder = folder or ROOT / ".data" / f"bench-{rows}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield from _stored_table(rows, folder)


def _stored_table(rows: int, folder: Path) -> Iterator[dict[str, str]]:
    marker, schema = folder / "complete", _schema()
    if not marker.exists() or marker.read_text() != schema:
        if folder.exists():
            shutil.rmtree(folder)
        print(f"making {rows:,} markets in {folder}")
        with running(folder / "postgres") as environment:
            _make(environment, rows)
        marker.write_text(schema)
    with running(folder / "postgres") as environment:
        _refresh(environment)
        yield environment


def database(environment: Mapping[str, str]) -> Database:
    """Return a connection like the crawler's and the migrator's, with a timeout of one day."""
    return _ReportingDatabase(DatabaseSettings.from_env(environment), application_name="bench", timeout=86_400)


class _ReportingDatabase(Database):
    """Connection that prints the name of each index that it builds."""

    def execute(self, sql: str, *values: object) -> list[list[Any]]:
        if sql.startswith("CREATE") and "INDEX" in sql:
            with step(sql.split(" ON ")[0].split()[-1]):
                return super().execute(sql, *values)
        return super().execute(sql, *values)


def run(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    """Run a trusted statement and return its rows, if it has any."""
    cursor = connection.execute(sql)
    return cursor.fetchall() if cursor.description else []


def _schema() -> str:
    """Return the schema that a table was built for: the migrations, and the table of each column."""
    columns = "".join(
        f"{column.name} {column.sql_type} {column.table} {column.origin}\n"
        for entity in (MARKETS, EVENTS, SERIES)
        for column in entity.columns
    )
    migrations = "".join(path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.sql")))
    return hashlib.sha256((columns + migrations).encode()).hexdigest()


def _refresh(environment: Mapping[str, str]) -> None:
    """Bring the indexes up to date and load the table into memory."""
    owner = database(environment)
    with connect(environment) as connection:
        if _build(owner, connection):
            run(connection, f"VACUUM ANALYZE {ANALYZED}")
        with step("reading the table into memory"):
            run(connection, "CREATE EXTENSION IF NOT EXISTS pg_prewarm")
            like = (
                f"relname ~ '^{TABLE}_(details|quotes|events|series|counts|facets|[dqes]_)' AND relkind IN ('r', 'i')"
            )
            run(connection, f"SELECT sum(pg_prewarm(oid, 'read')) FROM pg_class WHERE {like}")
            run(connection, f"SELECT sum(pg_prewarm(oid)) FROM pg_class WHERE {like}")
    owner.close()


def _build(owner: Database, connection: Connection) -> list[str]:
    """Build the indexes that are missing or have another definition. An index's comment stores its definition."""
    wanted = {index_name(index, TABLE): index.definition for index in INDEXES}
    tables = ", ".join(f"'{TABLE}_{name}'::regclass" for name in TABLES)
    indexes = run(
        connection,
        "SELECT indexrelid::regclass::text, obj_description(indexrelid) FROM pg_index"
        f" WHERE indrelid IN ({tables}) AND NOT indisprimary",
    )
    for name, definition in indexes:
        if wanted.get(name) != definition:
            run(connection, f"DROP INDEX {name}")
    built = build_indexes(owner)
    for name in built:
        run(connection, f"COMMENT ON INDEX {name} IS {psycopg.sql.quote(wanted[name])}")
    return built


def _make(environment: Mapping[str, str], rows: int) -> None:
    owner = database(environment)
    with connect(environment) as connection:
        with step("generating and copying"):
            _generate(environment, connection, rows)
        run(connection, _multiplied(connection, rows))
        with step("migrations"):
            migrate(
                Database(DatabaseSettings.from_env(environment), application_name="bench"),
                MigratorSettings.from_env({}),
            )
        for index in INDEXES:
            run(connection, f"DROP INDEX {index_name(index, TABLE)}")
        for part, ours in ((Table.DETAILS, ("first_seen_at", "seen")), (Table.QUOTES, ("changed_at", "changed"))):
            with step(f"filling {TABLE}_{part}"):
                names = [column.name for column in columns_of(part) if column in STORED]
                into, source = ", ".join([*names, ours[0]]), ", ".join([*names, ours[1]])
                run(connection, f"INSERT INTO {TABLE}_{part} ({into}) SELECT {source} FROM bench_rows")
        with step("filling events and series"):
            _fill_events(connection)
        _build(owner, connection)
        with step("counting"):
            MarketCounter(owner).count()
        with step("vacuum and statistics"):
            run(connection, f"VACUUM ANALYZE {ANALYZED}")
        _write_job_state(connection, rows)
        run(connection, "DROP VIEW bench_rows")
        run(connection, "DROP TABLE bench_base, bench_settled, bench_series")
    owner.close()


def _generate(environment: Mapping[str, str], connection: Connection, rows: int) -> None:
    """Generate live and archived markets in parallel into bench_base."""
    for name, stored in (("base", STORED), ("series", STORED_SERIES)):
        columns = ", ".join(f"{column.name} {column.sql_type}" for column in stored)
        run(connection, f"CREATE UNLOGGED TABLE bench_{name} ({columns})")
    with ProcessPoolExecutor(2) as pool:
        for part in [pool.submit(_copy, dict(environment), rows, archived) for archived in (False, True)]:
            part.result()
    # A market may be in both lists while it moves, and a copy must not have a live market's name.
    run(
        connection,
        "DELETE FROM bench_base b USING (SELECT ticker, min(ctid) AS kept FROM bench_base GROUP BY 1 HAVING count(*) > 1) d"
        " WHERE b.ticker = d.ticker AND b.ctid <> d.kept",
    )
    run(
        connection,
        "DELETE FROM bench_base s WHERE settlement_ts IS NOT NULL AND ticker IN"
        " (SELECT regexp_replace(ticker, '-[0-9]+$', '') FROM bench_base WHERE settlement_ts IS NULL)",
    )


def _copy(environment: dict[str, str], rows: int, archived: bool) -> None:
    size = min(LIVE, rows // 24)
    world = generate(SEED, size, Clock(start=NOW * 10**6, speed=0), archived=min(ARCHIVED, rows // 10))
    series_rows = {series.ticker: series_row(series.fields) or {} for series in world.all_series()}
    titles = {event["event_ticker"]: event["title"] for event in (json.loads(e.json) for _, e in world.events(None))}
    names = ", ".join(column.name for column in STORED)
    wanted = MarketFilter(combos=False, archived=archived)
    into = f"COPY bench_base ({names}) FROM STDIN"
    with connect(environment) as connection, connection.cursor() as cursor, cursor.copy(into) as copy:
        for _, market in world.markets(Order.CREATED, None, wanted):
            row: dict[str, Any] = {**market_row(json.loads(market.json, parse_float=Decimal))}
            series = series_rows[market.series_ticker]
            row |= {name: series[name] for name in ("series_ticker", "category", "categories")}
            row["event_title"] = titles.get(row["event_ticker"])
            copy.write_row([row[column.name] for column in STORED])
    if not archived:
        series_names = [column.name for column in STORED_SERIES]
        into = f"COPY bench_series ({', '.join(series_names)}) FROM STDIN"
        with connect(environment) as connection, connection.cursor() as cursor, cursor.copy(into) as copy:
            for series in series_rows.values():
                copy.write_row([series[name] for name in series_names])


def _fill_events(connection: Connection) -> None:
    """Store the series, and an event for each event ticker of the markets. An event was edited when it opened."""
    names = ", ".join(column.name for column in STORED_SERIES)
    run(connection, f"INSERT INTO {TABLE}_series ({names}) SELECT {names} FROM bench_series")
    run(connection, f"INSERT INTO {TABLE}_series (series_ticker, title) VALUES ('{LARGE_SERIES}', 'A large series')")
    run(
        connection,
        f"""INSERT INTO {TABLE}_events (event_ticker, series_ticker, title, sub_title, category, categories,
            mutually_exclusive, strike_date, last_updated_ts)
        SELECT DISTINCT ON (event_ticker) event_ticker, series_ticker, event_title, yes_sub_title, category, categories,
            hashtext(event_ticker) % 2 = 0, close_time, greatest(open_time, timestamptz '2021-06-01')
        FROM bench_rows WHERE event_ticker IS NOT NULL ORDER BY event_ticker""",
    )


def _multiplied(connection: Connection, rows: int) -> str:
    """Create a view of exactly this many rows: the live ones, and copies of the settled ones over the last days."""
    run(
        connection,
        "CREATE UNLOGGED TABLE bench_settled AS SELECT *, row_number() OVER (ORDER BY ticker) AS n FROM bench_base"
        " WHERE settlement_ts IS NOT NULL",
    )
    [(live, settled)] = run(
        connection, "SELECT count(*) FILTER (WHERE settlement_ts IS NULL), count(settlement_ts) FROM bench_base"
    )
    wanted = rows - live
    print(f"  {live:,} live and {settled:,} settled ones; {wanted:,} copies of these")
    back = f"make_interval(secs => {SETTLED_DAYS * 86_400} * ((hashtext(event_ticker || r)::bigint & 65535) / 65536.0))"
    return f"""
        CREATE VIEW bench_rows AS
        SELECT {_list(STORED)}, {_seen("open_time")} AS seen,
               timestamptz '{SETTLED_UNTIL}' - make_interval(secs => hashtext(ticker) & 255) AS changed
        FROM bench_base WHERE settlement_ts IS NULL
        UNION ALL
        SELECT {_list(STORED, copied=True)}, {_seen("open_time - earlier")}, settlement_ts - earlier
        FROM (SELECT s.*, r, settlement_ts - (timestamptz '{SETTLED_UNTIL}' - {back}) AS earlier
              FROM bench_settled AS s, generate_series(1, {-(-wanted // settled)}) AS r
              WHERE (r - 1) * {settled} + n <= {wanted}) AS copies"""


def _seen(opened: str) -> str:
    return f"least({opened}, timestamptz '{SETTLED_UNTIL}')"


def _list(columns: Sequence[Column], *, copied: bool = False) -> str:
    def output(column: Column) -> str:
        if copied and column.kind is Kind.TIME:
            # The exchange writes the year 1 for an unknown time.
            return f"CASE WHEN {column.name} < '1970-01-01' THEN {column.name} ELSE {column.name} - earlier END"
        large = {"series_ticker": LARGE_SERIES, "event_ticker": LARGE_EVENT}.get(column.name)
        value = f"{column.name} || '-' || r" if copied and column.name in ("ticker", "event_ticker") else column.name
        return f"CASE WHEN r = 1 AND n <= {LARGE_SIZE} THEN '{large}' ELSE {value} END" if copied and large else value

    return ", ".join(output(column) for column in columns)


def _write_job_state(connection: Connection, rows: int) -> None:
    """Write a job state in which one job has just seen all markets."""
    [(count, newest)] = run(connection, f"SELECT count(*), max(change_number) FROM {TABLE}_quotes")
    assert count == rows, f"{count} rows instead of {rows}"
    run(
        connection,
        f"INSERT INTO {TABLE}_jobs (job, run_count, started_at, finished_at, committed_at, pages, markets, added, change_number)"
        f" VALUES ('bench', 1, now(), now(), clock_timestamp(), {rows // 1000}, {rows}, {rows}, {newest})",
    )
    run(connection, f"INSERT INTO {TABLE}_jobs (job, confirmed_at) VALUES ('{COUNTS}', now())")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    with table(parser.parse_args().rows):
        print("ready")
