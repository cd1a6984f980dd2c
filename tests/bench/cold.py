"""Benchmark of the API function's cold start: python -m tests.bench.cold

It measures the time from the start of the process to the first response to GET /markets?limit=100 over a small table,
in SAM's emulator with the layer's packages. The floor imports FastAPI, Mangum and pg8000 and runs one query. The naive
function imports everything at module level and creates a boto3 client. Code is byte-compiled unless a line's name says
otherwise. The exit status is 1 if a bar is missed.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Final

from kalshi_markets.database import Database
from kalshi_markets.settings import DatabaseSettings, MigratorSettings
from local import ROOT
from local.exchange.catalogue import Order
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.lambda_runtime.events import HttpRequest, http_event
from local.lambda_runtime.sandbox import FunctionSpec
from migrator.migrate import migrate
from tests.bench.report import HEAD, Line, max_bar, milliseconds
from tests.bench.server import running, step
from tests.support.aws import account
from tests.support.database import store_markets
from tests.support.emulator import emulated, link_packages, packaged

MARKETS: Final = 2_000
RUNS: Final = 20
EVENT: Final = http_event(HttpRequest("GET", "/markets", "limit=100", [("host", "localhost")]), "request-id")
HANDLERS: Final = ROOT / "tests" / "bench" / "handlers"


class Bench:
    """Compared functions, over one database."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._log = folder / "log"
        self._packages = link_packages(folder / "python")
        self._bare = folder / "bare"
        self._environment = dict(environment)

    def compared(self, **environment: str) -> list[float]:
        """Return the medians of ours, the naive function and the floor in milliseconds."""
        ours = packaged("api", self._environment | environment, self._packages)
        extended = replace(ours, python_path=(*ours.python_path, str(HANDLERS)))
        floor, naive = (replace(extended, handler=f"{name}.handler") for name in ("floor", "naive"))
        return self._medians([ours, naive, floor])

    def not_compiled(self) -> float:
        """Return our median with functions and packages as `sam build` leaves them, without byte code."""
        without = shutil.ignore_patterns("__pycache__")
        for source in (ROOT / "functions", ROOT / "layers" / "shared", self._packages):
            shutil.copytree(source, self._bare, ignore=without, dirs_exist_ok=True)
        environment = self._environment | {"PYTHONDONTWRITEBYTECODE": "1"}
        spec = FunctionSpec("bare", "api.handler.handler", self._bare, environment=environment, timeout=29)
        return self._medians([spec])[0]

    def _medians(self, specs: Sequence[FunctionSpec]) -> list[float]:
        """Return the median of each function, interleaved. A first round is discarded: it writes the byte code."""
        rounds = [[self._first_answer(spec) for spec in specs] for _ in range(RUNS + 1)]
        return [median(taken) for taken in zip(*rounds[1:], strict=True)]

    def _first_answer(self, spec: FunctionSpec) -> float:
        with emulated(spec, self._log) as function:
            # The emulator starts the process at the first event.
            answers: list[dict[str, object]] = []
            taken = milliseconds(lambda: answers.append(function.invoke(EVENT)))
            assert answers[0]["statusCode"] == 200, f"{answers}\n{function.log}"
            return taken


def lines(bench: Bench, secret: Mapping[str, str]) -> Iterator[Line]:
    """Yield the comparisons; the last one is for information."""
    ours, naive, floor = bench.compared()
    bars = (max_bar(0.7, ours / naive), max_bar(1.25, ours / floor))
    yield Line("start to first answer", ours, reference=naive, floor=floor, bars=bars)
    yield Line("not byte-compiled, as sam build leaves it (ref: byte-compiled)", bench.not_compiled(), reference=ours)
    ours, naive, floor = bench.compared(**secret)
    bar = max_bar(1.25, ours / floor)  # the only bar: all three import most of boto3
    yield Line("with the credentials in Secrets Manager", ours, reference=naive, floor=floor, bars=(bar,))


def main() -> int:
    """Run the benchmark and return the exit status."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kalshi-cold-")))
        database = stack.enter_context(running(folder / "postgres"))
        with step(f"{MARKETS:,} markets"):
            _fill(database)
        aws = stack.enter_context(account())
        arn = aws.create_secret({"username": database["DB_USER"], "password": database["DB_PASSWORD"]})
        bench = Bench(folder, database | aws.environment | {"DB_SSLMODE": "disable"})
        print(HEAD, flush=True)
        missed = 0
        for line in lines(bench, {"DB_SECRET_ARN": arn}):
            print(line.text(judged=True), flush=True)
            missed += not line.is_good
    print(f"{missed} bars missed")
    return 1 if missed else 0


def _fill(environment: Mapping[str, str]) -> None:
    database = Database(DatabaseSettings.from_env(environment), application_name="bench")
    migrate(database, MigratorSettings.from_env(environment))
    markets = generate(7, MARKETS, Clock(speed=0)).markets(Order.CREATED, None)
    store_markets(database, *(json.loads(market.json, parse_float=Decimal) for _, market in markets))
    database.close()


if __name__ == "__main__":
    sys.exit(main())
