"""Fixtures: a generated lake, its tables in Spark, and the same files in DuckDB."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from moto.server import ThreadedMotoServer

from kalshi_markets.lake.storage import FolderStorage
from tests.engines import statements
from tests.engines.duckdb_views import create_views
from tests.engines.generated_lake import TODAY, Expected, GeneratedLake
from tests.engines.spark import BUCKET, DATABASE, REGION, create_raw_views, running_spark
from tests.engines.statements import translate
from tests.engines.timing import CHANGES, SECONDS, timed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the number of changes and the duration of each step."""
    terminalreporter.write_line(f"{CHANGES:,} changes")
    for name, seconds in SECONDS.items():
        terminalreporter.write_line(f"{seconds:8.2f} s  {name}")


@dataclass
class Tables:
    """Tables in Spark.

    rows: numbers of rows of the tables `quotes` and `details`, after each step.
    """

    spark: Any
    rows: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def run(self, step: str, sqls: list[str]) -> None:
        """Run statements of the template."""
        with timed(f"Spark   {step}"):
            for sql in sqls:
                self.spark.sql(translate(sql, "spark", TODAY))
        [self.rows[step]] = self.query("SELECT (SELECT count(*) FROM quotes), (SELECT count(*) FROM details)")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query in Spark's SQL."""
        return [tuple(row) for row in self.spark.sql(sql).collect()]


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    """Run S3 and Glue, and yield their address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    s3_client(f"http://{host}:{port}").create_bucket(Bucket=BUCKET)
    yield f"http://{host}:{port}"
    server.stop()


def s3_client(aws_url: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=aws_url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> FolderStorage:
    return FolderStorage(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="session")
def expected(storage: FolderStorage) -> Expected:
    """Write the lake, and return the results that the engines must return."""
    lake = GeneratedLake(storage, CHANGES)
    with timed("Python  write the lake"):
        lake.write()
    return lake.expected


@pytest.fixture(scope="session")
def tables(
    aws_url: str, storage: FolderStorage, expected: Expected, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tables]:
    """Run the statements of the template, each kind twice."""
    with ExitStack() as stack:
        with timed("Spark   start"):
            spark = stack.enter_context(running_spark(aws_url, tmp_path_factory.mktemp("spark")))
            create_raw_views(spark, storage.root)
        tables = Tables(spark)
        tables.run("create", statements.create_statements(BUCKET))
        tables.run("night", statements.nightly_statements())
        tables.run("night again", statements.nightly_statements())
        tables.run("catch up", statements.catch_up_statements())
        tables.run("backlog", statements.backlog_statements())
        tables.run("backlog again", statements.backlog_statements())
        yield tables


@pytest.fixture(scope="session")
def duck(
    tables: Tables, aws_url: str, storage: FolderStorage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield DuckDB with the views quotes and details over the Parquet files that Spark wrote."""
    folder, client = tmp_path_factory.mktemp("parquet"), s3_client(aws_url)
    for name in ("quotes", "details"):
        (folder / name).mkdir()
        for number, (path,) in enumerate(tables.query(f"SELECT file_path FROM glue.{DATABASE}.{name}.files")):
            key = path.removeprefix(f"s3://{BUCKET}/")
            client.download_file(BUCKET, key, str(folder / name / f"{number}.parquet"))
    with duckdb.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        create_views(connection, folder, Path(storage.root))
        yield connection
