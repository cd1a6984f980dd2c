"""Migrations: numbered SQL files, each applied once, in one transaction. The indexes are built after it."""

from pathlib import Path
from typing import Final

from kalshi_markets.columns import MARKETS, Table
from kalshi_markets.database import Database
from kalshi_markets.event_columns import EVENTS, SERIES
from kalshi_markets.settings import MigratorSettings
from migrator.adoption import adopt_legacy_table
from migrator.catalog import MigrationError, columns_of
from migrator.indexes import build_indexes
from migrator.roles import grant

FOLDER: Final = Path(__file__).parent / "migrations"
OLDEST_SERVER: Final = 140_000
LOCK_SECONDS: Final = 1


def migrate(database: Database, settings: MigratorSettings) -> list[str]:
    """Apply the missing migrations, create the login roles and build the indexes. Return the names applied.

    A table of the original service is adopted first. Raises MigrationError if the database cannot be migrated, having
    changed nothing. Raises DatabaseError, SettingsError, SecretUnavailable.
    """
    table = database.settings.table
    applied = []
    with database.transaction():
        _check_server(database)
        # A second migrator at the same time waits here, then finds all migrations applied.
        lock(database)
        # Not before: a rotation changes passwords under this lock. Not later: no table is locked yet.
        roles = {function: role.credentials() for function, role in settings.roles.items()}
        # While a statement waits for a table lock, later statements wait too. Those of the API time out after 3 s.
        database.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        database.execute_script(
            f"CREATE TABLE IF NOT EXISTS {table}_migrations (name text PRIMARY KEY,"
            " applied_at timestamp with time zone NOT NULL DEFAULT now())"
        )
        earlier = {row[0] for row in database.execute(f"SELECT name FROM {table}_migrations")}
        files = sorted(FOLDER.glob("*.sql"))
        # Later names are those of a newer release, after which an older one is deployed again: they are left alone.
        if any(name < files[-1].name for name in earlier - {path.name for path in files}):
            raise MigrationError(
                f"{table} was made by an earlier development version and cannot be upgraded: "
                "delete the data folder of make run (.data), or set MARKETS_TABLE to another name."
            )
        if not earlier:
            adopt_legacy_table(database)
        for path in files:
            if path.name not in earlier:
                # The files use the default table name, so that psql can run them too.
                database.execute_script(path.read_text(encoding="utf-8").replace("kalshi_markets", table))
                database.execute(f"INSERT INTO {table}_migrations (name) VALUES ($1)", path.name)
                applied.append(path.name)
        _check_columns(database)
        grant(database, roles)
    build_indexes(database)
    return applied


def lock(database: Database) -> None:
    """Wait until no other migrator or rotation changes this table or its roles; until the end of the transaction."""
    database.execute("SELECT pg_advisory_xact_lock(hashtext($1::text))", database.settings.table)


def _check_server(database: Database) -> None:
    [[version, encoding]] = database.execute(
        "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')"
    )
    if version < OLDEST_SERVER:
        raise MigrationError(f"PostgreSQL 14 or newer is required; the server is PostgreSQL {version // 10_000}.")
    if encoding != "UTF8":
        raise MigrationError(f"the encoding of the database must be UTF8; it is {encoding}.")


def _check_columns(database: Database) -> None:
    columns_by_suffix = {
        "": MARKETS.columns,  # the view
        **{
            f"_{table}": [column for column in (*EVENTS.columns, *SERIES.columns) if column.table is table]
            for table in (Table.EVENTS, Table.SERIES, Table.SERIES_COUNTS)
        },
    }
    for suffix, columns in columns_by_suffix.items():
        stored = columns_of(database, suffix)
        for column in columns:
            sql_type = stored[column.name].sql_type if column.name in stored else "missing"
            if sql_type != column.sql_type:
                relation = f"{database.settings.table}{suffix}"
                raise MigrationError(
                    f"the column {column.name} of {relation} is {sql_type}; it must be {column.sql_type}."
                )
