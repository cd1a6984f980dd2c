"""PostgreSQL server of a benchmark, and connections to it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from local.postgres import PostgresServer

SETTINGS: Final = {
    "shared_buffers": "3GB",
    "fsync": "off",
    "synchronous_commit": "off",
    "max_wal_size": "4GB",
    "maintenance_work_mem": "1GB",
    "checkpoint_timeout": "30min",
}
TABLE: Final = "kalshi_markets"

Connection = psycopg.Connection[tuple[Any, ...]]


@contextmanager
def running(data_dir: Path) -> Iterator[dict[str, str]]:
    """Run a server over data_dir. Yield the functions' environment for it."""
    server = PostgresServer(data_dir, SETTINGS, ends_with_parent=True)
    server.start()
    try:
        yield {
            "DB_HOST": server.host,
            "DB_PORT": str(server.port),
            "DB_NAME": server.database,
            "DB_USER": server.user,
            "DB_PASSWORD": server.password,
        }
    finally:
        server.stop()


def connect(environment: Mapping[str, str], parameters: Mapping[str, str] | None = None) -> Connection:
    """Return a psycopg connection in autocommit mode. parameters: the session's run-time parameters."""
    started = {"timezone": "UTC"} | dict(parameters or {})
    return psycopg.connect(
        host=environment["DB_HOST"],
        port=environment["DB_PORT"],
        dbname=environment["DB_NAME"],
        user=environment["DB_USER"],
        password=environment["DB_PASSWORD"],
        options=" ".join(f"-c {name}={_escaped(value)}" for name, value in started.items()),
        autocommit=True,
    )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print the name of a step, then its duration."""
    print(f"  {name} …", end=" ", flush=True)
    began = time.monotonic()
    yield
    print(f"{time.monotonic() - began:.1f} s", flush=True)
