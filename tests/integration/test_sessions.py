"""Session errors that need a new connection, and conflicts, by the SQLSTATEs that the server reports."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from kalshi_markets.database import Conflict, Database, DatabaseUnavailable, StatementError
from kalshi_markets.exchange.rate_limiter import DatabaseTokenBucket
from kalshi_markets.settings import DatabaseSettings
from tests.integration.test_candle_cache import candles, ends, market
from tests.integration.test_candlesticks import HOUR, api, ask
from tests.support.api_client import ApiClient, error
from tests.support.database import connect, store_markets
from tests.support.scripted_server import ScriptedServer

__all__ = ["api"]

REPLACED = ["08006", "0B000", "24000", "25006", "25P02", "26000", "2D000", "34000", "3B001", "42P03", "42P05", "53300"]
REPLACED += ["57P01", "57P02", "57P03", "57P05", "58030", "F0000", "XX000"]
CONFLICTS = ["40001", "40P01", "72000"]
STATEMENT_ERRORS = ["21000", "22012", "23505", "42501", "53100", "53200", "55006", "55P03", "57014", "P0001"]


@pytest.fixture
def failing(environment: Mapping[str, str]) -> Iterator[Callable[[str], None]]:
    """Yield a function that makes fail_once() raise a SQLSTATE at its next call, and return 1 afterwards."""
    owner = connect(environment)
    owner.execute_script(
        """CREATE SEQUENCE calls;
        CREATE FUNCTION fail_once() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('calls') = 1 THEN RAISE EXCEPTION USING ERRCODE = current_setting('test.sqlstate'); END IF;
            RETURN 1; END $$"""
    )

    def fail(sqlstate: str) -> None:
        owner.execute_script(
            f"ALTER SEQUENCE calls RESTART; ALTER DATABASE {owner.settings.name} SET test.sqlstate = '{sqlstate}'"
        )

    yield fail
    owner.execute_script(
        f"DROP FUNCTION fail_once; DROP SEQUENCE calls; ALTER DATABASE {owner.settings.name} RESET test.sqlstate"
    )
    owner.close()


def backend(database: Database) -> int:
    [[pid]] = database.query("SELECT pg_backend_pid()")
    return int(pid)


@pytest.mark.parametrize("sqlstate", REPLACED)
def test_a_broken_session_is_replaced_and_a_read_repeated(
    environment: Mapping[str, str], failing: Callable[[str], None], sqlstate: str
) -> None:
    failing(sqlstate)
    database = connect(environment)
    before = backend(database)
    assert database.query("SELECT fail_once()") == [[1]]
    assert backend(database) != before
    database.close()


@pytest.mark.parametrize("sqlstate", REPLACED)
def test_a_write_on_a_broken_session_fails_once(
    environment: Mapping[str, str], failing: Callable[[str], None], sqlstate: str
) -> None:
    failing(sqlstate)
    database = connect(environment)
    with pytest.raises(DatabaseUnavailable) as unavailable:
        database.execute("SELECT fail_once()")
    assert unavailable.value.sqlstate == sqlstate
    assert database.execute("SELECT fail_once()") == [[1]]
    database.close()


@pytest.mark.parametrize("sqlstate", CONFLICTS)
def test_a_transaction_that_lost_a_conflict_is_retried_on_its_connection(
    environment: Mapping[str, str], failing: Callable[[str], None], sqlstate: str
) -> None:
    failing(sqlstate)
    database = connect(environment)
    before = backend(database)
    assert database.query("SELECT fail_once()") == [[1]]
    assert backend(database) == before
    database.close()


@pytest.mark.parametrize(("sqlstate", "kind"), [("25006", DatabaseUnavailable), ("40001", Conflict)])
def test_nothing_of_a_transaction_is_repeated(
    environment: Mapping[str, str], failing: Callable[[str], None], sqlstate: str, kind: type[Exception]
) -> None:
    """A statement that is repeated outside its transaction would be committed without the earlier ones."""
    failing(sqlstate)
    database = connect(environment)
    database.execute_script("CREATE TABLE parts (n int)")
    with pytest.raises(kind), database.transaction():
        database.execute("INSERT INTO parts VALUES (1)")
        database.query("INSERT INTO parts SELECT fail_once() RETURNING n")
    assert database.query("SELECT n FROM parts") == []
    database.execute_script("DROP TABLE parts")
    database.close()


def test_nothing_of_a_transaction_goes_to_another_connection(
    environment: Mapping[str, str], failing: Callable[[str], None]
) -> None:
    failing("25006")
    database = connect(environment)
    database.execute_script("CREATE TABLE parts (n int)")
    with pytest.raises(DatabaseUnavailable, match="closed"), database.transaction():
        with pytest.raises(DatabaseUnavailable):
            database.execute("SELECT fail_once()")
        database.execute("INSERT INTO parts VALUES (1)")
    assert database.query("SELECT n FROM parts") == []
    database.execute_script("DROP TABLE parts")
    database.close()


@pytest.mark.parametrize("sqlstate", STATEMENT_ERRORS)
def test_an_error_of_the_statement_alone_keeps_the_connection(
    environment: Mapping[str, str], failing: Callable[[str], None], sqlstate: str
) -> None:
    failing(sqlstate)
    database = connect(environment)
    before = backend(database)
    with pytest.raises(StatementError) as rejected:
        database.query("SELECT fail_once()")
    assert rejected.value.sqlstate == sqlstate
    assert backend(database) == before
    database.close()


@pytest.mark.parametrize("parameter", [{"no_such_parameter": "1"}, {"statement_timeout": "long"}])
def test_a_session_that_cannot_start_is_no_error_of_a_statement(
    environment: Mapping[str, str], parameter: Mapping[str, str]
) -> None:
    settings = DatabaseSettings.from_env(environment)
    with pytest.raises(DatabaseUnavailable):
        Database(settings, application_name="test", parameters=parameter).query("SELECT 1")


def writers(function: ApiClient) -> list[Database]:
    """Return the API's connections that write: the cache's and the limiter's."""
    source = function.resources.exchange._limiter._source
    assert isinstance(source, DatabaseTokenBucket)
    return [function.resources.candle_cache._database, source._database]


def to_a_reader(database: Database) -> None:
    """Leave the connection at a read-only server, as a failover does."""
    database.query("SELECT 1")
    database.execute_script("SET default_transaction_read_only = on")


def test_candlesticks_survive_a_failover_that_left_their_connections_at_a_reader(
    api: Callable[..., ApiClient], database: Database
) -> None:
    database.execute_script("TRUNCATE kalshi_markets_candles")
    store_markets(database, market("active"))
    with ScriptedServer([candles(1, 3), candles(81, 83), candles(161, 163)]) as exchange:
        function = api(exchange)
        assert ends(function, 1, 3) == [1, 3]
        for broken in writers(function):
            to_a_reader(broken)
        assert ends(function, 81, 83) == [81, 83]
        assert ends(function, 161, 163) == [161, 163]
        assert len(exchange.requests) == 3
        assert ends(function, 81, 83) == [81, 83]  # it was cached
        assert len(exchange.requests) == 3


def test_a_database_that_only_reads_still_serves_what_it_has(api: Callable[..., ApiClient], database: Database) -> None:
    database.execute_script("TRUNCATE kalshi_markets_candles")
    store_markets(database, market("active"))
    with ScriptedServer([candles(1, 3)]) as exchange:
        function = api(exchange)
        assert ends(function, 1, 3) == [1, 3]
        for broken in writers(function):
            broken.close()
            broken._parameters["default_transaction_read_only"] = "on"
        assert ends(function, 1, 3) == [1, 3]
        assert function.get("/markets?limit=1").status == 200
        function.resources.exchange._limiter._tokens = 0  # tokens in hand would need no database
        for _ in range(2):
            unknown = ask(function, ["KXCACHED-1"], start_ts=81 * HOUR, end_ts=83 * HOUR)
            error(unknown, 503, "database_unavailable")
