"""Connections to the tests' databases, and rows as the crawler writes them."""

from collections.abc import Mapping
from typing import Any

from crawler.job_table import JobState
from crawler.store import Batch, Store
from kalshi_markets.columns import Table
from kalshi_markets.database import Database
from kalshi_markets.exchange import parse_market
from kalshi_markets.settings import DatabaseSettings
from local.postgres import PostgresServer


def environment_of(server: PostgresServer, database: str) -> dict[str, str]:
    """Return the DB_* variables for a database."""
    return {
        "DB_HOST": server.host,
        "DB_PORT": str(server.port),
        "DB_NAME": database,
        "DB_USER": server.user,
        "DB_PASSWORD": server.password,
    }


def connect(environment: Mapping[str, str]) -> Database:
    """Return a connection with the settings of an environment."""
    return Database(DatabaseSettings.from_env(environment), application_name="test")


def store_markets(database: Database, *markets: Mapping[str, Any]) -> None:
    """Store Market objects in the tables as the crawler does."""
    store = Store(database)
    assert store.lease.acquire()
    store.commit(Batch(JobState("live/open"), [parse_market(market) for market in markets]))
    store.lease.release()


def truncate_all(database: Database) -> None:
    """Empty all tables, including the job states."""
    crawled = ("details", "quotes", "jobs", "rejects", "history", "seen", "drift", "lookups")
    names = (*crawled, "events", "unknown_events", "series", "counts", "facets", "outbox", "lake_objects")
    database.execute_script(
        f"TRUNCATE {', '.join(f'kalshi_markets_{name}' for name in names)};"
        " UPDATE kalshi_markets_lease SET ends_at = '-infinity', holder = NULL;"
        " UPDATE kalshi_markets_lake SET lake_id = DEFAULT, exported = NULL, backlog_before = NULL,"
        " backlog_complete = false"
    )


def delete_market(database: Database, ticker: str) -> None:
    """Delete a market from the tables."""
    for part in (Table.DETAILS, Table.QUOTES):
        database.execute(f"DELETE FROM {database.settings.table}_{part} WHERE ticker = $1", ticker)
    database.execute(f"UPDATE {database.settings.table}_jobs SET added = added - 1 WHERE job = 'live/open'")
