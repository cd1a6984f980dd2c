"""Benchmark of freshness: python -m tests.bench.freshness [--speed 15] [--minutes 50]

It measures the delay from a change on the exchange to the API. All jobs run by the default schedule, the first pass of
the archive included, on a clock that runs faster than real time: an hour takes minutes. The crawler is invoked in each
minute of that clock and works for 50 of its 60 seconds, while a client polls the API for changes. The exit status is 1
if a new market or an edit is served later than two minutes after it happened, or a volume later than one live interval.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from kalshi_markets.database import Database
from kalshi_markets.settings import DatabaseSettings, MigratorSettings
from local.exchange.catalogue import Exchange, MarketFilter, Order
from local.exchange.clock import SECOND, Clock, parse
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from migrator.migrate import migrate
from tests.bench.report import HEAD, Line, max_bar
from tests.bench.server import running
from tests.support.api_client import ApiClient, crawl

START: Final = parse("2026-11-20T12:00:00Z")
MARKETS, ARCHIVED, SEED = 20_000, 60_000, 5
MARGIN: Final = 5.0
"""Seconds of real time that the crawler reserves at the end of a run, at any speed of the clock."""
WORK: Final = 50
LIVE_INTERVAL: Final = 300
INTERVALS: Final = {"LIVE": LIVE_INTERVAL, "CHANGED": 45, "SETTLED": 45, "MAINTENANCE": 3600}
"""Default intervals in seconds."""
SAMPLE: Final = 100


@dataclass
class Watch:
    """Copy of the served markets, with the delays of their changes in seconds of the exchange's clock."""

    api: ApiClient
    clock: Clock
    since: int
    last_change: int = 0
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    created: list[float] = field(default_factory=list)
    edited: list[float] = field(default_factory=list)

    def look(self) -> None:
        """Fetch the changes since the last call."""
        fields = "ticker,created_time,updated_time,volume,change_number"
        while True:
            answer = self.api.get(f"/markets?changed_since={self.last_change}&fields={fields}&limit=10000")
            now = self.clock.now()
            for item in answer.json["items"]:
                self._take(item, now)
            if answer.json["count"] < 10_000:
                return

    def _take(self, item: dict[str, Any], now: int) -> None:
        before = self.items.get(item["ticker"])
        self.items[item["ticker"]] = item
        self.last_change = int(item["change_number"])
        created, updated = _instant(item["created_time"]), _instant(item["updated_time"])
        if before is None and created > self.since:
            self.created.append((now - created) / SECOND)
        elif before is not None and updated > max(self.since, _instant(before["updated_time"])):
            self.edited.append((now - updated) / SECOND)


def stale(watch: Watch, past: Exchange) -> list[str]:
    """Return the tickers whose served volume is lower than the exchange's volume one live interval ago."""
    past.clock.set(watch.clock.now() - LIVE_INTERVAL * SECOND)
    tickers = []
    listed = past.markets(Order.CREATED, None, MarketFilter(combos=False, phase="open"))
    for number, (_, market) in enumerate(listed):
        served = watch.items.get(market.ticker)
        if number % (MARKETS // SAMPLE) == 0:
            volume = Decimal(json.loads(market.json)["volume_fp"])
            if served is None or Decimal(served["volume"]) < volume:
                tickers.append(market.ticker)
    return tickers


def crawling(environment: Mapping[str, str], minute: float, speed: float, until: float) -> None:
    """Invoke the crawler in each minute of the accelerated clock."""
    while time.monotonic() < until:
        began = time.monotonic()
        crawl(environment, MARGIN + WORK / speed)
        time.sleep(max(0.0, began + minute - time.monotonic()))


def measure(environment: Mapping[str, str], speed: float, minutes: float) -> list[Line]:
    """Run for this many minutes of the exchange's clock and return the lines."""
    clock = Clock(start=START, speed=0)
    world = generate(SEED, MARKETS, clock, archived=ARCHIVED)
    past = generate(SEED, MARKETS, Clock(start=START, speed=0), archived=ARCHIVED)
    with ExchangeServer(world) as server:
        ours = {"EXCHANGE_URL": server.url, "EXCHANGE_RATE": str(20 * speed)}
        ours |= {f"{name}_INTERVAL_SECONDS": str(max(1.0, seconds / speed)) for name, seconds in INTERVALS.items()}
        together = {**environment, **ours}
        clock.run(speed)
        ends_at = time.monotonic() + 60 * minutes / speed
        crawler = threading.Thread(target=crawling, args=(together, 60 / speed, speed, ends_at))
        crawler.start()
        api = ApiClient(together)
        watch = Watch(api, clock, START)
        late: list[str] = []
        looks = 0
        warm = START + 2 * LIVE_INTERVAL * SECOND
        while time.monotonic() < ends_at:
            watch.look()
            if clock.now() > warm:
                late += stale(watch, past)
                looks += 1
            time.sleep(0.05)
        crawler.join()
        api.close()
    return [
        _lag(f"new markets, {len(watch.created)}: the latest", watch.created, 120),
        _lag(f"edits, {len(watch.edited)}: the latest", watch.edited, 120),
        Line(f"volumes older than a live interval, {looks} looks", len(late), "", bars=(max_bar(0, len(late)),)),
    ]


def _lag(name: str, lags: list[float], maximum: float) -> Line:
    latest = max(lags, default=float("inf"))
    return Line(name, latest, "s", bars=(max_bar(maximum, latest),))


def _instant(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return parse(moment.isoformat())


def main() -> int:
    """Run the benchmark and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.freshness", description=__doc__)
    parser.add_argument("--speed", type=float, default=15, help="seconds of the exchange's clock a second")
    parser.add_argument("--minutes", type=float, default=50, help="of the exchange's clock")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # PostgreSQL may run as another user
        environment = stack.enter_context(running(folder / "postgres"))
        owner = Database(DatabaseSettings.from_env(environment), application_name="bench")
        migrate(owner, MigratorSettings({}))
        lines = measure(environment, options.speed, options.minutes)
        [[archived]] = owner.query("SELECT count(*) FROM kalshi_markets_jobs WHERE job = 'archive' AND markets > 0")
        owner.close()
    print(HEAD)
    for line in lines:
        print(line.text(judged=True))
    print(f"the archive's first walk {'went on meanwhile' if archived else 'had not begun'}")
    return 0 if all(line.is_good for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
