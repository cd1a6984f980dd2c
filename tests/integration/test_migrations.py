import threading
from collections.abc import Iterator

import pytest

from kalshi_markets.columns import COLUMNS
from kalshi_markets.database import Database, LoginRefused, StatementRefused
from kalshi_markets.settings import DatabaseSettings, MigratorSettings
from migrator.catalog import MigrationRefused, columns_of, has_unique_ticker
from migrator.migrate import FOLDER, migrate
from tests.integration.conftest import connect

NO_ROLES = MigratorSettings({})
NAMES = sorted(path.name for path in FOLDER.glob("*.sql"))


@pytest.fixture
def table(empty_database: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database whose markets table bears the test's own name."""
    name = request.node.name.removeprefix("test_").split("[")[0][:30]
    database = connect(empty_database | {"MARKETS_TABLE": f"t_{name}"})
    yield database
    database.close()


def test_a_second_run_does_nothing(table: Database) -> None:
    assert migrate(table, NO_ROLES) == NAMES
    assert migrate(table, NO_ROLES) == []


def test_the_table_is_what_columns_say(table: Database) -> None:
    migrate(table, NO_ROLES)
    found = columns_of(table)
    assert {name: column.sql_type for name, column in found.items()} == {c.name: c.sql_type for c in COLUMNS}
    assert has_unique_ticker(table)


def test_two_at_once_apply_each_migration_once(table: Database) -> None:
    applied: list[list[str]] = []

    def run() -> None:
        database = Database(table.settings, application_name="test")
        applied.append(migrate(database, NO_ROLES))
        database.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [[], [], [], NAMES]


ORIGINAL = """
    CREATE TABLE {table} (
        ticker varchar(100) PRIMARY KEY, event_ticker varchar NOT NULL, title text NOT NULL DEFAULT '',
        subtitle text, market_type varchar(20), strike_type varchar, open_time timestamp, close_time timestamptz(3),
        volume integer, liquidity bigint NOT NULL DEFAULT 0, open_interest double precision, result varchar,
        settlement_value integer, rules_primary text, note text, added serial);
    INSERT INTO {table} (ticker, event_ticker, open_time, close_time, volume, open_interest, settlement_value, note)
    VALUES ('A', 'E', '2026-01-01 10:00', '2026-01-01 10:00:00.25-05', 5, 1.5, 29, 'kept')
"""


def test_the_original_services_table_is_adopted_with_its_rows(table: Database) -> None:
    name = table.settings.table
    table.script(ORIGINAL.format(table=name))
    assert migrate(table, NO_ROLES) == NAMES
    [row] = table.execute(
        f"SELECT ticker, event_ticker, open_time::text, close_time::text, volume::text, open_interest::text,"
        f" settlement_value::text, note, status, change_number > 0 FROM {name}"
    )
    assert row[:2] == ["A", "E"]
    assert row[2:4] == ["2026-01-01 10:00:00+00", "2026-01-01 15:00:00.25+00"]
    assert row[4:7] == ["5", "1.5", "0.29"]  # its cents are our dollars
    assert row[7:] == ["kept", None, True]
    assert table.execute(f"SELECT added FROM {name}_jobs WHERE job = 'adopted'") == [[1]]
    table.execute(f"INSERT INTO {name} (ticker) VALUES ('B')")  # nothing of theirs is required any more


def test_a_table_without_a_primary_key_on_the_ticker_gets_a_unique_one(table: Database) -> None:
    name = table.settings.table
    table.script(f"CREATE TABLE {name} (id serial PRIMARY KEY, ticker text)")
    migrate(table, NO_ROLES)
    assert has_unique_ticker(table)


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ("TABLE {table} (id integer)", "is not a table with a ticker column"),
        ("VIEW {table} AS SELECT 'A' AS ticker", "is not a table with a ticker column"),
        ("TABLE {table} (ticker text, owner text NOT NULL)", "needs a value .* owner"),
        ("TABLE {table} (ticker text, volume text)", "volume is text"),
        ("TABLE {table} (ticker text, open_time bigint)", "open_time is bigint"),
        ("TABLE {table} AS SELECT 'A' AS ticker FROM generate_series(1, 2)", "cannot be converted"),
        ("TABLE {table} AS SELECT 'A' AS ticker, 'soon' AS close_time", "cannot be converted"),
    ],
)
def test_a_table_of_something_else_is_refused_in_a_sentence(table: Database, definition: str, reason: str) -> None:
    name = f"{table.settings.table}_{abs(hash(definition)) % 10**6}"
    database = Database(
        DatabaseSettings(**(vars(table.settings) | {"table": name})),
        application_name="test",
    )
    database.script("CREATE " + definition.format(table=name))
    before = columns_of(database)
    with pytest.raises(MigrationRefused, match=f"^{name} exists and .*{reason}.*MARKETS_TABLE"):
        migrate(database, NO_ROLES)
    assert columns_of(database) == before
    database.close()


def test_a_column_that_is_not_as_it_should_be_is_named(table: Database) -> None:
    migrate(table, NO_ROLES)
    table.execute(f"ALTER TABLE {table.settings.table} ALTER COLUMN title TYPE varchar")
    with pytest.raises(MigrationRefused, match="title is character varying"):
        migrate(table, NO_ROLES)


def test_each_role_may_do_its_part_and_no_more(table: Database, empty_database: dict[str, str]) -> None:
    variables = {
        "API_DB_USER": "role's api",
        "API_DB_PASSWORD": "it's",
        "CRAWLER_DB_USER": "crawler",
        "CRAWLER_DB_PASSWORD": "first",
    }
    name = table.settings.table
    migrate(table, MigratorSettings.read(variables))
    migrate(table, MigratorSettings.read(variables | {"CRAWLER_DB_PASSWORD": "second"}))
    base = empty_database | {"MARKETS_TABLE": name}
    api = connect(base | {"DB_USER": "role's api", "DB_PASSWORD": "it's"})
    assert api.read(f"SELECT count(*) FROM {name}") == [[0]]
    for statement in (f"DELETE FROM {name}", f"UPDATE {name}_lease SET holder = NULL", "CREATE TABLE public.mine ()"):
        with pytest.raises(StatementRefused):
            api.execute(statement)
    crawler = connect(base | {"DB_USER": "crawler", "DB_PASSWORD": "second"})
    crawler.execute(f"INSERT INTO {name} (ticker) VALUES ('A')")
    for statement in (f"DELETE FROM {name}", f"DROP TABLE {name}", f"TRUNCATE {name}_jobs"):
        with pytest.raises(StatementRefused):
            crawler.execute(statement)
    with pytest.raises(LoginRefused):
        connect(base | {"DB_USER": "crawler", "DB_PASSWORD": "first"}).read("SELECT 1")
    api.close()
    crawler.close()
    table.script('DROP OWNED BY "role\'s api", crawler; DROP ROLE "role\'s api", crawler')
