"""Spark on two worker processes, with Iceberg tables in Glue and S3 as moto serves them.

The package sagemaker-feature-store-pyspark brings Iceberg and its AWS clients, under the prefix smfs.shaded.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from unittest import mock

from local.tools.lake_sql import raw_columns

BUCKET: Final = "lake"
DATABASE: Final = "kalshi_markets"
REGION: Final = "us-east-1"
_ICEBERG: Final = "smfs.shaded.org.apache.iceberg"
_CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}


@contextmanager
def running_spark(aws_url: str, folder: Path) -> Iterator[Any]:
    """Run Spark and yield its session. aws_url: address of S3 and Glue. folder: for its temporary files."""
    variables = {
        **_CREDENTIALS,
        "SPARK_HOME": str(_package("pyspark")),
        "SPARK_LOCAL_HOSTNAME": "localhost",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder),
        "SPARK_WORKER_DIR": str(folder / "workers"),
        "TZ": "UTC",
    }
    with mock.patch.dict(os.environ, variables):
        time.tzset()  # Spark returns times of a zone in the zone of the process
        from pyspark.sql import SparkSession  # imported here: it reads SPARK_HOME

        builder: Any = SparkSession.builder
        for name, value in _settings(aws_url, folder).items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        try:
            session.sparkContext.setLogLevel("ERROR")
            session.sql(f"CREATE NAMESPACE glue.{DATABASE}")
            session.sql(f"USE glue.{DATABASE}")
            yield session
        finally:
            session.stop()


def create_raw_views(session: Any, root: Path) -> None:
    """Create the views changes_raw and backlog_raw over the objects of a lake in a folder."""
    columns = ", ".join(f"{name} {kind}" for name, kind in raw_columns())
    lines = session.read.schema(f"{columns}, day string").json(str(root / "changes"))
    lines.createOrReplaceTempView("changes_raw")
    backlog = session.read.schema(columns).option("recursiveFileLookup", "true").json(str(root / "backlog"))
    backlog.createOrReplaceTempView("backlog_raw")


def _settings(aws_url: str, folder: Path) -> dict[str, str]:
    [jar] = (_package("feature_store_pyspark") / "jars").glob("*-3.5.jar")
    catalog = {
        "": f"{_ICEBERG}.spark.SparkCatalog",
        ".catalog-impl": f"{_ICEBERG}.aws.glue.GlueCatalog",
        ".io-impl": f"{_ICEBERG}.aws.s3.S3FileIO",
        ".warehouse": f"s3://{BUCKET}/tables",
        ".glue.endpoint": aws_url,
        ".s3.endpoint": aws_url,
        ".s3.path-style-access": "true",
        ".client.region": REGION,
        ".http-client.type": "urlconnection",
    }
    return {
        "spark.master": "local-cluster[2,1,2048]",  # two worker processes, each with a core and 2,048 MiB
        "spark.executor.memory": "1536m",
        "spark.driver.memory": "2g",
        "spark.driver.extraClassPath": str(jar),
        "spark.executor.extraClassPath": str(jar),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.extensions": f"{_ICEBERG}.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.timestampType": "TIMESTAMP_NTZ",  # Athena's timestamp of an Iceberg table has no zone
        "spark.sql.ansi.enabled": "true",  # a value that does not fit its type is an error, as in Athena
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **{f"spark.sql.catalog.glue{name}": value for name, value in catalog.items()},
    }


def _package(name: str) -> Path:
    spec = find_spec(name)
    assert spec
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))
