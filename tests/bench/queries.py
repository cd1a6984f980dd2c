"""Benchmark of the query API: python -m tests.bench.queries [--rows 2000000]

It invokes the API function as Lambda does, over a table of generated markets (tests.bench.table, stored under .data).
The reference is a service built in the common way; the floor is the bare SQL (tests.bench.reference). Figures are
interleaved medians or 95th percentiles. The exit status is 1 if a bar is missed; the bars are for 2,000,000 rows, and
no other number is judged.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from statistics import median

from tests.bench import explorer, navigation, pages, query_cases, writes
from tests.bench.api_process import ApiProcess, ResponseNotSent
from tests.bench.pages import Bench
from tests.bench.query_cases import Case
from tests.bench.reference import Floor, Reference
from tests.bench.report import HEAD, RUNS, Line, max_bar, milliseconds, p95
from tests.bench.samples import Sample, samples
from tests.bench.server import TABLE, connect
from tests.bench.table import ROWS, run, table

MAX_MILLISECONDS: float = 50
"""Maximum milliseconds of a query, as the 95th percentile."""
FEW, MANY, HOPELESS = 5, 20, 500

Section = Callable[[], Iterator[Line]]


def measured(bench: Bench, case: Case) -> Line:
    """Return a query's 95th percentile of FEW runs: of MANY if FEW miss the bar, of one if it exceeds HOPELESS."""
    try:
        first = milliseconds(lambda: bench.ours.get(case.url))
        get = partial(bench.ours.get, case.url)
        taken = [first] if first > HOPELESS else [milliseconds(get) for _ in range(FEW)]
        if MAX_MILLISECONDS < p95(taken) < HOPELESS:
            taken = [milliseconds(get) for _ in range(MANY)]
        figure, note = p95(taken), ""
    except ResponseNotSent as error:
        figure, note = math.inf, str(error)
    return Line(case.name, figure, bars=(max_bar(MAX_MILLISECONDS, figure),), note=note)


def singly(bench: Bench, cases_: Iterable[Case]) -> Iterator[Line]:
    """Yield a line for each query."""
    for case in cases_:
        yield measured(bench, case)


def together(bench: Bench, name: str, cases_: Iterable[Case]) -> Iterator[Line]:
    """Yield a line for each query that misses the bar, then one line for all of them."""
    figures = []
    for case in cases_:
        line = measured(bench, case)
        figures.append(line.ours)
        if not line.is_good:
            yield line
    over = sum(figure > MAX_MILLISECONDS for figure in figures)
    yield Line(f"{name}: {len(figures)} queries, {over} over {MAX_MILLISECONDS:g} ms; their median", median(figures))


def sections(bench: Bench, sampled: dict[str, Sample]) -> dict[str, Section]:
    """Return the sections by name, in the order of their run."""
    combined = list(query_cases.combinations(bench.connection, sampled))
    patterns = list(query_cases.patterns(bench.connection, bench.rows))
    return {
        "machine": machine,
        "pages": lambda: pages.pages(bench),
        "304": lambda: pages.unchanged(bench),
        "combinations": lambda: singly(bench, combined),
        "patterns": lambda: singly(bench, patterns),
        "orders": lambda: singly(bench, query_cases.orders()),
        "filters": lambda: together(bench, "filters alone", query_cases.filters(sampled)),
        "listings": lambda: navigation.listings(bench),
        "search": lambda: navigation.searches(bench, sampled),
        "facets": lambda: navigation.facets(bench, sampled),
        "explore": lambda: explorer.first_view(bench),
        "unsettled": lambda: navigation.unsettled(bench),
        "within": lambda: navigation.within(bench),
        "depth": lambda: pages.deep(bench),
        "export": lambda: pages.export(bench),
        "memory": lambda: pages.memory(bench),
        "writes": lambda: writes.writes(bench, {case.name: case.url for case in combined}),
        "machine afterwards": machine,
    }


def lines(name: str, section: Section) -> Iterator[Line]:
    """Yield a section's lines, or one that says that the API rejects a request of the section."""
    try:
        yield from section()
    except ResponseNotSent as error:
        yield Line(name, math.inf, bars=(max_bar(0, math.inf),), note=str(error))


def machine() -> Iterator[Line]:
    """Measure a fixed piece of work in this process, which shows the load of the machine."""
    rows = [{"title": "Who will win?", "volume": number} for number in range(10_000)]
    taken = [milliseconds(lambda: json.loads(json.dumps(rows))) for _ in range(RUNS)]
    yield Line("this machine: 10,000 small objects to JSON and back (p95 as ref)", median(taken), reference=p95(taken))


def main() -> int:
    """Run the benchmark and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="2,000,000 are judged; try 10,000,000")
    parser.add_argument("--only", nargs="*", metavar="SECTION", help="pages, filters, …: see sections()")
    arguments = parser.parse_args()
    judged, missed = arguments.rows == ROWS, 0
    with ExitStack() as stack:
        bench = _bench(stack, arguments.rows)
        sections_ = sections(bench, samples(bench.connection, bench.rows))
        report = list(pages.sizes(bench.connection))
        print(f"{bench.rows:,} rows\n{HEAD}", flush=True)
        for name in arguments.only or sections_:
            for line in lines(name, sections_[name]):
                print(line.text(judged=judged), flush=True)
                missed += judged and not line.is_good
    print("\n".join(report))
    print(f"{missed} bars missed" if judged else "not judged")
    return 1 if missed else 0


def _bench(stack: ExitStack, rows: int) -> Bench:
    environment = stack.enter_context(table(rows))
    connection = stack.enter_context(connect(environment))
    [(ticker,)] = run(connection, f"SELECT ticker FROM {TABLE}_quotes OFFSET {rows // 2} LIMIT 1")
    ours, reference = ApiProcess(environment), Reference(environment)
    stack.callback(reference.close)
    floor = Floor(environment, ours.session())
    stack.callback(floor.close)
    return Bench(environment, connection, ours, reference, floor, rows, ticker)


if __name__ == "__main__":
    sys.exit(main())
