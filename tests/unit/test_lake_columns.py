"""Columns of the lake: all columns of the markets, with types that hold every recorded value exactly."""

import gzip
import json
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kalshi_markets.columns import COLUMNS, MARKET_COLUMNS, Column, Kind, Table
from kalshi_markets.lake.columns import LAKE_DETAILS, LAKE_QUOTES, lake_type

DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


def fits(value: Decimal, kind: str) -> bool:
    """Return whether a type of the lake holds a number without rounding it."""
    digits, places = map(int, match.groups()) if (match := DECIMAL.fullmatch(kind)) else (19, 0)
    scaled = value.scaleb(places)
    return scaled == scaled.to_integral_value() and abs(scaled) < 10**digits


def test_the_lake_has_every_column_of_the_markets() -> None:
    assert {*LAKE_QUOTES} | {*LAKE_DETAILS} == {*COLUMNS}
    assert {column.name for column in {*LAKE_QUOTES} & {*LAKE_DETAILS}} == {"ticker", "status"}


def test_what_trading_changes_is_in_each_version() -> None:
    assert {*LAKE_QUOTES} >= {column for column in COLUMNS if column.table is Table.QUOTES}


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_a_number_is_a_decimal_or_an_integer_and_never_a_double(column: Column) -> None:
    kind = lake_type(column)
    if column.kind is Kind.NUMBER:
        assert DECIMAL.fullmatch(kind) or kind == "bigint"
        assert column.sql_type == "numeric" or kind == "bigint"
    else:
        assert kind in ("string", "timestamp", "boolean")


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("0.123456", "decimal(12,6)", True),
        ("0.1234567", "decimal(12,6)", False),
        ("999999.5", "decimal(12,6)", True),
        ("1000000", "decimal(12,6)", False),
        ("-3", "bigint", True),
        ("0.5", "bigint", False),
    ],
)
def test_a_value_that_is_too_long_for_a_type_is_found(value: str, kind: str, expected: bool) -> None:
    assert fits(Decimal(value), kind) is expected


def recorded_markets(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield every recorded Market object, with decimals."""
    for name in ("markets", "market-snapshots"):
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line, parse_float=Decimal)


@pytest.mark.recordings
def test_no_type_rounds_a_recorded_value() -> None:
    numbers = [column for column in MARKET_COLUMNS if column.kind is Kind.NUMBER]
    values = rounded = 0
    for market in recorded_markets(Path(os.environ["RECORDINGS"])):
        for column in numbers:
            if (value := market.get(column.source_field)) not in (None, ""):
                values += 1
                rounded += not fits(Decimal(value), lake_type(column))
    assert values > 300_000
    assert rounded == 0
