"""How fast candlesticks are: python -m tests.bench.candles [--tickers 10000] [--archived 1000]

The API function as Lambda calls it over the simulated exchange, a process of its own at the basic tier (20 requests a
second, refused beyond) with 150 ms of latency. It remembers its answers, so that the measured run does not wait for it
to compute them: a first run, without a cache, is for that. Exit status 1 if a bar is missed; at other sizes than the
default ones nothing is judged.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any, Final
from unittest import mock

import httpx
from starlette.requests import Request

from api.candlesticks.cache import CandleCache, Entry
from api.candlesticks.pieces import BLOCK_SECONDS
from api.candlesticks.spans import Span
from kalshi_markets.database import Database
from kalshi_markets.settings import DatabaseSettings, MigratorSettings
from local.exchange.app import Setup
from local.exchange.clock import Clock
from local.exchange.endpoints import Endpoints
from local.exchange.generator import generate
from local.exchange.server import Server
from migrator.migrate import migrate
from tests.bench.lines import HEAD, Bar, Line, at_most, in_turns
from tests.bench.ours import body
from tests.bench.server import running, step
from tests.integration.conftest import keep
from tests.integration.lambdas import Api

TICKERS, ARCHIVED, RUNS = 10_000, 1_000, 9
RATE: Final = 20.0
LATENCY: Final = 0.15
HOUR, DAY = 3600, 86_400
PATH: Final = "/markets/candlesticks"


def serve(markets: int, archived: int) -> None:
    """The exchange, until its standard input ends."""
    exchange = generate(11, markets, Clock(), archived=archived)
    batch, kept = Endpoints.batch_candlesticks, dict[str, bytes]()

    def remembered(self: Endpoints, request: Request) -> bytes:
        query = request.url.query
        if query not in kept:
            kept[query] = batch(self, request)
        return kept[query]

    faults = ({"kind": "latency", "seconds": LATENCY},)
    setup = Setup(tier="basic", unsigned_rate=round(RATE * 10), faults=faults)
    with mock.patch.object(Endpoints, "batch_candlesticks", remembered), Server(exchange, setup=setup) as server:
        print(server.url, flush=True)
        sys.stdin.read()


@contextmanager
def exchange_of(markets: int, archived: int) -> Iterator[str]:
    """Its address."""
    command = [sys.executable, "-m", "tests.bench.candles", "--serve", str(markets), str(archived)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        yield process.stdout.readline().strip()
        process.stdin.close()


def listed(url: str, path: str, count: int, **query: str) -> list[dict[str, Any]]:
    """So many Market objects of a listing."""
    found: list[dict[str, Any]] = []
    parameters = {"limit": "1000", "mve_filter": "exclude", **query}
    while len(found) < count:
        answer = httpx.get(url + path, params=parameters, timeout=60)
        page = json.loads(answer.raise_for_status().content, parse_float=Decimal)
        found += page["markets"]
        parameters["cursor"] = page["cursor"]
    return found[:count]


@dataclass
class Spy:
    """When each request went out to the exchange, and what it answered."""

    sent: list[float] = field(default_factory=list)
    refused: int = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        send, spy = httpx.AsyncClient.send, self

        async def watched(client: httpx.AsyncClient, request: httpx.Request, **rest: Any) -> httpx.Response:
            if "candlesticks" in request.url.path:
                spy.sent.append(time.monotonic())
            response = await send(client, request, **rest)
            spy.refused += response.status_code == httpx.codes.TOO_MANY_REQUESTS
            return response

        with mock.patch.object(httpx.AsyncClient, "send", watched):
            yield

    @property
    def rate(self) -> float:
        """Requests a second from the first to the last."""
        return (len(self.sent) - 1) / max(1e-9, self.sent[-1] - self.sent[0])


@dataclass
class Round:
    """One question: what it took, in seconds, and what it brought."""

    seconds: float
    calls: Spy
    answered: int
    unanswered: list[str]


@dataclass
class Bench:
    """The API over an exchange; `span` is what is asked for of every market."""

    environment: Mapping[str, str]
    url: str
    span: Mapping[str, int]

    def api(self, **settings: str) -> Api:
        rate = {"EXCHANGE_URL": self.url, "EXCHANGE_RATE": f"{RATE:g}"}
        return Api({**self.environment, **rate, "CANDLE_CACHE_MB": "1024", **settings})

    def ask(self, api: Api, tickers: Sequence[str]) -> Round:
        spy, question = Spy(), json.dumps({"tickers": tickers, **self.span})
        with spy.watching():
            began = time.monotonic()
            response = api.invoke("POST", PATH, question, {"accept-encoding": "gzip"})
            seconds = time.monotonic() - began
        answer = json.loads(body(response))
        answered = sum(1 for result in answer["results"] if result["error"] is None)
        return Round(seconds, spy, answered, answer["unanswered"])

    def ask_all(self, api: Api, tickers: Sequence[str]) -> list[Round]:
        """Asks for the rest until nothing is left."""
        rounds, left = [], list(tickers)
        while left:
            rounds.append(self.ask(api, left))
            assert len(rounds[-1].unanswered) < len(left), "no progress"
            left = rounds[-1].unanswered
        return rounds


def live(bench: Bench, tickers: Sequence[str], database: Database) -> Iterator[Line]:
    """Many live tickers, cold and again; and the cache that this leaves."""
    with step("the exchange computes its answers"):
        api = bench.api(CANDLE_CACHE_MB="0")
        bench.ask(api, tickers)
        api.close()
        time.sleep(1)  # its bucket fills again
    api, count = bench.api(), len(tickers)
    first, *rest = bench.ask_all(api, tickers)
    name = f"{count:,} live tickers, 24 hours"
    yield Line(
        f"{name}: calls a second",
        first.calls.rate,
        "1/s",
        RATE,
        bars=(Bar(">= 0.9 of ref", first.calls.rate / RATE, 0.9, least=True),),
    )
    refused = sum(one.calls.refused for one in (first, *rest))
    yield Line(f"{name}: 429s", refused, "", bars=(at_most(0, refused),))
    yield Line(
        f"{name}: the first answer",
        first.seconds,
        "s",
        bars=(at_most(29, first.seconds),),
        note=f"{len(first.calls.sent)} calls, {first.answered:,} answered",
    )
    whole = first.seconds + sum(one.seconds for one in rest)
    yield Line(f"{name}: until nothing is left", whole, "s", note=f"{1 + len(rest)} answers")
    again = bench.ask(api, tickers)
    ratio = first.seconds / again.seconds
    calls = len(again.calls.sent)
    yield Line(f"{name}: the same again, calls", calls, "", bars=(at_most(0, calls),))
    yield Line(
        f"{name}: the same again",
        again.seconds,
        "s",
        first.seconds,
        bars=(Bar("20 times faster", ratio, 20, least=True),),
        note=f"{ratio:.0f} times faster",
    )
    api.close()
    yield from cache_size(database)


def cache_size(database: Database) -> Iterator[Line]:
    """Bytes of a candle on disk, indexes included; the reference is a row for each, with its JSON."""
    database.script("VACUUM FULL kalshi_markets_candles")
    database.script(
        """
        CREATE TABLE candle_rows (ticker text COLLATE "C", period integer, ends bigint, candle text,
                                  PRIMARY KEY (ticker, period, ends))"""
    )
    [[kept]] = database.execute("SELECT sum(bytes)::bigint FROM kalshi_markets_candles")
    rows = [[entry.ticker, candle.end, candle.text] for entry in _entries(database) for candle in entry.piece.candles()]
    database.execute(
        "INSERT INTO candle_rows SELECT r->>0, 60, (r->>1)::bigint, r->>2 FROM json_array_elements($1::json) AS r",
        json.dumps(rows),
    )
    sizes = "SELECT pg_total_relation_size('kalshi_markets_candles'), pg_total_relation_size('candle_rows')"
    [[packed, plain]] = database.execute(sizes)
    note = f"{len(rows):,} candles; as the bound counts: {kept / len(rows):.0f}"
    yield Line("cache: bytes of a candle, beside a row for each", packed / len(rows), "B", plain / len(rows), note=note)


def _entries(database: Database) -> list[Entry]:
    """All of them."""
    found = database.execute("SELECT DISTINCT ticker, block FROM kalshi_markets_candles")
    cache = CandleCache(database.settings, 1)
    blocks = [block for _, block in found]
    length = BLOCK_SECONDS[60]
    entries = cache.read(sorted({ticker for ticker, _ in found}), 60, Span(min(blocks) * length, max(blocks) * length))
    cache.close()
    return entries


def archive(bench: Bench, tickers: Sequence[str]) -> Iterator[Line]:
    """Archived tickers, one call each."""
    api = bench.api()
    first, *rest = bench.ask_all(api, tickers)
    name = f"{len(tickers):,} archived tickers"
    yield Line(
        f"{name}: calls a second",
        first.calls.rate,
        "1/s",
        RATE,
        bars=(Bar(">= 0.9 of ref", first.calls.rate / RATE, 0.9, least=True),),
        note=f"{len(first.calls.sent)} calls, {len(first.unanswered):,} unanswered",
    )
    yield Line(f"{name}: the first answer", first.seconds, "s", bars=(at_most(29, first.seconds),))
    refused = sum(one.calls.refused for one in (first, *rest))
    yield Line(f"{name}: 429s", refused, "", bars=(at_most(0, refused),))
    yield Line(
        f"{name}: until nothing is left",
        first.seconds + sum(one.seconds for one in rest),
        "s",
        note=f"{1 + len(rest)} answers",
    )
    api.close()


def small(bench: Bench, tickers: Sequence[str]) -> Iterator[Line]:
    """A hundred tickers beside one call to the exchange."""
    api, hundred = bench.api(CANDLE_CACHE_MB="0"), tickers[:100]
    with httpx.Client(timeout=60) as client:
        query: dict[str, str | int] = {"market_tickers": ",".join(hundred), **bench.span}

        def call() -> None:
            client.get(f"{bench.url}/markets/candlesticks", params=query).raise_for_status().json()
            time.sleep(0.1)  # both together stay below the rate

        def ours() -> None:
            api.invoke("POST", PATH, json.dumps({"tickers": hundred, **bench.span}), {"accept-encoding": "gzip"})
            time.sleep(0.1)

        ours_taken, taken = in_turns(ours, call, runs=RUNS)
    figure, reference = median(ours_taken) - 100, median(taken) - 100
    ratio = figure / reference
    yield Line(
        "100 tickers beside one call to the exchange", figure, "ms", reference, bars=(Bar("<= 1.3 of ref", ratio, 1.3),)
    )
    api.close()


def memory(bench: Bench, tickers: Sequence[str]) -> Iterator[Line]:
    """The most that the largest question takes, in a process of its own; from the cache and from the exchange."""
    for about, megabytes in (("kept", "1024"), ("asked for", "0")):
        settings = {
            **bench.environment,
            "EXCHANGE_URL": bench.url,
            "EXCHANGE_RATE": f"{RATE:g}",
            "CANDLE_CACHE_MB": megabytes,
        }
        question = json.dumps({"tickers": list(tickers), **bench.span})
        command = [sys.executable, "-m", "tests.bench.candles", "--once"]
        ended = subprocess.run(
            command,
            env={"PATH": "/usr/bin:/bin", **settings},
            input=question,
            capture_output=True,
            text=True,
            check=True,
        )
        peak = int(ended.stdout) / 1024
        yield Line(f"peak memory, {len(tickers):,} tickers, {about}", peak, "MiB", bars=(at_most(256, peak),))


def once() -> None:
    """Answers one request in this process, and prints the most memory that this took, in KiB."""
    api = Api({})
    api.invoke("POST", PATH, sys.stdin.read(), {"accept-encoding": "gzip"})
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found
    print(found[1])


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickers", type=int, default=TICKERS)
    parser.add_argument("--archived", type=int, default=ARCHIVED)
    parser.add_argument("--serve", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(*arguments.serve)
        return 0
    if arguments.once:
        once()
        return 0
    judged, missed = (arguments.tickers, arguments.archived) == (TICKERS, ARCHIVED), 0
    print(HEAD)
    for line in lines(arguments.tickers, arguments.archived):
        print(line.text(judged=judged), flush=True)
        missed += judged and not line.is_good
    print(f"{missed} bars missed" if judged else "not judged")
    return 1 if missed else 0


def lines(count: int, archived: int) -> Iterator[Line]:
    """All of them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="candles")))
        folder.chmod(0o755)
        environment = stack.enter_context(running(folder / "data"))
        database = Database(DatabaseSettings.read(environment), application_name="bench", timeout=600)
        stack.callback(database.close)
        migrate(database, MigratorSettings.read(environment))
        url = stack.enter_context(exchange_of(4 * count, archived + 1_000))
        with step("markets into the table"):
            active = listed(url, "/markets", count, status="open")
            old = listed(url, "/historical/markets", archived)
            keep(database, *active, *old)
        now = int(time.time()) // HOUR * HOUR - HOUR
        bench = Bench(environment, url, {"start_ts": now - 23 * HOUR, "end_ts": now, "period_interval": 60})
        tickers = [market["ticker"] for market in active]
        yield from live(bench, tickers, database)
        yield from memory(bench, tickers)
        yield from small(bench, tickers)
        long_ago = {"start_ts": now - 3000 * HOUR, "end_ts": now, "period_interval": 60}
        yield from archive(Bench(environment, url, long_ago), [market["ticker"] for market in old])


if __name__ == "__main__":
    sys.exit(main())
