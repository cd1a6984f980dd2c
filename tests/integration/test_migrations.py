import threading
import time
import zlib
from collections.abc import Iterator

import pytest

from kalshi_markets.columns import COLUMNS, Table
from kalshi_markets.database import Database, DatabaseError, LoginFailed, StatementError
from kalshi_markets.event_columns import EVENTS, SERIES
from kalshi_markets.settings import DatabaseSettings, MigratorSettings
from migrator.catalog import MigrationError, columns_of
from migrator.indexes import INDEXES, build_indexes, index_name
from migrator.migrate import FOLDER, migrate
from tests.support.database import connect

NO_ROLES = MigratorSettings({})
NAMES = sorted(path.name for path in FOLDER.glob("*.sql"))


@pytest.fixture
def table(empty_database: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Database]:
    """Yield a database whose markets table has the test's name."""
    name = request.node.name.removeprefix("test_").split("[")[0][:30]
    database = connect(empty_database | {"MARKETS_TABLE": f"t_{name}"})
    yield database
    database.close()


def assert_tickers_are_unique(table: Database, part: Table) -> None:
    insert = f"INSERT INTO {table.settings.table}_{part} (ticker) VALUES ('A')"
    table.execute(insert)
    with pytest.raises(StatementError, match="duplicate key"):
        table.execute(insert)


def test_a_second_run_does_nothing(table: Database) -> None:
    assert migrate(table, NO_ROLES) == NAMES
    assert migrate(table, NO_ROLES) == []


def test_the_table_is_what_columns_say(table: Database) -> None:
    migrate(table, NO_ROLES)
    columns = columns_of(table)
    assert {name: column.sql_type for name, column in columns.items()} == {c.name: c.sql_type for c in COLUMNS}
    for part in (Table.DETAILS, Table.QUOTES):
        assert_tickers_are_unique(table, part)
    stored = {part: columns_of(table, f"_{part}") for part in (Table.EVENTS, Table.SERIES, Table.SERIES_COUNTS)}
    del stored[Table.EVENTS]["asked_at"]  # of earlier versions
    del stored[Table.SERIES_COUNTS]["series_ticker"]
    for part, columns in stored.items():
        assert {name: column.sql_type for name, column in columns.items()} == {
            c.name: c.sql_type for c in (*EVENTS.columns, *SERIES.columns) if c.table is part
        }


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
    table.execute_script(ORIGINAL.format(table=name))
    assert migrate(table, NO_ROLES) == NAMES
    [row] = table.execute(
        f"SELECT m.ticker, m.event_ticker, m.open_time::text, m.close_time::text, volume::text, open_interest::text,"
        f" m.settlement_value::text, note, m.status, change_number > 0 FROM {name} m JOIN {name}_details t ON t.ticker = m.ticker"
    )
    assert row[:2] == ["A", "E"]
    assert row[2:4] == ["2026-01-01 10:00:00+00", "2026-01-01 15:00:00.25+00"]
    assert row[4:7] == ["5", "1.5", "0.29"]  # its cents are our dollars
    assert row[7:] == ["kept", None, True]
    assert table.execute(f"SELECT added FROM {name}_jobs WHERE job = 'adopted'") == [[1]]
    table.execute(f"INSERT INTO {name}_details (ticker) VALUES ('B')")  # none of its columns is required any more


def test_a_table_without_a_primary_key_on_the_ticker_gets_a_unique_one(table: Database) -> None:
    name = table.settings.table
    table.execute_script(f"CREATE TABLE {name} (id serial PRIMARY KEY, ticker text)")
    migrate(table, NO_ROLES)
    assert_tickers_are_unique(table, Table.DETAILS)


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ("TABLE {table} (id integer)", "has no ticker column or is not a table"),
        ("VIEW {table} AS SELECT 'A' AS ticker", "has no ticker column or is not a table"),
        ("TABLE {table} (ticker text, owner text NOT NULL)", "requires a value in column owner"),
        ("TABLE {table} (ticker text, volume text)", "volume is text"),
        ("TABLE {table} (ticker text, open_time bigint)", "open_time is bigint"),
        ("TABLE {table} AS SELECT 'A' AS ticker FROM generate_series(1, 2)", "cannot be converted"),
        ("TABLE {table} AS SELECT 'A' AS ticker, 'soon' AS close_time", "cannot be converted"),
    ],
)
def test_an_unrelated_table_is_rejected_in_a_sentence(table: Database, definition: str, reason: str) -> None:
    name = f"{table.settings.table}_{zlib.crc32(definition.encode())}"
    database = Database(
        DatabaseSettings(**(vars(table.settings) | {"table": name})),
        application_name="test",
    )
    database.execute_script("CREATE " + definition.format(table=name))
    before = columns_of(database)
    with pytest.raises(MigrationError, match=f"^{name} exists and .*{reason}.*MARKETS_TABLE"):
        migrate(database, NO_ROLES)
    assert columns_of(database) == before
    database.close()


def test_a_column_that_is_not_as_it_should_be_is_named(table: Database) -> None:
    migrate(table, NO_ROLES)
    table.execute(f"ALTER VIEW {table.settings.table} RENAME COLUMN title TO headline")
    with pytest.raises(MigrationError, match=f"title of {table.settings.table} is missing"):
        migrate(table, NO_ROLES)


def test_each_role_may_do_its_part_and_no_more(table: Database, empty_database: dict[str, str]) -> None:
    variables = {
        "API_DB_USER": "role's api",
        "API_DB_PASSWORD": "it's",
        "CRAWLER_DB_USER": "crawler",
        "CRAWLER_DB_PASSWORD": "first",
    }
    name = table.settings.table
    migrate(table, MigratorSettings.from_env(variables))
    migrate(table, MigratorSettings.from_env(variables | {"CRAWLER_DB_PASSWORD": "second"}))
    base = empty_database | {"MARKETS_TABLE": name}
    api = connect(base | {"DB_USER": "role's api", "DB_PASSWORD": "it's"})
    assert api.query(f"SELECT count(*) FROM {name}") == [[0]]
    for statement in (f"DELETE FROM {name}", f"UPDATE {name}_lease SET holder = NULL", "CREATE TABLE public.mine ()"):
        with pytest.raises(DatabaseError, match=r"permission denied|read-only|cannot delete"):
            api.execute(statement)
    crawler = connect(base | {"DB_USER": "crawler", "DB_PASSWORD": "second"})
    crawler.execute(f"INSERT INTO {name}_details (ticker) VALUES ('A')")
    for statement in (f"DELETE FROM {name}", f"DROP TABLE {name}", f"TRUNCATE {name}_jobs"):
        with pytest.raises(StatementError):
            crawler.execute(statement)
    with pytest.raises(LoginFailed):
        connect(base | {"DB_USER": "crawler", "DB_PASSWORD": "first"}).query("SELECT 1")
    api.close()
    crawler.close()
    table.execute_script('DROP OWNED BY "role\'s api", crawler; DROP ROLE "role\'s api", crawler')


def test_every_index_is_there_and_one_that_was_interrupted_is_made_anew(table: Database) -> None:
    migrate(table, NO_ROLES)
    name = table.settings.table
    read = (
        "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid"
        f" WHERE indrelid IN ('{name}_details'::regclass, '{name}_quotes'::regclass, '{name}_events'::regclass,"
        f" '{name}_series'::regclass) AND indisvalid"
    )
    names = {index_name(index, name) for index in INDEXES}
    assert names <= {row[0] for row in table.execute(read)}
    assert build_indexes(table) == []
    table.execute(f"DROP INDEX {name}_q_volume")
    table.execute_script(f"INSERT INTO {name}_quotes (ticker, change_number) VALUES ('A', 7), ('B', 8)")
    table.execute(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}_q_change'::regclass")
    assert set(build_indexes(table)) == {f"{name}_q_volume", f"{name}_q_change"}
    assert names <= {row[0] for row in table.execute(read)}


def test_indexes_are_made_while_others_write(table: Database) -> None:
    migrate(table, NO_ROLES)
    name = table.settings.table
    table.execute(f"INSERT INTO {name}_quotes (ticker) SELECT n::text FROM generate_series(1, 20000) AS n")
    table.execute(f"DROP INDEX {name}_q_recent")
    other, reader = (Database(table.settings, application_name=name) for name in ("builder", "test"))
    waiting = "SELECT FROM pg_stat_activity WHERE application_name = 'builder' AND wait_event_type = 'Lock'"
    maker = threading.Thread(target=build_indexes, args=[other])
    with reader.transaction():
        reader.execute(
            f"SELECT FROM {name}_quotes LIMIT 1 FOR SHARE"
        )  # the build waits for the end of this transaction
        maker.start()
        while not table.query(waiting):
            assert maker.is_alive()
            time.sleep(0.01)
        for ticker in range(2, 100):
            table.execute(f"UPDATE {name}_quotes SET volume = 1 WHERE ticker = $1", str(ticker))
        assert maker.is_alive()
    maker.join()
    for database in (other, reader):
        database.close()
    assert build_indexes(table) == []


def test_index_names_are_distinct_however_long_the_table_name() -> None:
    names = [index_name(index, "t" * 40) for index in INDEXES]
    assert len({*names}) == len(INDEXES)
    assert max(map(len, names)) <= 63


def test_an_older_release_leaves_the_migrations_of_a_newer_one(table: Database) -> None:
    migrate(table, NO_ROLES)
    name = table.settings.table
    table.execute_script(f"ALTER TABLE {name}_history ADD COLUMN later text")
    table.execute(f"INSERT INTO {name}_migrations (name) VALUES ('9999_later.sql')")
    assert migrate(table, NO_ROLES) == []
    assert table.execute(f"SELECT max(name) FROM {name}_migrations") == [["9999_later.sql"]]


def test_a_database_of_an_earlier_development_version_is_rejected_and_left_unchanged(table: Database) -> None:
    name = table.settings.table
    table.execute_script(f"CREATE TABLE {name}_migrations (name text PRIMARY KEY); CREATE TABLE {name} (ticker text)")
    table.execute(f"INSERT INTO {name}_migrations VALUES ('0002_books.sql')")
    with pytest.raises(
        MigrationError, match=rf"^{name} was made by an earlier development version.*\.data.*MARKETS_TABLE"
    ):
        migrate(table, NO_ROLES)
    assert table.execute(f"SELECT name FROM {name}_migrations") == [["0002_books.sql"]]
