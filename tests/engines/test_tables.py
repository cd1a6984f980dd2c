"""Statements of the lake's tables, run by Spark and DuckDB: exactly the rows and values that Python computed."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from kalshi_markets.lake.storage import FolderStorage
from local.lake.check import Range, check
from local.tools.lake_sql import TABLES, WINDOW_DAYS, LakeTable
from tests.engines.conftest import Tables
from tests.engines.generated_lake import FIRST_DAY, GAP_AFTER, TODAY, Expected
from tests.engines.statements import queries, translate
from tests.engines.timing import CHANGES, timed

pytestmark = pytest.mark.timeout(3000)
PLACES = Decimal("0.000001")
SPARK_TYPES = {"timestamp": "timestamp_ntz"}


def test_the_lake_is_complete_but_for_its_gap(storage: FolderStorage, expected: Expected) -> None:
    report = check(storage, lambda text: None)
    assert (report.missing, report.damaged, report.lines) == ([], [], CHANGES + 1)
    [gap] = report.gaps
    assert gap == Range(gap.after, gap.after + 7, "outbox full")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_columns_have_the_types_of_the_lake_and_no_double(tables: Tables, table: LakeTable) -> None:
    types = dict(tables.spark.table(table.name).dtypes)
    assert types == {name: SPARK_TYPES.get(kind, kind) for name, kind in table.columns} | {"day": "date"}


def test_each_version_is_inserted_once(tables: Tables, expected: Expected) -> None:
    def rows(first_day: Any) -> tuple[int, int]:
        quotes, details = (
            sum(number for day, number in counts.items() if day >= first_day)
            for counts in (expected.changes, expected.details)
        )
        return quotes, details

    window, everything = rows(TODAY - WINDOW_DAYS * (TODAY.resolution)), rows(FIRST_DAY)
    complete = tuple(number + expected.backlog for number in everything)
    assert window < everything
    assert tables.rows == {
        "create": (0, 0),
        "night": window,
        "night again": window,
        "catch up": everything,
        "backlog": complete,
        "backlog again": complete,
    }


def test_sums_are_exact(tables: Tables, duck: duckdb.DuckDBPyConnection, expected: Expected) -> None:
    [(volume, distinct)] = tables.query("SELECT sum(volume), count(DISTINCT change_number) FROM quotes")
    assert volume == expected.volume
    assert distinct == CHANGES + expected.backlog
    assert duck.sql("SELECT sum(volume) FROM quotes").fetchall() == [(expected.volume,)]


@pytest.mark.parametrize("name", queries())
def test_a_named_query_returns_what_python_computed(
    tables: Tables, duck: duckdb.DuckDBPyConnection, expected: Expected, name: str
) -> None:
    sql = queries()[name]
    with timed(f"Spark   {name}"):
        spark_rows = _rounded(tables.query(translate(sql, "spark", TODAY)))
    with timed(f"DuckDB  {name}"):
        duck_rows = _rounded(duck.sql(translate(sql, "duckdb", TODAY)).fetchall())
    assert _selected(name, spark_rows) == _expected(name, expected)
    assert duck_rows == spark_rows


def _rounded(rows: Iterable[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """Return rows with prices as Spark has them: DuckDB divides decimals as doubles, and times of Spark have no zone."""
    return {tuple(_value(value) for value in row) for row in rows}


def _value(value: Any) -> Any:
    return Decimal(value).quantize(PLACES) if isinstance(value, float | Decimal) else value


def _selected(name: str, rows: set[tuple[Any, ...]]) -> Any:
    """Return the columns of a query's rows that are compared with Python's results."""
    match name:
        case "Markets now":
            return {ticker: (bid, ask, volume) for ticker, bid, ask, _, volume, *_ in rows}
        case "As of a moment":
            return {ticker: (status, bid) for ticker, status, bid, *_ in rows}
        case "Settlements":
            return {ticker: (series, result, time) for ticker, series, result, _, time in rows}
        case "Hourly mids":
            return {(ticker, hour): mid for ticker, hour, mid in rows}
    return rows


def _expected(name: str, expected: Expected) -> Any:
    match name:
        case "Markets now":
            return expected.now
        case "As of a moment":
            return expected.as_of
        case "Settlements":
            return expected.settlements
        case "Hourly mids":
            return expected.filled_mids()
    gap_day = FIRST_DAY + TODAY.resolution * int(GAP_AFTER * len(expected.changes))
    return {(str(day), number, 0, int(day == gap_day)) for day, number in expected.changes.items()}
