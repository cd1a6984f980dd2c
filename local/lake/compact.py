"""Conversion of a lake in a folder to Parquet, with the columns and types of the lake's tables.

parquet/quotes/day=D.parquet and parquet/details/day=D.parquet: versions of a closed day.
parquet/backlog/{quotes,details}/BEFORE-PAGE.parquet: versions of a page of the backlog.
parquet/snapshots/{events,series}/day=D.parquet: all events or all series.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import duckdb

from kalshi_markets.columns import Column, Table
from kalshi_markets.event_columns import EVENTS, SERIES
from kalshi_markets.lake.columns import LAKE_DETAILS, LAKE_QUOTES, lake_type
from kalshi_markets.lake.objects import BACKLOG_PREFIX, MANIFESTS_PREFIX, SNAPSHOTS_PREFIX
from kalshi_markets.lake.storage import LakeError

PARQUET_FOLDER: Final = "parquet"
_DUCKDB_TYPES: Final = {"string": "VARCHAR", "timestamp": "TIMESTAMP", "bigint": "BIGINT", "boolean": "BOOLEAN"}
_KEYS: Final = ("ticker", "change_number", "changed_at")
"""Columns of a version that its details repeat in the table `details`."""


class _Target(NamedTuple):
    """Parquet file to write. select: values of its rows; order: names of the columns that sort them."""

    path: Path
    select: str
    order: str


class _Source(NamedTuple):
    """Objects that are converted together. columns: names and DuckDB types of their lines."""

    objects: Sequence[Path]
    columns: dict[str, str]
    targets: Sequence[_Target]


def compact(url: str, progress: Callable[[str], None]) -> int:
    """Write the Parquet files that are missing. Return 0. Raises LakeError.

    Versions are sorted by ticker and change number. A day is converted once it is closed, from the objects that its
    manifest lists.
    """
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise LakeError(
            "lake-compact converts a lake in a folder; in S3, the nightly query of infra/lake.yaml does it."
        )
    root = Path(unquote(parts.path))
    written = 0
    for source in (*_days(root), *_backlog(root), *_snapshots(root)):
        missing = [target for target in source.targets if not target.path.exists()]
        if missing:
            progress(f"converting {missing[0].path.relative_to(root)}")
            _convert(root, source, missing)
            written += len(missing)
    print(f"{written:,} new Parquet files in {root / PARQUET_FOLDER}")
    return 0


def _days(root: Path) -> Iterator[_Source]:
    for manifest in sorted((root / MANIFESTS_PREFIX).glob("day=*/*.json")):
        objects = [root / member["key"] for member in json.loads(manifest.read_bytes())["objects"]]
        yield _versions(objects, root / PARQUET_FOLDER, manifest.parent.name)


def _backlog(root: Path) -> Iterator[_Source]:
    for page in sorted((root / BACKLOG_PREFIX).glob("*/*.json.gz")):
        name = f"{page.parent.name}-{page.name.removesuffix('.json.gz')}"
        yield _versions([page], root / PARQUET_FOLDER / "backlog", name)


def _snapshots(root: Path) -> Iterator[_Source]:
    for entity in (EVENTS, SERIES):
        columns = [column for column in entity.columns if column.table is not Table.SERIES_COUNTS]
        for snapshot in sorted((root / SNAPSHOTS_PREFIX / entity.name).glob("day=*.json.gz")):
            name = f"{snapshot.name.removesuffix('.json.gz')}.parquet"
            path = root / PARQUET_FOLDER / "snapshots" / entity.name / name
            select = ", ".join(_cast(column.name, column) for column in columns)
            texts = {column.name: "VARCHAR" for column in columns}
            yield _Source([snapshot], texts, [_Target(path, f"SELECT {select} FROM line", entity.key)])


def _versions(objects: Sequence[Path], folder: Path, name: str) -> _Source:
    texts = {column.name: "VARCHAR" for column in LAKE_QUOTES} | {"details": "JSON", "gap": "VARCHAR"}
    quotes = ", ".join(_cast(column.name, column) for column in LAKE_QUOTES)
    keys = [_cast(column.name, column) for column in LAKE_QUOTES if column.name in _KEYS]
    members = (column for column in LAKE_DETAILS if column.name not in _KEYS)
    details = ", ".join([*keys, *(_cast(f"(details ->> '{column.name}')", column) for column in members)])
    has_details = "details IS NOT NULL AND details <> 'null'"
    targets = [
        _Target(folder / "quotes" / f"{name}.parquet", f"SELECT {quotes} FROM line WHERE gap IS NULL", _ORDER),
        _Target(folder / "details" / f"{name}.parquet", f"SELECT {details} FROM line WHERE {has_details}", _ORDER),
    ]
    return _Source(objects, texts, targets)


_ORDER: Final = "ticker, change_number"


def _convert(root: Path, source: _Source, targets: Iterable[_Target]) -> None:
    objects = ", ".join(f"'{_quoted(path)}'" for path in source.objects)
    try:
        with duckdb.connect() as connection:
            connection.execute("SET timezone = 'UTC'")
            connection.execute(f"SET temp_directory = '{_quoted(root / PARQUET_FOLDER / '.temporary')}'")
            connection.execute(
                f"CREATE VIEW line AS SELECT * FROM read_json([{objects}], format = 'newline_delimited',"
                f" columns = {json.dumps(source.columns)})"
            )
            for target in targets:
                _write(connection, target)
    except duckdb.Error as error:
        raise LakeError(f"{source.objects[0].parent} cannot be converted: run make lake-check ({error}).") from error


def _write(connection: duckdb.DuckDBPyConnection, target: _Target) -> None:
    """Write a file that is either complete or absent."""
    target.path.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.path.with_name(f".{target.path.name}.{uuid.uuid4().hex}")
    try:
        rows = f"{target.select} ORDER BY {target.order}"
        connection.execute(f"COPY ({rows}) TO '{_quoted(temporary)}' (FORMAT parquet, COMPRESSION zstd)")
        temporary.replace(target.path)
    finally:
        temporary.unlink(missing_ok=True)


def _cast(value: str, column: Column) -> str:
    kind = lake_type(column)
    return f"CAST({value} AS {_DUCKDB_TYPES.get(kind, kind)}) AS {column.name}"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
