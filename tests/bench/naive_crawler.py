"""What the crawler is measured against: a service that stores the exchange's markets the usual way."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import httpx
import psycopg

from kalshi_markets.columns import MARKET_COLUMNS
from migrator.indexes import INDEXES
from tests.bench.server import TABLE, connect
from tests.bench.table import STORED, run
from tests.bench.writes import Page

PEERS_TABLE: Final = "bench_peer"
_NAMES: Final = [column.name for column in MARKET_COLUMNS]
_UPSERT: Final = (
    f"INSERT INTO {PEERS_TABLE} ({', '.join(_NAMES)}) VALUES ({', '.join(['%s'] * len(_NAMES))})"
    f" ON CONFLICT (ticker) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _NAMES[1:])}"
)


class NaiveCrawler:
    """One page at a time: asked for, each market upserted by a statement of its own, committed.

    One table of the exchange's columns, with those of our indexes that it can have.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._connection = connect(environment)
        columns = ", ".join(f"{column.name} {column.sql_type}" for column in STORED)
        recent = "recent timestamptz GENERATED ALWAYS AS (coalesce(close_time, open_time)) STORED"
        run(self._connection, f"CREATE TABLE {PEERS_TABLE} ({columns}, {recent}, PRIMARY KEY (ticker))")
        for definition in _definitions():
            try:
                run(self._connection, f"CREATE INDEX ON {PEERS_TABLE} {definition}")
            except psycopg.errors.UndefinedColumn:
                continue  # of our own bookkeeping

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def truncate(self) -> None:
        """Empties the table."""
        run(self._connection, f"TRUNCATE {PEERS_TABLE}")

    def copy(self) -> None:
        """Takes over what ours has."""
        names = ", ".join(column.name for column in STORED)
        run(
            self._connection,
            f"INSERT INTO {PEERS_TABLE} ({names}) SELECT {names} FROM {TABLE} ON CONFLICT (ticker) DO NOTHING",
        )
        run(self._connection, f"VACUUM ANALYZE {PEERS_TABLE}")

    def walk(self, url: str, pages: int) -> int:
        """The first pages of the open markets; how many markets these were."""
        markets = 0
        with httpx.Client() as http, self._connection.cursor() as cursor:
            for page in _pages(http, url, pages):
                with self._connection.transaction():
                    for market in page:
                        cursor.execute(_UPSERT, [_plain(market.get(column.source_field)) for column in MARKET_COLUMNS])
                markets += len(page)
        return markets


def _pages(http: httpx.Client, url: str, pages: int) -> Iterator[Page]:
    query = {"limit": "1000", "mve_filter": "exclude", "status": "open"}
    for _ in range(pages):
        answer = http.get(f"{url}/markets", params=query).json(parse_float=Decimal)
        yield answer["markets"]
        if not answer["cursor"]:
            return
        query["cursor"] = answer["cursor"]


def _plain(value: Any) -> Any:
    """As the driver takes it."""
    if isinstance(value, dict | list):
        return json.dumps(value, default=str)
    return None if value == "" else value


def _definitions() -> list[str]:
    """Of our indexes, each once; one that begins another adds nothing in a single table."""
    definitions = {index.definition for index in INDEXES}
    return sorted(
        definition
        for definition in definitions
        if not any(other != definition and other.startswith(definition) for other in definitions)
    )
