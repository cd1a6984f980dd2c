"""Views in DuckDB of the lake's tables, over Parquet files, and of its raw lines."""

import json
from pathlib import Path

import duckdb

from local.tools.lake_sql import raw_columns


def create_views(connection: duckdb.DuckDBPyConnection, parquet: Path, lake: Path) -> None:
    """Create the views quotes, details and changes_raw. parquet: folder with a folder for each table."""
    for name in ("quotes", "details"):
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{parquet / name}/*.parquet')")
    columns = {name: "JSON" if kind.startswith("struct") else "VARCHAR" for name, kind in raw_columns()}
    connection.execute(
        f"CREATE VIEW changes_raw AS SELECT * REPLACE (change_number::BIGINT AS change_number) FROM read_json("
        f"'{lake}/changes/*/*.json.gz', format = 'newline_delimited', hive_partitioning = true,"
        f" hive_types = {{'day': 'VARCHAR'}}, columns = {json.dumps(columns)})"
    )
