"""Conversion of the closed days of a lake in a folder to Parquet, with the columns and types of the lake's tables."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import duckdb

from kalshi_markets.columns import Column
from kalshi_markets.lake.columns import LAKE_DETAILS, LAKE_QUOTES, lake_type
from kalshi_markets.lake.objects import CHANGES_PREFIX, MANIFESTS_PREFIX
from kalshi_markets.lake.storage import LakeError

PARQUET_FOLDER: Final = "parquet"
_DUCKDB_TYPES: Final = {"string": "VARCHAR", "timestamp": "TIMESTAMP", "bigint": "BIGINT", "boolean": "BOOLEAN"}
_KEYS: Final = ("ticker", "change_number", "changed_at")
"""Columns of a version that its details repeat in the table `details`."""


def compact(url: str, progress: Callable[[str], None]) -> int:
    """Write the Parquet files of each closed day that has none yet. Return 0. Raises LakeError.

    parquet/quotes/day=D.parquet and parquet/details/day=D.parquet are sorted by ticker and change number.
    """
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise LakeError(
            "lake-compact converts a lake in a folder; in S3, the nightly query of infra/lake.yaml does it."
        )
    root = Path(unquote(parts.path))
    days = sorted(path.name for path in (root / MANIFESTS_PREFIX).glob("day=*"))
    for day in days:
        targets = {name: root / PARQUET_FOLDER / name / f"{day}.parquet" for name in ("quotes", "details")}
        if not all(path.exists() for path in targets.values()):
            progress(f"converting {day}")
            _convert(root, day, targets)
    print(f"{len(days):,} closed days are in {root / PARQUET_FOLDER}")
    return 0


def _convert(root: Path, day: str, targets: dict[str, Path]) -> None:
    versions = {column.name: "VARCHAR" for column in LAKE_QUOTES} | {"details": "JSON", "gap": "VARCHAR"}
    with duckdb.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute(
            f"CREATE VIEW version AS SELECT * FROM read_json('{_quoted(root / CHANGES_PREFIX / day)}/*.json.gz',"
            f" format = 'newline_delimited', columns = {json.dumps(versions)}) WHERE gap IS NULL"
        )
        quotes = ", ".join(_cast(column.name, column) for column in LAKE_QUOTES)
        others = [column for column in LAKE_DETAILS if column.name not in _KEYS]
        keys = ", ".join(_cast(column.name, column) for column in LAKE_QUOTES if column.name in _KEYS)
        details = ", ".join(_cast(f"(details ->> '{column.name}')", column) for column in others)
        _write(connection, f"SELECT {quotes} FROM version", targets["quotes"])
        _write(connection, f"SELECT {keys}, {details} FROM version WHERE details IS NOT NULL", targets["details"])


def _write(connection: duckdb.DuckDBPyConnection, select: str, target: Path) -> None:
    """Write a query as a file that is either complete or absent."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        order = "ORDER BY ticker, change_number"
        connection.execute(f"COPY ({select} {order}) TO '{_quoted(temporary)}' (FORMAT parquet, COMPRESSION zstd)")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _cast(value: str, column: Column) -> str:
    kind = lake_type(column)
    return f"CAST({value} AS {_DUCKDB_TYPES.get(kind, kind)}) AS {column.name}"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
