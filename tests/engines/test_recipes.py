"""Recipes of docs/recipes.md for engines that `make test` does not have: Polars, Spark and Athena."""

import re
import statistics
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from kalshi_markets.lake.storage import FolderStorage
from local import ROOT
from local.lake.compact import compact
from tests.engines.conftest import Tables
from tests.engines.generated_lake import TODAY, Expected
from tests.engines.statements import translate

RECIPES = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.timeout(3000)


def program(title: str) -> str:
    [text] = re.findall(rf"## {re.escape(title)}\n.*?```(?:python|sql)\n(.*?)```", RECIPES, re.DOTALL)
    return str(text)


@pytest.fixture(scope="module")
def checkout(storage: FolderStorage, expected: Expected, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the generated lake, converted, as .data/lake."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / ".data").mkdir()
    (folder / ".data" / "lake").symlink_to(storage.root)
    compact(storage.root.as_uri(), lambda text: None)
    return folder


def run(title: str, folder: Path) -> list[list[str]]:
    """Return the words of each line that the recipe's program prints."""
    command = [sys.executable, "-c", program(title)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_polars_counts_each_settled_market_that_had_a_price(checkout: Path, expected: Expected) -> None:
    rows = run("The lake in Polars: how often a price is right", checkout)
    assert [float(tenth) for tenth, *_ in rows] == sorted({float(tenth) for tenth, *_ in rows})
    assert 0.5 * len(expected.settlements) < sum(int(markets) for _, markets, _ in rows) <= len(expected.settlements)
    assert all(0 <= float(yes) <= 1 for *_, yes in rows)


def test_spark_has_the_median_of_each_series(checkout: Path, expected: Expected) -> None:
    opened = datetime.fromisoformat("2026-12-01 00:00:00.25")
    minutes: dict[str, list[int]] = {}
    for series, _, settled_at in expected.settlements.values():
        minutes.setdefault(series, []).append(int((settled_at - opened) / timedelta(minutes=1)))
    largest = sorted(minutes, key=lambda series: (-len(minutes[series]), series))[:10]
    assert run("The lake in Spark: time until settlement", checkout) == [
        [series, str(len(minutes[series])), str(float(statistics.median(minutes[series])))] for series in largest
    ]


def test_athenas_sql_counts_the_settlements_of_a_day(
    tables: Tables, duck: duckdb.DuckDBPyConnection, expected: Expected
) -> None:
    sql = program("The lake in Athena: settlements by day")
    counts = Counter((str(time.date()), result) for _, result, time in expected.settlements.values())
    rows = tables.query(translate(sql, "spark", TODAY))
    assert {(str(day)[:10], result): number for day, result, number in rows} == counts
    rows = duck.sql(translate(sql, "duckdb", TODAY)).fetchall()
    assert {(str(day)[:10], result): number for day, result, number in rows} == counts
