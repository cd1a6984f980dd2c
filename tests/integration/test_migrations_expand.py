"""The previous version works over the new tables, at a deployment and as long as a rollback is possible."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kalshi_markets.database import Database
from kalshi_markets.settings import MigratorSettings
from migrator.handler import handler
from migrator.indexes import INDEXES
from migrator.migrate import FOLDER, migrate
from tests.support.api_client import ApiClient, Context, items, variables
from tests.support.cloudformation import ResponseBucket, custom_resource_event
from tests.support.database import connect, store_markets
from tests.support.waiting import wait_until

NEWEST_RELEASED = "0004_candle_cache.sql"
"""Last migration of the newest release. Later ones run while that release's functions are deployed."""

NO_ROLES = MigratorSettings({})
WAITING = "SELECT FROM pg_stat_activity WHERE application_name = 'migrator' AND wait_event_type = 'Lock'"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a folder with the released migrations."""
    for path in FOLDER.glob("*.sql"):
        if path.name <= NEWEST_RELEASED:
            (tmp_path / path.name).write_text(path.read_text())
    monkeypatch.setattr("migrator.migrate.FOLDER", tmp_path)
    return tmp_path


@pytest.fixture
def released(empty_database: dict[str, str], folder: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Yield tables as the newest release has them, with one market."""
    name = "expand_" + request.node.name.removeprefix("test_").split("[")[0][:20]
    database = connect(empty_database | {"MARKETS_TABLE": name})
    if database.query("SELECT to_regclass($1::text)", name) == [[None]]:
        with pytest.MonkeyPatch.context() as patch:
            # The columns are those of this version. Of the indexes only unique ones constrain writes.
            patch.setattr("migrator.migrate._check_columns", lambda _: None)
            patch.setattr("migrator.indexes.INDEXES", [index for index in INDEXES if index.unique])
            migrate(database, NO_ROLES)
        database.execute(f"INSERT INTO {name}_details (ticker, title, status) VALUES ('A', 'A', 'active')")
        database.execute(f"INSERT INTO {name}_quotes (ticker, status) VALUES ('A', 'active')")
    yield database
    database.close()


OFFERED = """
    SELECT concat_ws(' ', relname, relkind) FROM pg_class WHERE relname LIKE $1 AND relkind IN ('r', 'v', 'S')
    UNION ALL
    SELECT concat_ws(' ', relname, attname, format_type(atttypid, atttypmod), attcollation, attgenerated)
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE relname LIKE $1 AND relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT concat_ws(' ', p.oid::regprocedure, pg_get_function_result(p.oid)) FROM pg_proc p WHERE proname LIKE $1
    UNION ALL
    SELECT concat_ws(' ', relname, grantee::regrole, privilege_type)
    FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) WHERE relname LIKE $1
    UNION ALL
    SELECT concat_ws(' ', proname, grantee::regrole, privilege_type)
    FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE proname LIKE $1
"""
"""Interface that a version uses: relations, columns, functions, and their privileges."""

REQUIRED = """
    SELECT relname, pg_get_constraintdef(r.oid) FROM pg_constraint r JOIN pg_class c ON c.oid = conrelid
    WHERE relname LIKE $1 AND contype <> 'n'
    UNION ALL
    SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indrelid
    WHERE relname LIKE $1 AND indisunique
    UNION ALL
    SELECT relname, attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE relname LIKE $1 AND relkind = 'r' AND attnum > 0 AND attnotnull AND NOT atthasdef
    UNION ALL
    SELECT relname, tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE relname LIKE $1
"""
"""Constraints on writes, each with its table: constraints, unique indexes, NOT NULL without a default, triggers."""


def broken(released: Database, change: Callable[[], object]) -> set[str]:
    """Return the differences after a change that break the released version: lost, additional or emptied objects."""
    named = f"{released.settings.table}%"
    tables = [
        row[0]
        for row in released.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE $1", named)
    ]

    def offered() -> set[str]:
        return {row[0] for row in released.execute(OFFERED, named)}

    def required() -> set[str]:
        return {f"{table} {rule}" for table, rule in released.execute(REQUIRED, named) if table in tables}

    def filled() -> set[str]:
        return {table for table in tables if released.execute(f"SELECT FROM {table} LIMIT 1")}

    before = offered(), required(), filled()
    change()
    lost, added = before[0] - offered(), required() - before[1]
    return lost | added or before[2] - filled()


def broken_by(statement: str, released: Database) -> set[str]:
    """Return the breaking differences of one statement, which is rolled back."""
    released.execute("BEGIN")
    differences = broken(released, lambda: released.execute_script(statement.format(t=released.settings.table)))
    released.execute("ROLLBACK")
    return differences


def upgrade(released: Database, folder: Path) -> None:
    """Apply the migrations of this version."""
    for path in FOLDER.glob("*.sql"):
        (folder / path.name).write_text(path.read_text())
    migrate(released, NO_ROLES)


def test_migrations_after_the_newest_release_only_expand(released: Database, folder: Path) -> None:
    assert broken(released, lambda: upgrade(released, folder)) == set()


@pytest.mark.parametrize(
    "change",
    [
        "DROP VIEW {t}",
        "DROP TABLE {t}_history",
        "DROP FUNCTION {t}_slow_down",
        "ALTER TABLE {t}_drift DROP COLUMN example",
        "ALTER TABLE {t}_jobs RENAME COLUMN pages TO leaves",
        "ALTER TABLE {t}_jobs RENAME TO {t}_books",
        "ALTER TABLE {t}_jobs ALTER COLUMN pages TYPE integer",
        "ALTER TABLE {t}_events ALTER COLUMN title SET NOT NULL",
        "ALTER TABLE {t}_events ADD COLUMN more text NOT NULL",
        "ALTER TABLE {t}_events ADD CHECK (title <> '')",
        "CREATE UNIQUE INDEX ON {t}_events (title)",
        "REVOKE SELECT ON {t}_events FROM postgres",
        "DELETE FROM {t}_quotes",
    ],
)
def test_incompatible_statements_are_detected(released: Database, change: str) -> None:
    assert broken_by(change, released)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE {t}_more (ticker text PRIMARY KEY)",
        "ALTER TABLE {t}_details ADD COLUMN more text",
        "ALTER TABLE {t}_events ADD COLUMN more integer NOT NULL DEFAULT 0",
        "ALTER TABLE {t}_seen ALTER COLUMN job DROP NOT NULL",
        "CREATE INDEX ON {t}_events (title)",
    ],
)
def test_compatible_statements_are_permitted(released: Database, change: str) -> None:
    assert broken_by(change, released) == set()


def test_the_running_api_and_crawler_go_on_while_a_migration_waits_for_a_table_and_after_it(
    released: Database, folder: Path, empty_database: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long transaction that reads the table blocks the migration, which must not block other sessions."""
    upgrade(released, folder)
    monkeypatch.setattr("migrator.run.PAUSE_SECONDS", 0.1)
    environment = empty_database | {"MARKETS_TABLE": released.settings.table}
    name = released.settings.table
    (folder / "9999_more.sql").write_text("ALTER TABLE kalshi_markets_details ADD COLUMN more text")
    released.execute(f"DROP INDEX {name}_d_recent")
    api, writer = ApiClient(environment), connect(environment)
    answers = 0
    with ResponseBucket(200) as bucket, variables(environment):
        migrator = threading.Thread(target=handler, args=(custom_resource_event(bucket, "Update"), Context(60)))
        with released.transaction():
            released.execute(f"SELECT FROM {name}")
            migrator.start()
            wait_until(lambda: writer.query(WAITING) or not migrator.is_alive())
            for answers in range(1, 10):
                assert len(items(api, "/markets?order_by=ticker")) == answers
                store_markets(writer, {"ticker": f"B{answers}", "status": "active"})
            assert migrator.is_alive()
        migrator.join()
        assert bucket.response["Status"] == "SUCCESS"
    assert len(items(api, "/markets")) == answers + 1
    store_markets(writer, {"ticker": "C", "status": "active"})
    assert len(items(api, "/markets?ticker=C")) == 1
    api.close()
    writer.close()
