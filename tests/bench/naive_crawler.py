"""Reference of the crawler's benchmark: a service that stores the exchange's markets in the common way."""

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
    """Crawler that requests one page at a time, upserts each market by a statement of its own and commits.

    It has one table of the exchange's columns, with those of our indexes that fit it.
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
                continue  # our own bookkeeping

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def truncate(self) -> None:
        """Empty the table."""
        run(self._connection, f"TRUNCATE {PEERS_TABLE}")

    def copy(self) -> None:
        """Copy the rows of our tables."""
        names = ", ".join(column.name for column in STORED)
        run(
            self._connection,
            f"INSERT INTO {PEERS_TABLE} ({names}) SELECT {names} FROM {TABLE} ON CONFLICT (ticker) DO NOTHING",
        )
        run(self._connection, f"VACUUM ANALYZE {PEERS_TABLE}")

    def walk(self, url: str, pages: int) -> int:
        """Store the first pages of the open markets. Return the number of markets."""
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
    """Convert a value to a type that the driver accepts."""
    if isinstance(value, dict | list):
        return json.dumps(value, default=str)
    return None if value == "" else value


def _definitions() -> list[str]:
    """Return our indexes, each once. A prefix of another index is omitted: it adds nothing in a single table."""
    definitions = {index.definition for index in INDEXES}
    return sorted(
        definition
        for definition in definitions
        if not any(other != definition and other.startswith(definition) for other in definitions)
    )
