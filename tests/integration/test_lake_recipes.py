"""Programs of docs/recipes.md over a lake, run unchanged in the folder of a checkout."""

import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kalshi_markets.lake.objects import backlog_key, changes_key, compress
from kalshi_markets.lake.storage import FolderStorage
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.lake.compact import compact
from tests.integration.test_recipes import BLOCKS
from tests.lake.crawled import close_days, crawl_into, versions
from tests.support.database import connect

HOURS = 5
"""Hours before now of the older versions."""


@pytest.fixture(scope="module")
def checkout(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the lake .data/lake: what a crawl saw, and some hours before it the same at other prices."""
    folder = tmp_path_factory.mktemp("checkout")
    crawled = FolderStorage(folder / "crawled")
    database = connect(environment)
    with ExchangeServer(generate(3, 300, Clock(speed=0))) as exchange:
        assert crawl_into(crawled.root, environment, database, exchange.url)["errors"] == {}
    database.close()
    storage = FolderStorage(folder / ".data" / "lake")
    newest = _within_an_hour(versions(crawled))
    older = [_older(version) for version in newest]
    for lines in (older, newest):
        day = datetime.fromisoformat(lines[0]["changed_at"]).date()
        body = compress("".join(json.dumps(line) + "\n" for line in lines))
        storage.put(changes_key(day, lines[0]["change_number"] - 1), body)
    storage.put(backlog_key(1, 0), compress(json.dumps(older[0]) + "\n"))
    close_days(storage)
    compact(storage.root.as_uri(), lambda text: None)
    return folder


def _within_an_hour(versions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the versions as if the crawl had begun at the start of an hour: it may have run across an hour's end."""
    began = min(datetime.fromisoformat(version["changed_at"]) for version in versions)
    return [_earlier(version, began - began.replace(minute=0, second=0, microsecond=0)) for version in versions]


def _older(version: Mapping[str, Any]) -> dict[str, Any]:
    quotes = {"yes_bid_dollars": "0.0101", "yes_ask_dollars": "0.02", "volume": "0.5"}
    return {**_earlier(version, timedelta(hours=HOURS)), **quotes, "change_number": version["change_number"] - 10**6}


def _earlier(version: Mapping[str, Any], by: timedelta) -> dict[str, Any]:
    changed_at = datetime.fromisoformat(version["changed_at"]) - by
    return {**version, "changed_at": changed_at.strftime("%Y-%m-%d %H:%M:%S.%f")}


def run(title: str, checkout: Path) -> str:
    """Return the output of the recipe's program."""
    [(_, text)] = BLOCKS[title]
    command = [sys.executable, "-W", "error", "-c", text]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def newest(checkout: Path) -> list[dict[str, Any]]:
    return versions(FolderStorage(checkout / "crawled"))


def test_an_hour_without_a_change_keeps_the_mid_before_it(checkout: Path) -> None:
    run("The lake in DuckDB: hourly mids of a series", checkout)
    with (checkout / "mids.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    series = Counter(version["details"]["series_ticker"] for version in newest(checkout))
    del series[None]
    largest = min(series, key=lambda name: (-series[name], name))
    of_series = {
        version["ticker"]: version for version in newest(checkout) if version["details"]["series_ticker"] == largest
    }
    mids: dict[str, list[Decimal]] = {}
    for row in rows:
        mids.setdefault(row["ticker"], []).append(Decimal(row["mid"]))
    assert {*mids} == {*of_series}
    for ticker, values in mids.items():
        version = of_series[ticker]
        bid, ask = Decimal(version["yes_bid_dollars"]), Decimal(version["yes_ask_dollars"])
        last = Decimal("0.01505") if bid == 0 and ask == 1 else (bid + ask) / 2
        assert values == [Decimal("0.01505")] * HOURS + [last]


def test_the_exchange_as_of_a_moment_has_the_versions_before_it(checkout: Path) -> None:
    lines = run("The lake in DuckDB: the exchange as of a moment", checkout).splitlines()
    statuses = Counter(version["status"] for version in newest(checkout) if version["removed_at"] is None)
    assert {line.split()[0]: line.split()[1:] for line in lines} == {
        status: [str(count), f"{count / 2:.2f}"] for status, count in statuses.items()
    }


def test_the_lifetime_of_a_market_begins_with_its_first_version(checkout: Path) -> None:
    first, header, *states = run("The lake in pandas: lifetime of a market", checkout).splitlines()
    version = newest(checkout)[0]  # the backlog has one of its versions again
    assert first == f"{version['ticker']} 2 versions"
    assert header.split() == ["change_number", "changed_at", "status", "yes_bid_dollars", "yes_ask_dollars", "volume"]
    [state] = [line.split() for line in states]
    assert state[0] == str(version["change_number"] - 10**6)
    assert [state[-4], *map(Decimal, state[-3:])] == [version["status"], *map(Decimal, ("0.0101", "0.02", "0.5"))]
