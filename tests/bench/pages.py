"""Benchmarks of pages, single markets, exports and memory, each with its reference, floor or own baseline."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

from local import ROOT
from tests.bench.api_process import ApiProcess, next_url
from tests.bench.reference import Floor, Reference
from tests.bench.report import Bar, Line, interleaved, max_bar
from tests.bench.server import Connection
from tests.bench.table import run

LARGE, SMALL = "/markets?limit=10000", "/markets?limit=100"
EXPORT: Final = "/markets?limit=10000&order_by=ticker&order_direction=asc&format=ndjson"
EXPORTED_PAGES: Final = 40
DEEP: Final = 0.95
"""Depth of the page in the table, as a fraction."""


@dataclass(frozen=True)
class Bench:
    """Compared services, over one table."""

    environment: Mapping[str, str]
    connection: Connection
    ours: ApiProcess
    reference: Reference
    floor: Floor
    rows: int
    ticker: str

    def beside(self, name: str, url: str, *bars: Callable[[float, float, float], Bar], built: str = "") -> Line:
        """Return the interleaved medians of ours, the reference and the floor. built: path prefix of the reference."""
        statements, other = self.ours.statements_of(url), built + url
        taken = interleaved(
            lambda: self.ours.get(url), lambda: self.reference.get(other), lambda: self.floor.run(statements)
        )
        ours, reference, floor = map(median, taken)
        return Line(name, ours, "ms", reference, floor, tuple(bar(ours, reference, floor) for bar in bars))


def of_reference(part: float) -> Callable[[float, float, float], Bar]:
    return lambda ours, reference, floor: Bar(f"<= {part:g} ref", ours / reference, part)


def of_floor(part: float) -> Callable[[float, float, float], Bar]:
    return lambda ours, reference, floor: Bar(f"<= {part:g} floor", ours / floor, part)


def above_floor(milliseconds: float) -> Callable[[float, float, float], Bar]:
    return lambda ours, reference, floor: Bar(f"<= floor + {milliseconds:g}", ours - floor, milliseconds)


def pages(bench: Bench) -> Iterator[Line]:
    """Measure the page of 10,000, the page of 100, one market, and two pages of the faster reference."""
    yield bench.beside("page of 10,000, gzip", LARGE, of_reference(0.30), of_floor(1.3))
    yield bench.beside("page of 100, gzip", SMALL, of_reference(0.70), above_floor(1.5))
    yield bench.beside("one market", f"/markets/{bench.ticker}", above_floor(1.0))
    yield bench.beside("page of 10,000 (reference: response_model, floats)", LARGE, built="/quickest")
    yield bench.beside("page of 100 (reference: response_model, floats)", SMALL, built="/quickest")


def unchanged(bench: Bench) -> Iterator[Line]:
    """Measure a 304; the reference is the page that it replaces."""
    ours = bench.ours
    tag = ours.get(SMALL)["headers"]["etag"]
    assert ours.get(SMALL, if_none_match=tag)["statusCode"] == 304
    spared, full = map(median, interleaved(lambda: ours.get(SMALL, if_none_match=tag), lambda: ours.get(SMALL)))
    yield Line("304 (reference: ours, page of 100)", spared, "ms", full, bars=(of_reference(0.6)(spared, full, 0),))


def deep(bench: Bench) -> Iterator[Line]:
    """Measure a page deep in the table by cursor; the reference is the first page."""
    yield _deep(bench, "ticker", "&order_by=ticker")
    yield _deep(bench, "the default", "")


def _deep(bench: Bench, name: str, order: str) -> Line:
    depth = int(bench.rows * DEEP)
    far = walked(bench.ours, f"{LARGE}{order}", depth).replace("limit=10000", "limit=100")
    first = f"{SMALL}{order}"
    at_depth, at_first = map(median, interleaved(lambda: bench.ours.get(far), lambda: bench.ours.get(first)))
    name = f"100 at {depth:,} by {name} (reference: first page)"
    return Line(name, at_depth, "ms", at_first, bars=(of_reference(1.5)(at_depth, at_first, 0),))


def walked(ours: ApiProcess, url: str, depth: int) -> str:
    """Return the URL of the page at a depth, reached by pages of 10,000."""
    for _ in range(depth // 10_000):
        url = next_url(ours.get(url)) or ""
        assert url, "the walk ended"
    return url


def export(bench: Bench) -> Iterator[Line]:
    """Measure the first pages of a full export in rows per second; the floor runs the same statements."""
    url: str | None = EXPORT
    taken: list[tuple[float, float]] = []
    while url and len(taken) < EXPORTED_PAGES:
        taken.append(_exported(bench, url, ours_first=len(taken) % 2 == 0))
        url = next_url(bench.ours.get(url))
    rows = len(taken) * 10_000
    ours, floor = rows / sum(seconds for seconds, _ in taken), rows / sum(other for _, other in taken)
    bar = Bar(">= 0.7 floor", ours / floor, 0.7, is_minimum=True)
    yield Line(f"export by ticker, ndjson, the first {len(taken)} pages", ours, "rows/s", floor=floor, bars=(bar,))


def _exported(bench: Bench, url: str, *, ours_first: bool) -> tuple[float, float]:
    """Return the seconds of a page, ours and the floor's, after its rows were read once."""
    statements = bench.ours.statements_of(url)
    taken = {}
    for is_ours in (ours_first, not ours_first):
        began = time.perf_counter()
        if is_ours:
            bench.ours.get(url)
        else:
            bench.floor.run(statements)
        taken[is_ours] = time.perf_counter() - began
    return taken[True], taken[False]


def memory(bench: Bench) -> Iterator[Line]:
    """Measure the peak memory of a fresh process that serves one large page."""
    command = [sys.executable, "-m", "tests.bench.api_process", LARGE]
    environment = {**os.environ, **bench.environment}
    completed = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    peak = int(completed.stdout) / 1024
    yield Line("memory of a fresh process, page of 10,000", peak, "MiB", bars=(max_bar(200, peak),))


def sizes(connection: Connection) -> Iterator[str]:
    """Yield the size of the tables and of each index."""
    relations = run(
        connection,
        "SELECT relname, relkind, pg_relation_size(oid), pg_table_size(oid) FROM pg_class"
        " WHERE relname ~ '^kalshi_markets_(details|quotes|events|series|counts|facets|[dqes]_)' AND relkind IN ('r', 'i') ORDER BY relkind DESC, 3 DESC",
    )
    for name, kind, size, total in relations:
        yield f"{'table' if kind == 'r' else 'index'}  {name:50} {(total if kind == 'r' else size) / 2**20:9,.1f} MiB"
    yield f"in all {'':50} {sum(total if kind == 'r' else size for _, kind, size, total in relations) / 2**20:9,.1f} MiB"
