"""Functions behind a pooler that rejects startup parameters, as PgBouncer does (docs/operations.md)."""

from collections.abc import Iterator, Mapping
from unittest import mock

import pytest

from kalshi_markets.database import Database, DatabaseUnavailable, StatementError, StatementTimeout
from kalshi_markets.settings import DatabaseSettings
from tests.integration.pooler import Pooler
from tests.support.api_client import ApiClient, error, items
from tests.support.database import connect

pytestmark = pytest.mark.usefixtures("markets")
PARAMETERS = {"statement_timeout": "2000", "work_mem": "5MB", "default_transaction_read_only": "on"}


@pytest.fixture
def pooler(environment: Mapping[str, str]) -> Iterator[Pooler]:
    with Pooler((environment["DB_HOST"], int(environment["DB_PORT"]))) as pooler:
        yield pooler


@pytest.fixture
def behind(environment: dict[str, str], pooler: Pooler) -> dict[str, str]:
    """Return the environment of functions behind the pooler."""
    return environment | {"DB_HOST": "127.0.0.1", "DB_PORT": str(pooler.port), "DB_SSLMODE": "disable"}


@pytest.fixture
def pooled(behind: Mapping[str, str]) -> Iterator[Database]:
    settings = DatabaseSettings.from_env(behind)
    database = Database(settings, application_name="test", parameters=PARAMETERS)
    yield database
    database.close()


def test_a_session_starts_with_what_a_pooler_accepts(pooled: Database, pooler: Pooler) -> None:
    assert pooled.query("SELECT $1::int", 1) == [[1]]
    pooled.close()
    assert pooled.query("SELECT $1::int", 2) == [[2]]
    assert (len(pooler.rejected), pooler.started) == (1, 2)  # a rejected parameter is not sent again


def test_each_transaction_has_the_parameters_and_leaves_none_behind(pooled: Database) -> None:
    for _ in range(2):
        assert pooled.query("SHOW work_mem") == [["5MB"]]
        with pooled.transaction():
            assert pooled.execute("SHOW work_mem") == [["5MB"]]
            assert pooled.execute("SHOW statement_timeout") == [["2s"]]
    pooled.execute_script("CREATE TEMP TABLE shown AS SELECT current_setting('work_mem') AS work_mem")
    assert pooled.query("SELECT work_mem = '5MB' FROM shown") == [[False]]


def test_a_statement_over_its_time_or_a_write_is_an_error_and_the_next_one_works(pooled: Database) -> None:
    with pytest.raises(StatementTimeout):
        pooled.query("SELECT pg_sleep(60)")
    with pytest.raises(StatementError) as malformed:
        pooled.query("SELECT 1 FROM nothing")
    assert malformed.value.sqlstate == "42P01"
    with pytest.raises(DatabaseUnavailable, match="read-only transaction"):
        pooled.execute("CREATE TABLE never_made ()")
    assert pooled.query("SELECT to_regclass('never_made')") == [[None]]


def test_a_writer_writes_for_a_role_that_reads_by_default(
    behind: dict[str, str], environment: Mapping[str, str]
) -> None:
    owner = connect(environment)
    owner.execute_script(
        "CREATE TABLE written (n int); CREATE ROLE reader LOGIN PASSWORD 'p'; GRANT INSERT ON written TO reader;"
        " ALTER ROLE reader SET default_transaction_read_only = on"
    )
    settings = DatabaseSettings.from_env(behind | {"DB_USER": "reader", "DB_PASSWORD": "p"})
    writer = Database(settings, application_name="test", parameters={"default_transaction_read_only": "off"})
    writer.query("INSERT INTO written VALUES (1)")
    with writer.transaction():
        writer.execute("INSERT INTO written VALUES (2)")
    writer.close()
    assert owner.query("SELECT n FROM written ORDER BY n") == [[1], [2]]
    owner.execute_script("DROP TABLE written; DROP OWNED BY reader; DROP ROLE reader")
    owner.close()


def test_the_api_answers_behind_a_pooler_as_without_one(behind: dict[str, str], api: ApiClient) -> None:
    pooled = ApiClient(behind)
    url = "/markets?limit=5&title_regex=a.*b&count_total=exact"
    assert pooled.get(url).json == api.get(url).json
    assert pooled.resources.database.query("SHOW transaction_read_only") == [["on"]]
    assert pooled.resources.database.query("SHOW jit") == [["off"]]
    pooled.close()


def test_the_log_has_the_servers_own_words(environment: dict[str, str]) -> None:
    api = ApiClient(environment | {"DB_NAME": "nowhere"})
    with mock.patch("api.error_handlers.logger.error") as logged:
        error(api.get("/markets"), 503, "database_login_failed")
    [call] = logged.call_args_list
    assert call.kwargs["extra"]["reason"] == 'database "nowhere" does not exist'
    assert call.kwargs["extra"]["sqlstate"] == "3D000"
    api.close()


def test_no_value_of_a_query_is_logged(api: ApiClient) -> None:
    with (
        mock.patch("api.error_handlers.logger.error") as logged,
        mock.patch("api.markets.sql.Markets.single", return_value=("SELECT 's3cret'::int", [])),
    ):
        error(api.get("/markets/A"), 422, "invalid_parameter")
        with mock.patch("api.markets.sql.Markets.single", return_value=("SELECT s3cret(1)", [])):
            error(api.get("/markets/A"), 500, "internal_error")
    assert logged.call_count == 1
    assert "s3cret" not in str(logged.call_args_list)
    assert items(api, "/markets?limit=1")
