"""Benchmark of the crawler: python -m tests.bench.crawl [--markets 40000] [--live 247000]

The crawler's function runs in a fresh process each time, over prepared pages of the simulated exchange, into tables
with all their indexes. The reference is a naive crawler (tests.bench.naive_crawler). The floor writes the same pages
from memory. Figures are medians of interleaved rounds. The exit status is 1 if a bar is missed; only the default sizes
are judged.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from crawler.jobs.base import LIVE_JOBS
from kalshi_markets.settings import MAX_RATE
from tests.bench.crawl_fixture import CrawlerTables, PageFolders, customer, live, pages, prepare, serve
from tests.bench.crawl_once import Walked, walk
from tests.bench.naive_crawler import NaiveCrawler
from tests.bench.queries import machine
from tests.bench.report import HEAD, Bar, Line, max_bar
from tests.bench.server import connect, running, step
from tests.bench.table import database
from tests.bench.writes import rate as written

MARKETS, LIVE = 40_000, 247_000
"""Markets of the simulated exchange. Its live passes list three in four: 31,000 and 190,000."""
ROUNDS: Final = 3
LAKE_ROUNDS: Final = 7
PACED_ROUNDS: Final = 3
PEERS_PAGES: Final = 4
"""Pages of each pass of the naive crawler, which is slow."""
RATE: Final = 20
"""Requests per second: the exchange's basic tier."""
MINUTELY: Final = ("changed/created", "changed/updated", "settled")

Section = Callable[[], Iterator[Line]]


@dataclass(frozen=True)
class Bench:
    """Environment of the benchmark. first, later: URLs of the exchange at the two moments."""

    environment: Mapping[str, str]
    folder: Path
    tables: CrawlerTables
    naive_crawler: NaiveCrawler
    page_folders: PageFolders
    first: str
    later: str

    def crawl(self, url: str, *due: str, page: int = 1000, **settings: str) -> Walked:
        """Run the jobs that are due, by default the live ones. page: the number of markets in a page."""
        self.tables.set_due(*(due or LIVE_JOBS))
        return walk({**self.environment, "EXCHANGE_URL": url, "EXCHANGE_RATE": str(MAX_RATE), **settings}, page)

    def restore(self, url: str) -> None:
        """Reset the tables to their state after live passes over an exchange."""
        self.crawl(url, "series", *LIVE_JOBS)
        self.tables.drop_unseen()

    def write(self, folder: Path) -> float:
        """Return the floor: markets per second when a folder's pages are written from memory."""
        with closing(database(self.environment)) as writer:
            return written(writer, pages(folder))

    def run_naive_crawler(self, url: str) -> float:
        """Return the reference: markets per second of the naive crawler."""
        began = time.perf_counter()
        markets = self.naive_crawler.walk(url, PEERS_PAGES)
        return markets / (time.perf_counter() - began)


def fill(bench: Bench) -> Iterator[Line]:
    """Measure a first fill, in which every row is new."""
    bench.tables.truncate()
    floor = bench.write(bench.page_folders.first)
    bench.tables.truncate()
    bench.crawl(bench.first, "series")
    ours = bench.crawl(bench.first)
    bench.naive_crawler.truncate()
    reference = bench.run_naive_crawler(bench.first)
    yield Line(f"first fill, {ours.markets:,} markets and their events", ours.rate, "mkts/s", reference, floor)


def steady(bench: Bench) -> Iterator[Line]:
    """Measure a live pass after some of the markets changed, then one after no change."""
    ours: list[Walked] = []
    still: list[Walked] = []
    logged: list[int] = []
    floors: list[float] = []
    references: list[float] = []

    def crawl() -> None:
        bench.restore(bench.first)
        before = bench.tables.wal_bytes()
        ours.append(bench.crawl(bench.later))
        logged.append(bench.tables.wal_bytes() - before)
        still.append(bench.crawl(bench.later))

    def write() -> None:
        bench.restore(bench.first)
        floors.append(bench.write(bench.page_folders.later))

    def run_naive_crawler() -> None:
        bench.run_naive_crawler(bench.first)
        references.append(bench.run_naive_crawler(bench.later))

    bench.restore(bench.first)
    bench.naive_crawler.copy()
    sides = [crawl, write, run_naive_crawler]
    for round_ in range(ROUNDS):
        for side in [*sides[round_:], *sides[:round_]]:
            side()
    speed, reference, floor = _rate(ours), median(references), median(floors)
    bars = (
        Bar(">= 10 ref", speed / reference, 10, is_minimum=True),
        Bar(">= 0.6 floor", speed / floor, 0.6, is_minimum=True),
    )
    name = f"live walk, {ours[0].markets:,} markets, {ours[0].differed:,} of them differ"
    yield Line(name, speed, "mkts/s", reference, floor, bars)
    yield Line("  CPU of our process, a market", _cpu(ours), "us", bars=(max_bar(60, _cpu(ours)),))
    yield Line("  WAL, a row that differs", median(logged) / ours[0].differed, "bytes", note=_mb("all", median(logged)))
    yield Line(f"live walk, {still[0].differed:,} differ", _rate(still), "mkts/s")
    yield Line("  CPU of our process, a market", _cpu(still), "us")


def lake(bench: Bench) -> Iterator[Line]:
    """Measure what recording for the lake adds to a live pass, beside the same pass without a lake."""
    off, on = _without_and_with_lake(bench, LAKE_ROUNDS, bench.later)
    time_ = _more(off.seconds, on.seconds)
    wal = _more(off.wal, on.wal)
    yield Line("live walk with a lake, more time", time_, "%", bars=(max_bar(10, time_),))
    note = f"{on.wal:.0f} bytes a row that differs, {off.wal:.0f} without"
    yield Line("  more WAL", wal, "%", bars=(max_bar(10, wal),), note=note)
    yield Line("  more CPU of our process", _more(off.cpu, on.cpu), "%")
    yield Line("  lines in the outbox, a row that differs", on.lines, "bytes")
    key, settings = customer(bench.folder)
    with serve(bench.page_folders.later, "--tier", "basic", "--api-key", key) as (_, url):
        permitted = {**settings, "EXCHANGE_RATE": str(RATE)}
        off, on = _without_and_with_lake(bench, PACED_ROUNDS, url, page=100, **permitted)
    time_, note = _more(off.sending, on.sending), f"{on.sending:.2f} s, {off.sending:.2f} s without"
    yield Line(f"live walk with a lake, {RATE} requests/s, more time", time_, "%", bars=(max_bar(2, time_),), note=note)


@dataclass(frozen=True)
class _LakeSide:
    """Medians of passes.

    sending: seconds from the first request to the last.
    wal, lines: bytes of WAL and of lines in the outbox, for each row that differs.
    """

    seconds: float
    sending: float
    cpu: float
    wal: float
    lines: float


def _without_and_with_lake(bench: Bench, rounds: int, url: str, **settings: Any) -> list[_LakeSide]:
    """Run live passes in turn without and with a lake, and return the figures of both."""
    sides: list[tuple[dict[str, Any], list[tuple[Walked, int, int]]]]
    sides = [({}, []), ({"LAKE_URL": (bench.folder / "lake").as_uri()}, [])]
    for round_ in range(rounds):
        for lake_settings, figures in sides if round_ % 2 else reversed(sides):
            bench.restore(bench.first)
            wal, lines = bench.tables.wal_bytes(), bench.tables.outbox_bytes()
            walked = bench.crawl(url, **settings, **lake_settings)
            figures.append((walked, bench.tables.wal_bytes() - wal, bench.tables.outbox_bytes() - lines))
    return [
        _LakeSide(
            median(walked.seconds for walked, _, _ in figures),
            median(walked.sending for walked, _, _ in figures),
            _cpu([walked for walked, _, _ in figures]),
            median(wal / walked.differed for walked, wal, _ in figures),
            median(lines / walked.differed for walked, _, lines in figures),
        )
        for _, figures in sides
    ]


def _more(before: float, after: float) -> float:
    """Return how much more a figure is, in percent."""
    return (after / before - 1) * 100


def rate(bench: Bench) -> Iterator[Line]:
    """Measure the share of the permitted request rate that is used. Small pages show the rate limiter's part."""
    key, settings = customer(bench.folder)
    permitted = {**settings, "EXCHANGE_RATE": str(RATE)}
    with serve(bench.page_folders.later, "--tier", "basic", "--api-key", key) as (_, url):
        for page in (100, 1000):
            walked = bench.crawl(url, page=page, **permitted)
            requests, rate_limited = walked.summary["requests"], walked.summary["rate_limited"]
            used = requests / (RATE * walked.sending) * 100
            bars = (Bar(">= 95", used, 95, is_minimum=True), Bar("no 429", rate_limited, 0))
            name = f"of {RATE} requests a second used, pages of {page:,}"
            note = f"{requests} requests, {rate_limited} 429s"
            yield Line(name, used, "%", bars=bars if page == 100 else bars[1:], note=note)


def idle(bench: Bench) -> Iterator[Line]:
    """Measure a minute without changes."""
    with serve(bench.page_folders.first, "--speed", 0) as (_, url):
        bench.restore(url)
        bench.crawl(url, *MINUTELY)
        rows, log = bench.tables.rows_written(), bench.tables.wal_bytes()
        walked = bench.crawl(url, *MINUTELY)
        rows, log = bench.tables.rows_written() - rows, bench.tables.wal_bytes() - log
    requests = walked.summary["requests"]
    bars = (max_bar(10, requests), Bar("no row", rows, 0))
    note = f"{walked.markets} markets seen, {rows} rows written"
    yield Line("requests of an idle minute", requests, "", bars=bars, note=note)
    yield Line("  WAL", log, "bytes")


def full_size(bench: Bench, markets: int) -> Iterator[Line]:
    """Measure as many markets as the exchange lists, with its latency."""
    with TemporaryDirectory() as name:
        with step(f"preparing pages of {markets:,} markets, twice"):
            page_folders = prepare(Path(name), markets)
        far = ("--fault", "kind=latency,seconds=0.25")
        with serve(page_folders.first) as (_, first), serve(page_folders.later, *far) as (_, later):
            with step("filling the table"):
                bench.restore(first)
            walked = bench.crawl(later, EXCHANGE_RATE=str(RATE))
    name = f"{walked.markets:,} markets, {walked.differed:,} differ, 250 ms, {RATE} requests/s"
    note = f"{walked.summary['requests']} requests"
    yield Line(name, walked.seconds, "s", bars=(max_bar(60, walked.seconds),), note=note)
    yield Line("  CPU of our process, a market", walked.micros, "us")
    yield _memory("  peak memory", walked)
    each = walked.summary["bytes_received"] / walked.markets
    yield Line("  bytes received, a market", each, "bytes", note=_mb("190,000", each * 190_000))


def memory(bench: Bench, markets: int = 2_000_000) -> Iterator[Line]:
    """Measure the peak memory, which must not grow with the exchange."""
    bench.tables.truncate()
    with live(markets) as (_, url):
        walked = bench.crawl(url, "series", *LIVE_JOBS, RUN_SECONDS="65")
    yield _memory(f"peak memory, a minute ({walked.markets:,} new markets) of {markets:,}", walked)


def _memory(name: str, walked: Walked) -> Line:
    megabytes = walked.peak * 1024 / 1e6
    return Line(name, megabytes, "MB", bars=(max_bar(256, megabytes),))


def _rate(walks: list[Walked]) -> float:
    return median(walked.rate for walked in walks)


def _cpu(walks: list[Walked]) -> float:
    return median(walked.micros for walked in walks)


def _mb(what: str, size: float) -> str:
    return f"{what}: {size / 1e6:.1f} MB"


def sections(bench: Bench, live_markets: int) -> dict[str, Section]:
    """Return the sections by name, in the order of their run."""
    return {
        "machine": machine,
        "fill": partial(fill, bench),
        "steady": partial(steady, bench),
        "lake": partial(lake, bench),
        "rate": partial(rate, bench),
        "idle": partial(idle, bench),
        "whole": partial(full_size, bench, live_markets),
        "memory": partial(memory, bench),
        "machine afterwards": machine,
    }


def main() -> int:
    """Run the benchmark and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=MARKETS, help="of the exchange for speed; 40,000 are judged")
    parser.add_argument("--live", type=int, default=LIVE, help="of the whole exchange; 247,000 are judged")
    parser.add_argument("--only", nargs="*", metavar="SECTION", help="fill, steady, …: see sections()")
    arguments = parser.parse_args()
    judged, missed = (arguments.markets, arguments.live) == (MARKETS, LIVE), 0
    with ExitStack() as stack:
        sections_ = sections(_bench(stack, arguments.markets), arguments.live)
        print(HEAD, flush=True)
        for name in arguments.only or sections_:
            for line in sections_[name]():
                print(line.text(judged=judged), flush=True)
                missed += judged and not line.is_good
    print(f"{missed} bars missed" if judged else "not judged")
    return 1 if missed else 0


def _bench(stack: ExitStack, markets: int) -> Bench:
    folder = Path(stack.enter_context(TemporaryDirectory()))
    with step(f"preparing pages of {markets:,} markets, twice"):
        page_folders = prepare(folder, markets)
    environment = stack.enter_context(running(folder / "postgres"))
    tables = CrawlerTables(environment, stack.enter_context(connect(environment)))
    naive_crawler = stack.enter_context(closing(NaiveCrawler(environment)))
    _, first = stack.enter_context(serve(page_folders.first))
    _, later = stack.enter_context(serve(page_folders.later))
    return Bench(environment, folder, tables, naive_crawler, page_folders, first, later)


if __name__ == "__main__":
    sys.exit(main())
