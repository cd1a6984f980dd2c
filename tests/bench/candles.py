"""Benchmark of candlesticks: python -m tests.bench.candles [--tickers 10000] [--archived 1000]

It invokes the API function as Lambda does, over a simulated exchange that memoizes its responses. A first run without a
cache makes the exchange compute them. The exit status is 1 if a bar is missed; only the default sizes are judged.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

import httpx

from api.candlesticks.cache import CandleCache
from api.candlesticks.time_ranges import TimeRange
from kalshi_markets.database import Database
from kalshi_markets.settings import DatabaseSettings, MigratorSettings
from migrator.migrate import migrate
from tests.bench.candlestick_rounds import GZIP, PATH, Asker, Round
from tests.bench.memoized_exchange import RATE, listed, remembering
from tests.bench.report import HEAD, Bar, Line, interleaved, max_bar
from tests.bench.server import running, step
from tests.support.database import store_markets

TICKERS, ARCHIVED, RUNS = 10_000, 1_000, 9
HOUR: Final = 3600


def live(asker: Asker, tickers: Sequence[str]) -> Iterator[Line]:
    """Measure many live tickers with an empty cache, then with a full one."""
    with step("the exchange computes its answers"), asker.api(cache_mb=0) as api:
        asker.ask(api, tickers)
    time.sleep(1)  # the exchange's token bucket refills
    name = f"{len(tickers):,} live tickers, 24 hours"
    with asker.api() as api:
        rounds = asker.ask_all(api, tickers)
        yield from _cold(name, rounds)
        repeated = [asker.ask(api, tickers) for _ in range(RUNS)]
    calls = sum(len(round_.calls.sent) for round_ in repeated)
    yield Line(f"{name}: the same again, calls", calls, "", bars=(max_bar(0, calls),))
    first, seconds = rounds[0].seconds, median(round_.seconds for round_ in repeated)
    faster = Bar("20 times faster", first / seconds, 20, is_minimum=True)
    note = f"{first / seconds:.1f} times faster, {max(first / round_.seconds for round_ in repeated):.1f} at best"
    yield Line(f"{name}: the same again", seconds, "s", first, bars=(faster,), note=note)


def archive(asker: Asker, tickers: Sequence[str]) -> Iterator[Line]:
    """Measure archived tickers, which need one call each."""
    with asker.api() as api:
        yield from _cold(f"{len(tickers):,} archived tickers", asker.ask_all(api, tickers))


def _cold(name: str, rounds: Sequence[Round]) -> Iterator[Line]:
    first, rate = rounds[0], rounds[0].calls.rate
    permitted = Bar(">= 0.9 of ref", rate / RATE, 0.9, is_minimum=True)
    yield Line(f"{name}: calls a second", rate, "1/s", RATE, bars=(permitted,))
    rate_limited = sum(round_.calls.rate_limited for round_ in rounds)
    yield Line(f"{name}: 429s", rate_limited, "", bars=(max_bar(0, rate_limited),))
    note = f"{len(first.calls.sent)} calls, {first.answered:,} answered, {len(first.unanswered):,} unanswered"
    yield Line(f"{name}: the first answer", first.seconds, "s", bars=(max_bar(29, first.seconds),), note=note)
    total_seconds, calls = sum(round_.seconds for round_ in rounds), sum(len(round_.calls.sent) for round_ in rounds)
    yield Line(f"{name}: until nothing is left", total_seconds, "s", note=f"{len(rounds)} answers, {calls:,} calls")


def cache_size(database: Database, tickers: Sequence[str], span: Mapping[str, int]) -> Iterator[Line]:
    """Measure the bytes of a candle on disk, indexes included; the reference is one row with JSON for each candle."""
    database.execute_script("VACUUM FULL kalshi_markets_candles")
    database.execute_script(
        """
        CREATE TABLE candle_rows (ticker text COLLATE "C", period integer, ends bigint, candle text,
                                  PRIMARY KEY (ticker, period, ends))"""
    )
    cache = CandleCache(database.settings, 1)
    cached = cache.get(dict.fromkeys(tickers, False), 60, TimeRange(span["start_ts"], span["end_ts"]))
    cache.close()
    rows = [[ticker, *candle] for ticker, pieces in cached.items() for piece in pieces for candle in piece.candles()]
    database.execute(
        "INSERT INTO candle_rows SELECT r->>0, 60, (r->>1)::bigint, r->>2 FROM json_array_elements($1::json) AS r",
        json.dumps(rows),
    )
    [[packed, plain, counted]] = database.execute(
        "SELECT pg_total_relation_size('kalshi_markets_candles'), pg_total_relation_size('candle_rows'), sum(bytes)"
        " FROM kalshi_markets_candles"
    )
    note = f"{len(rows):,} candles; as the bound counts: {counted / len(rows):.0f}"
    yield Line("cache: bytes of a candle, beside a row for each", packed / len(rows), "B", plain / len(rows), note=note)


def memory(asker: Asker, tickers: Sequence[str]) -> Iterator[Line]:
    """Measure the peak memory of the largest request, from the cache and from the exchange."""
    for about, cache_mb in (("kept", 1024), ("asked for", 0)):
        peak = asker.peak(tickers, cache_mb)
        yield Line(f"peak memory, {len(tickers):,} tickers, {about}", peak, "MiB", bars=(max_bar(256, peak),))


def small(asker: Asker, tickers: Sequence[str]) -> Iterator[Line]:
    """Measure a hundred tickers; the reference is one call to the exchange."""
    hundred = tickers[:100]
    query: dict[str, str | int] = {"market_tickers": ",".join(hundred), **asker.span}
    with asker.api(cache_mb=0) as api, httpx.Client(timeout=60) as client:

        def call() -> None:
            client.get(f"{asker.url}/markets/candlesticks", params=query).raise_for_status().json()
            time.sleep(0.1)  # both together stay below the rate limit

        def ours() -> None:
            api.invoke("POST", PATH, asker.question(hundred), GZIP)
            time.sleep(0.1)

        figure, reference = (median(taken) - 100 for taken in interleaved(ours, call, runs=RUNS))
    bars = (Bar("<= 1.3 of ref", figure / reference, 1.3),)
    yield Line("100 tickers beside one call to the exchange", figure, "ms", reference, bars=bars)


def derived(asker: Asker, tickers: Sequence[str]) -> Iterator[Line]:
    """Measure filled and merged candles of a thousand tickers; the reference is the same request for hours unfilled."""
    thousand = tickers[:1000]
    kinds: Mapping[str, Mapping[str, int | str]] = {
        "hours": {},
        "hours, fill=previous": {"fill": "previous"},
        "hours, fill=mid": {"fill": "mid"},
        "periods of 4 hours": {"period_interval": 240},
    }
    for source, cache_mb in (("fetched", 0), ("from the cache", 1024)):
        seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        with asker.api(cache_mb) as api:
            asker.ask_all(api, thousand)
            for _ in range(RUNS):
                for kind, parameters in kinds.items():
                    time.sleep(0 if cache_mb else 1)  # the exchange's token bucket refills
                    asking = Asker(asker.environment, asker.url, {**asker.span, **parameters})
                    seconds[kind].append(asking.ask(api, thousand).seconds)
        reference = median(seconds.pop("hours"))
        for kind, taken in seconds.items():
            bars = (Bar("<= 1.3 of ref", median(taken) / reference, 1.3),)
            yield Line(f"1,000 tickers, {kind}, {source}", median(taken), "s", reference, bars=bars)


def lines(count: int, archived: int) -> Iterator[Line]:
    """Yield the lines of all sections."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="candles")))
        folder.chmod(0o755)
        environment = stack.enter_context(running(folder / "data"))
        database = Database(DatabaseSettings.from_env(environment), application_name="bench", timeout=600)
        stack.callback(database.close)
        migrate(database, MigratorSettings.from_env(environment))
        _, url = stack.enter_context(remembering(4 * count, archived + 1_000))
        with step("markets into the table"):
            tickers = _store_listing(database, url, "/markets", count, status="open")
            old = _store_listing(database, url, "/historical/markets", archived)
        now = int(time.time()) // HOUR * HOUR - HOUR
        span = {"start_ts": now - 23 * HOUR, "end_ts": now, "period_interval": 60}
        asker = Asker(environment, url, span)
        yield from live(asker, tickers)
        yield from cache_size(database, tickers, span)
        yield from memory(asker, tickers)
        yield from small(asker, tickers)
        yield from derived(asker, tickers)
        always = {"start_ts": 0, "end_ts": now, "period_interval": 1440}
        yield from archive(Asker(environment, url, always), old)


def _store_listing(database: Database, url: str, path: str, count: int, **query: str) -> list[str]:
    """Store the markets of a listing and return their tickers."""
    markets = listed(url, path, count, **query)
    store_markets(database, *markets)
    return [market["ticker"] for market in markets]


def main() -> int:
    """Run the benchmark and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickers", type=int, default=TICKERS)
    parser.add_argument("--archived", type=int, default=ARCHIVED)
    arguments = parser.parse_args()
    judged, missed = (arguments.tickers, arguments.archived) == (TICKERS, ARCHIVED), 0
    print(HEAD)
    for line in lines(arguments.tickers, arguments.archived):
        print(line.text(judged=judged), flush=True)
        missed += judged and not line.is_good
    print(f"{missed} bars missed" if judged else "not judged")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
