"""Programs of docs/recipes.md, run unchanged over HTTP."""

import ast
import csv
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crawler.event_writer import EventWriter
from kalshi_markets.database import Database
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.lambda_runtime.functions import function_spec
from local.lambda_runtime.gateway import gateway_in_thread
from tests.support.database import store_markets
from tests.support.event_rows import event, series

RECIPES = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
BLOCKS = {
    title: re.findall(r"```(python|sh)\n(.*?)```", text, re.DOTALL)
    for title, text in re.findall(r"## (.*?)\n(.*?)(?=\n## |\Z)", RECIPES, re.DOTALL)
}


@pytest.fixture(scope="module")
def service(environment: Mapping[str, str], markets: Sequence[Any], clock: Clock) -> Iterator[str]:
    with ExchangeServer(generate(3, 1500, clock)) as exchange:
        variables = {**environment, "DB_SSLMODE": "disable", "EXCHANGE_URL": exchange.url, "EXCHANGE_RATE": "1000"}
        with gateway_in_thread(function_spec("api", variables), workers=1, log=lambda _: None) as url:
            yield url


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recipes")


def run(title: str, number: int, service: str, folder: Path) -> str:
    """Return the output of a recipe's program. Small pages make it fetch several."""
    language, text = BLOCKS[title][number]
    text = text.replace("http://127.0.0.1:8000", service).replace("limit=10000", "limit=500")
    command = [sys.executable, "-W", "error", "-c", text]
    if language == "sh":
        command = ["bash", "-euo", "pipefail", "-c", text.replace("curl ", "curl -sS --fail-with-body ")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_recipe_has_its_test() -> None:
    assert {title: len(blocks) for title, blocks in BLOCKS.items()} == {
        "A page as the original service was asked for it": 1,
        "Page through everything": 2,
        "Follow changes into SQLite": 1,
        "DuckDB over NDJSON": 1,
        "Trades into DuckDB": 1,
        "pandas over CSV": 1,
        "5-minute candles of a series into pandas": 1,
        "Ask only for what is new": 1,
        "Fees of a market": 1,
        "All outcomes of an event as a probability distribution": 1,
        "The lake in DuckDB: hourly mids of a series": 1,
        "The lake in DuckDB: the exchange as of a moment": 1,
        "The lake in pandas: lifetime of a market": 1,
        "The lake in Polars: how often a price is right": 1,  # make lake-test runs it
        "The lake in Spark: time until settlement": 1,  # make lake-test runs it
        "The lake in Athena: settlements by day": 0,  # make lake-test runs its SQL
        "Tools for a language model": 1,
    }


def test_the_originals_question(service: str, folder: Path) -> None:
    answer = json.loads(run("A page as the original service was asked for it", 0, service, folder))
    assert set(answer) >= {"items", "count"}


def test_the_walk_has_every_market_once(service: str, folder: Path, markets: Sequence[Mapping[str, Any]]) -> None:
    expected = sorted(market["ticker"] for market in markets)
    assert run("Page through everything", 0, service, folder) == f"{len(markets)} markets\n"
    lines = (folder / "markets.ndjson").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["ticker"] for line in lines] == expected
    run("Page through everything", 1, service, folder)
    with (folder / "markets.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row[0] != "ticker"]
    assert sorted(row[0] for row in rows) == expected


def test_the_copy_in_sqlite_is_brought_up_to_date(
    service: str, folder: Path, markets: Sequence[Mapping[str, Any]], database: Database
) -> None:
    title = "Follow changes into SQLite"
    assert run(title, 0, service, folder) == f"{len(markets)} changed\n"
    assert run(title, 0, service, folder) == "0 changed\n"
    store_markets(database, {**markets[7], "volume_fp": "987654.25"})
    assert run(title, 0, service, folder) == "1 changed\n"
    copy = sqlite3.connect(folder / "markets.sqlite")
    read = "SELECT count(*), (SELECT volume FROM markets WHERE ticker = ?) FROM markets"
    assert copy.execute(read, [markets[7]["ticker"]]).fetchall() == [(len(markets), "987654.25")]
    copy.close()
    store_markets(database, markets[7])


def test_duckdb_reads_the_walk(service: str, folder: Path, markets: Sequence[Any]) -> None:
    if not (folder / "markets.ndjson").exists():
        run("Page through everything", 0, service, folder)
    assert f"('binary', {len(markets)}, " in run("DuckDB over NDJSON", 0, service, folder)


def test_the_trades_in_duckdb_are_brought_up_to_date(
    service: str, folder: Path, markets: Sequence[Mapping[str, Any]]
) -> None:
    output = run("Trades into DuckDB", 0, service, folder)
    [(count, contracts)] = ast.literal_eval(output.replace("Decimal(", "").replace("')", "'"))
    assert count > 100
    assert Decimal(contracts) == max(Decimal(market["volume_fp"]) for market in markets)
    assert run("Trades into DuckDB", 0, service, folder) == output


def test_pandas_reads_csv(service: str, folder: Path) -> None:
    assert "close_time" in run("pandas over CSV", 0, service, folder)


def test_the_second_answer_is_a_304(service: str, folder: Path) -> None:
    assert run("Ask only for what is new", 0, service, folder) == "304\n"


@pytest.fixture
def highest_volume(database: Database, markets: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Store the event and the series of the most traded active market, and return the market."""
    active = [market for market in markets if market["status"] == "active"]
    market = max(active, key=lambda market: (Decimal(market["volume_fp"]), market["ticker"]))
    store_markets(database, {**market, "last_price_dollars": "0.3300"})
    fees = {"fee_type": "quadratic", "fee_multiplier": 1}
    multiplier = Decimal("0.5")
    overridden = event(market["event_ticker"], "S", fee_multiplier_override=multiplier, mutually_exclusive=True)
    EventWriter(database).write([overridden], [series("S", "Series", "World", **fees)], [])
    return market


def test_the_fees_of_the_event_replace_those_of_its_series(
    service: str, folder: Path, highest_volume: Mapping[str, Any]
) -> None:
    # 0.07 x 0.5 x 100 x 0.33 x 0.67 is 0.77385.
    expected = f"{highest_volume['ticker']} quadratic 0.78 dollars\n"
    assert run("Fees of a market", 0, service, folder) == expected


def test_candles_of_a_series_have_a_column_for_each_market(
    service: str, folder: Path, highest_volume: Mapping[str, Any], markets: Sequence[Mapping[str, Any]]
) -> None:
    ticker, *shape = run("5-minute candles of a series into pandas", 0, service, folder).split()
    of_event = [market for market in markets if market["event_ticker"] == highest_volume["event_ticker"]]
    active = sum(market["status"] == "active" for market in of_event)
    assert ticker == "S"
    assert shape in (["288", str(active)], ["289", str(active)])


def test_the_tools_describe_the_market_with_the_highest_volume(
    service: str, folder: Path, highest_volume: Mapping[str, Any]
) -> None:
    output = run("Tools for a language model", 0, service, folder)
    assert output.startswith("ticker,title,")
    assert output.count(f'"{highest_volume["ticker"]}",') == 2  # in the search and among the outcomes
    assert "\nend,open,high,low,close," in output
    assert output.splitlines()[-1].startswith(f"{service}/markets?")


def test_the_settings_of_a_client_have_the_address_of_the_tools() -> None:
    [settings] = re.findall(r"```json\n(.*?)```", RECIPES, re.DOTALL)
    assert json.loads(settings)["mcpServers"]["kalshi-markets"]["url"] == "http://127.0.0.1:8000/mcp"


def test_probabilities_of_all_outcomes_have_the_sum_of_one(
    service: str, folder: Path, highest_volume: Mapping[str, Any], markets: Sequence[Mapping[str, Any]]
) -> None:
    title = "All outcomes of an event as a probability distribution"
    event_ticker, *outcomes = run(title, 0, service, folder).splitlines()
    assert event_ticker == highest_volume["event_ticker"]
    of_event = [market for market in markets if market["event_ticker"] == event_ticker]
    active = [market for market in of_event if market["status"] == "active"]
    assert len(outcomes) == sum(Decimal(market["yes_ask_dollars"]) < 1 for market in active)
    assert abs(sum(float(outcome.split("%")[0]) for outcome in outcomes) - 100) < 0.1 * len(outcomes)
