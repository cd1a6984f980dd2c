"""Conversion of a lake to Parquet: exact types, exact values, sorted files, and no file twice."""

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from crawler.outbox import Outbox
from kalshi_markets.columns import Column, Entity, Kind
from kalshi_markets.database import Database
from kalshi_markets.event_columns import EVENTS, SERIES
from kalshi_markets.lake.columns import LAKE_DETAILS, LAKE_QUOTES, lake_type
from kalshi_markets.lake.objects import backlog_key, compress
from kalshi_markets.lake.storage import FolderStorage, LakeError
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.exchange.recording import replay
from local.lake import compact as compact_module
from local.lake.compact import compact
from tests.lake.crawled import close_days, crawl_into, last_day
from tests.support.database import connect, truncate_all
from tests.support.waiting import wait_for_one_day

TYPES = {"string": "VARCHAR", "timestamp": "TIMESTAMP", "bigint": "BIGINT", "boolean": "BOOLEAN"}


def convert(folder: Path) -> None:
    compact(folder.as_uri(), lambda text: None)


def files(folder: Path) -> dict[str, int]:
    """Return the time of the last change of each Parquet file by its path, and of any other file beside them."""
    root = folder / "parquet"
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def lake(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> FolderStorage:
    """Return a converted lake whose only day is closed."""
    wait_for_one_day()
    storage = FolderStorage(tmp_path_factory.mktemp("lake's") / "lake")
    database = connect(environment)
    with ExchangeServer(generate(3, 300, Clock(speed=0))) as exchange:
        summary = crawl_into(storage.root, environment, database, exchange.url)
        assert summary["outcome"] == "idle", summary
    database.close()
    close_days(storage)
    convert(storage.root)
    return storage


@pytest.mark.parametrize(("table", "columns"), [("quotes", LAKE_QUOTES), ("details", LAKE_DETAILS)])
def test_columns_and_types_are_those_of_the_tables(
    lake: FolderStorage, table: str, columns: tuple[Column, ...]
) -> None:
    described = duckdb.execute(f"DESCRIBE FROM '{quoted(lake.root)}/parquet/{table}/*.parquet'").fetchall()
    declared = {column.name: lake_type(column).upper() for column in (*columns, *LAKE_QUOTES)}
    expected = {name: TYPES.get(declared[name].lower(), declared[name]) for name, *_ in described}
    assert {name: kind for name, kind, *_ in described} == expected
    names = {column.name for column in columns}
    assert set(expected) == names | {"ticker", "change_number", "changed_at"}


def test_rows_are_sorted_by_ticker_and_change(lake: FolderStorage) -> None:
    for table in ("quotes", "details"):
        path = lake.root / "parquet" / table / f"{last_day(lake)}.parquet"
        keys = duckdb.execute(f"SELECT ticker, change_number FROM '{quoted(path)}'").fetchall()
        assert len(keys) > 100
        assert keys == sorted(keys)


def test_values_are_those_of_the_database(lake: FolderStorage, database: Database) -> None:
    assert_values_equal(lake, database)


@pytest.mark.parametrize("entity", [EVENTS, SERIES], ids=lambda entity: entity.name)
def test_snapshots_are_converted(lake: FolderStorage, entity: Entity) -> None:
    key = f"snapshots/{entity.name}/{last_day(lake)}"
    lines = [json.loads(line) for line in gzip.decompress(lake.get(f"{key}.json.gz") or b"").splitlines()]
    connection = duckdb.execute(f"FROM '{quoted(lake.root)}/parquet/{key}.parquet'")
    names = [name for name, *_ in connection.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in connection.fetchall()]
    assert len(rows) == len(lines) > 10
    assert [row[entity.key] for row in rows] == sorted(line[entity.key] for line in lines)
    for row, line in zip(rows, sorted(lines, key=lambda line: str(line[entity.key])), strict=True):
        for column in (column for column in entity.columns if column.name in line):
            value, text = row[column.name], line[column.name]
            number = column.kind is Kind.NUMBER and text is not None
            shown = f"{value:%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else value
            assert shown == (Decimal(text) if number else text)


def test_a_second_conversion_writes_nothing(lake: FolderStorage) -> None:
    before = files(lake.root)
    convert(lake.root)
    assert files(lake.root) == before
    assert all(name.endswith(".parquet") for name in before)


def test_an_interrupted_conversion_is_completed_by_the_next_one(
    lake: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = f"{last_day(lake)}.parquet"
    for table in ("quotes", "details"):
        (lake.root / "parquet" / table / day).unlink()
    write = compact_module._write

    def interrupted(connection: duckdb.DuckDBPyConnection, target: Any) -> None:
        if "details" in target.path.parts:
            raise KeyboardInterrupt
        write(connection, target)

    with monkeypatch.context() as patch:
        patch.setattr(compact_module, "_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            convert(lake.root)
    quotes = files(lake.root)[f"quotes/{day}"]
    assert f"details/{day}" not in files(lake.root)
    convert(lake.root)
    assert files(lake.root)[f"quotes/{day}"] == quotes
    assert f"details/{day}" in files(lake.root)


def test_an_object_that_the_manifest_lists_must_be_there(lake: FolderStorage, tmp_path: Path) -> None:
    for prefix in ("manifests/", "changes/"):
        for item in lake.list(prefix):
            FolderStorage(tmp_path).put(item.key, lake.get(item.key) or b"")
    first = next(iter(lake.list("changes/")))
    (tmp_path / first.key).unlink()
    with pytest.raises(LakeError, match="run make lake-check"):
        convert(tmp_path)
    assert files(tmp_path) == {}


def test_the_backlog_is_converted_page_by_page(lake: FolderStorage, database: Database, tmp_path: Path) -> None:
    stored = database.query("SELECT count(*) FROM kalshi_markets_quotes")
    storage = FolderStorage(tmp_path)
    rows = Outbox(database).backlog_page(2**62, "")
    for number in range(2):
        lines = [line for _, line in rows[number::2]]
        storage.put(backlog_key(7, number), compress("".join(lines)))
    convert(tmp_path)
    assert stored == [[len(rows)]]
    assert {name for name in files(tmp_path) if "quotes" in name} == {
        f"backlog/quotes/{7:020d}-{number:08d}.parquet" for number in range(2)
    }
    assert_values_equal(storage, database, "backlog/")


@pytest.mark.recordings
def test_no_value_of_the_recorded_markets_is_rounded(
    environment: dict[str, str], database: Database, recordings: Path, tmp_path: Path
) -> None:
    truncate_all(database)
    with ExchangeServer(replay(recordings / "markets.jsonl.gz", Clock(speed=0))) as exchange:
        summary = crawl_into(tmp_path, {**environment, "COMBOS": "true"}, database, exchange.url)
    assert summary["table_size"] > 6400
    storage = FolderStorage(tmp_path)
    close_days(storage)
    convert(tmp_path)
    assert_values_equal(storage, database)


def assert_values_equal(lake: FolderStorage, database: Database, folder: str = "") -> None:
    """Compare the newest version of each market with the database, in all columns."""
    for table, columns in (("quotes", LAKE_QUOTES), ("details", LAKE_DETAILS)):
        names = ", ".join(column.name for column in columns)
        path = f"'{quoted(lake.root)}/parquet/{folder}{table}/*.parquet'"
        newest = f"SELECT {names} FROM {path} QUALIFY row_number() OVER (PARTITION BY ticker ORDER BY change_number DESC) = 1"
        rows = duckdb.execute(newest).fetchall()
        stored = database.query(f"SELECT {names} FROM kalshi_markets_{table}")
        assert len(rows) == len(stored) > 150
        for row, expected in zip(sorted(rows), sorted(stored, key=lambda row: row[0]), strict=True):
            for column, value, stored_value in zip(columns, row, expected, strict=True):
                assert comparable(column, value) == comparable(column, stored_value), (row[0], column.name)


def comparable(column: Column, value: Any) -> Any:
    """Return a value of the database or of the lake so that both can be compared."""
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    return json.loads(value) if isinstance(value, str) and column.kind is Kind.JSON else value


def quoted(path: Path) -> str:
    return str(path).replace("'", "''")
