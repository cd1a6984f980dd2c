"""Benchmark of the crawler's writes, and of their effect on readers.

As a program, python -m tests.bench.writes ROWS, it is the writer: it prints `ready`, waits for a line, rewrites this
many rows of live markets through the crawler's store, a page of 1,000 at a time, and prints `done`.
"""

import os
import random
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from statistics import median
from typing import Any, Final

from crawler.job_table import JobState
from crawler.market_writer import MarketWriter
from crawler.store import Batch, Store
from kalshi_markets.columns import MARKET_COLUMNS, Column, Kind, Table
from kalshi_markets.database import Database
from kalshi_markets.exchange import parse_market
from local import ROOT
from tests.bench.pages import LARGE, SMALL, Bench
from tests.bench.report import RUNS, Bar, Line, milliseconds, p95
from tests.bench.server import TABLE, Connection, connect, step
from tests.bench.table import database, run

PAGE: Final = 1_000
PAGES: Final = 40
ROUNDS: Final = 3
REWRITTEN: Final = 0.05
NEW: Final = "BENCHNEW-"
TRADED: Final = ("volume", "liquidity", "open_interest", "yes_bid_dollars", "yes_bid_size")
TWICE: Final = 2.0

Page = Sequence[dict[str, Any]]
"""Market objects."""


def live(connection: Connection) -> list[Page]:
    """Return the live markets as the exchange sends them, in pages, oldest first."""
    names = [column.source_field for column in MARKET_COLUMNS]
    values = run(
        connection,
        f"SELECT {', '.join(map(_projected, MARKET_COLUMNS))} FROM {TABLE} WHERE settlement_ts IS NULL"
        " ORDER BY created_time, ticker",
    )
    rows = [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in values]
    return [rows[at : at + PAGE] for at in range(0, len(rows), PAGE)]


def _projected(column: Column) -> str:
    if column.kind in (Kind.BOOLEAN, Kind.JSON):
        return column.name
    if column.kind is Kind.TIME:
        return f"""to_char({column.name}, 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00')"""
    return f"{column.name}::text"


def traded(rows: Page, chance: random.Random) -> Page:
    """Return the rows with changed quotes and volumes."""
    return [
        row
        | {
            "volume_fp": f"{chance.randrange(1_000_000)}.00",
            "open_interest_fp": f"{chance.randrange(1_000_000)}.00",
            "yes_bid_dollars": f"0.{chance.randrange(1, 100):02}00",
            "yes_bid_size_fp": f"{chance.randrange(1_000)}.00",
        }
        for row in rows
    ]


def writes(bench: Bench, urls: Mapping[str, str]) -> Iterator[Line]:
    """Measure reads while another process writes, then the writes alone."""
    with restored(bench.connection):
        yield from under_writes(bench, urls)
        yield from rates(bench)


def rates(bench: Bench) -> Iterator[Line]:
    """Measure rows per second of one connection: changed and unchanged (medians of the rounds), and new."""
    chance = random.Random(1)
    writer = database(bench.environment)
    pages = live(bench.connection)[:PAGES]
    rate(writer, pages)  # sets the hash of each row
    changed, unchanged = [], []
    for _ in range(ROUNDS):
        after = [traded(page, chance) for page in pages]
        changed.append(rate(writer, after))
        unchanged.append(rate(writer, after))
    figure = median(changed)
    name = f"changed rows written, {ROUNDS} times {len(pages)} pages of {PAGE:,}"
    yield Line(name, figure, "rows/s", bars=(Bar(">= 15,000", figure, 15_000, is_minimum=True),))
    yield Line("unchanged rows written", median(unchanged), "rows/s")
    new = [[row | {"ticker": f"{NEW}{row['ticker']}"} for row in page] for page in pages[: PAGES // 2]]
    yield Line("new rows written", rate(writer, new), "rows/s")
    writer.close()


def rate(writer: Database, pages: Sequence[Page]) -> float:
    """Return the rows per second of writing parsed markets."""
    markets = MarketWriter(writer)
    parsed = [[parse_market(market) for market in page] for page in pages]
    began = time.perf_counter()
    for markets_of_page in parsed:
        with writer.transaction():
            markets.write(markets_of_page)
    return sum(map(len, pages)) / (time.perf_counter() - began)


def under_writes(bench: Bench, urls: Mapping[str, str]) -> Iterator[Line]:
    """Measure the 95th percentile of requests during writes; the reference is without writes."""
    requests = {"page of 10,000": LARGE, "page of 100": SMALL, "one market": f"/markets/{bench.ticker}", **urls}
    quiet: dict[str, list[float]] = {name: [] for name in requests}
    busy: dict[str, list[float]] = {name: [] for name in requests}
    with _writer(bench) as writer:
        for _ in range(RUNS):
            _run_once(bench, requests, quiet)
        _say(writer)
        began = time.perf_counter()
        while not _has_output(writer):
            _run_once(bench, requests, busy)
        seconds = time.perf_counter() - began
    for name in requests:
        ours, reference = p95(busy[name]), p95(quiet[name])
        bar = Bar(f"<= {TWICE:g} ref", ours / reference, TWICE)
        yield Line(f"while written: {name} (reference: quiet)", ours, "ms", reference, bars=(bar,))
    yield Line(f"  median of all while written ({len(busy['one market'])} turns)", median(chain(*busy.values())))
    yield Line("  rows written meanwhile", bench.rows * REWRITTEN / seconds, "rows/s")


def _run_once(bench: Bench, requests: Mapping[str, str], taken: Mapping[str, list[float]]) -> None:
    for name, url in requests.items():
        taken[name].append(milliseconds(lambda url=url: bench.ours.get(url)))  # type: ignore[misc]


@contextmanager
def _writer(bench: Bench) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.bench.writes", str(int(bench.rows * REWRITTEN))]
    environment = {**os.environ, **bench.environment}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "the writer did not start"
            yield process
        finally:
            process.kill()


def _say(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _has_output(process: "subprocess.Popen[str]") -> bool:
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], 0)[0])


def _write(environment: Mapping[str, str], count: int) -> None:
    """Run the writer's process."""
    with connect(environment) as connection:
        pages = live(connection)
    writer = database(environment)
    store, chance = Store(writer), random.Random(2)
    assert store.lease.acquire(), "another crawler writes"
    for page in pages:
        store.commit(Batch(JobState("bench/writer"), [parse_market(market) for market in page]))
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(-(-count // PAGE)):
        page = traded(pages[number % len(pages)], chance)
        store.commit(Batch(JobState("bench/writer"), [parse_market(market) for market in page]))
    print("done", flush=True)
    store.lease.release()


@contextmanager
def restored(connection: Connection) -> Iterator[None]:
    """Restore the live markets afterwards. If this process is killed, the next run restores them."""
    names = ", ".join(TRADED)
    saved = f"SELECT ticker, {names} FROM {TABLE} WHERE settlement_ts IS NULL"
    run(connection, f"CREATE TABLE IF NOT EXISTS bench_saved AS {saved}")
    try:
        yield
    finally:
        with step("restoring the table"):
            run(connection, f"UPDATE {TABLE}_lease SET ends_at = '-infinity'")
            for part in (Table.DETAILS, Table.QUOTES):
                run(connection, f"DELETE FROM {TABLE}_{part} WHERE ticker >= '{NEW}' AND ticker < '{NEW}~'")
            assigned = ", ".join(f"{name} = s.{name}" for name in TRADED)
            run(
                connection, f"UPDATE {TABLE}_quotes AS q SET {assigned} FROM bench_saved AS s WHERE s.ticker = q.ticker"
            )
            run(connection, f"UPDATE {TABLE}_jobs SET change_number = (SELECT last_value FROM {TABLE}_change)")
            run(connection, "DROP TABLE bench_saved")
            run(connection, f"VACUUM ANALYZE {TABLE}_details, {TABLE}_quotes")


if __name__ == "__main__":
    _write(os.environ, int(sys.argv[1]))
