"""API responses while a dependency fails, and the recovery afterwards."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kalshi_markets.database import Database, DatabaseUnavailable
from kalshi_markets.settings import MigratorSettings
from local.postgres import PostgresServer
from migrator.migrate import migrate
from tests.support.api_client import ApiClient, error, items
from tests.support.database import connect, environment_of, store_markets
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("markets")


@pytest.fixture
def another(environment: dict[str, str]) -> Iterator[Callable[..., ApiClient]]:
    """Yield a factory of API functions with changed environments."""
    made = []

    def make(**changes: str) -> ApiClient:
        made.append(ApiClient(environment | changes))
        return made[-1]

    yield make
    for api in made:
        api.close()


UNAVAILABLE = [
    ({"DB_PASSWORD": "wrong"}, "database_login_failed"),
    ({"DB_NAME": "nowhere"}, "database_login_failed"),
    ({"DB_PORT": "1"}, "database_unavailable"),
    ({"DB_HOST": ""}, "not_configured"),
    ({"MARKETS_TABLE": "no such; table"}, "not_configured"),
]


@pytest.mark.parametrize(("change", "code"), UNAVAILABLE)
def test_without_a_database_every_response_is_a_503_with_the_reason(
    another: Callable[..., ApiClient], change: dict[str, str], code: str
) -> None:
    broken = another(**change)
    for path in ("/markets", "/markets/A", "/health"):
        body = error(broken.get(path), 503, code)
        assert body["detail"].endswith(".")
        assert "wrong" not in body["detail"].replace("wrong user", "")


def test_a_missing_table_is_a_503_until_it_is_there(another: Callable[..., ApiClient]) -> None:
    api = another(MARKETS_TABLE="later")
    error(api.get("/markets"), 503, "table_missing")
    error(api.get("/markets/A"), 503, "table_missing")
    assert api.get("/").status == 200
    later = connect(api.environment)
    migrate(later, MigratorSettings({}))
    store_markets(later, {"ticker": "A"}, {"ticker": "B"})
    later.close()
    assert len(items(api, "/markets")) == 2


def test_a_corrected_password_is_used_without_a_restart(another: Callable[..., ApiClient], database: Database) -> None:
    database.execute_script(
        "CREATE ROLE mended LOGIN PASSWORD 'first'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO mended"
    )
    api = another(DB_USER="mended", DB_PASSWORD="second")
    error(api.get("/markets"), 503, "database_login_failed")
    database.execute("ALTER ROLE mended PASSWORD 'second'")
    assert items(api, "/markets?limit=1")
    api.resources.database.close()
    database.execute_script("DROP OWNED BY mended; DROP ROLE mended")


def test_a_query_over_its_time_is_a_503_with_a_hint_and_the_next_one_works(
    another: Callable[..., ApiClient], database: Database, markets: Sequence[Any]
) -> None:
    api = another(STATEMENT_TIMEOUT_MS="1000")
    with database.transaction():
        database.execute("LOCK TABLE kalshi_markets")
        for _ in range(3):
            error(api.get("/markets?limit=1"), 503, "query_timeout")
    assert len(items(api, "/markets?limit=1")) == 1


def test_a_word_that_takes_too_long_to_look_for_is_an_unknown_one(
    another: Callable[..., ApiClient], database: Database
) -> None:
    api = another(STATEMENT_TIMEOUT_MS="50")
    with database.transaction():
        database.execute("LOCK TABLE kalshi_markets_details")
        error(api.get("/markets?market_type=unary"), 422, "invalid_parameter")
        error(api.get("/markets?market_type=binary"), 503, "query_timeout")
    error(api.get("/markets?market_type=unary"), 422, "invalid_parameter")


def test_a_killed_connection_is_replaced_without_the_client_noticing(api: ApiClient, database: Database) -> None:
    items(api, "/markets?limit=1")
    ended = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'api'"
    assert [True] in database.query(ended)
    assert len(items(api, "/markets?limit=2")) == 2


@pytest.mark.parametrize("values", [["\ud800"], [1] * 70_000])
def test_after_a_driver_error_the_next_request_gets_its_own_answer(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch, values: list[object]
) -> None:
    [expected] = items(api, "/markets?limit=1&order_by=ticker")
    with monkeypatch.context() as forced:
        many = ", ".join(f"${n}" for n in range(1, len(values) + 1))
        forced.setattr(
            "api.markets.sql.Markets.single", lambda *_: (f"SELECT 'another''s answer' WHERE '' IN ({many})", values)
        )
        error(api.get("/markets/A"), 500, "internal_error")
    assert items(api, "/markets?limit=1&order_by=ticker") == [expected]
    assert api.get(f"/markets/{expected['ticker']}").json == expected


def test_requests_cannot_write(api: ApiClient) -> None:
    assert api.resources.database.query("SHOW default_transaction_read_only") == [["on"]]
    assert api.resources.database.query("SHOW statement_timeout") == [["3s"]]
    with pytest.raises(DatabaseUnavailable) as caught:
        api.resources.database.execute("INSERT INTO kalshi_markets_details (ticker) VALUES ('written')")
    assert caught.value.sqlstate == "25006"


def test_a_role_without_select_on_the_table_is_reported(another: Callable[..., ApiClient], database: Database) -> None:
    database.execute_script("CREATE ROLE unlucky LOGIN PASSWORD 'p'")
    api = another(DB_USER="unlucky", DB_PASSWORD="p")
    error(api.get("/markets"), 503, "not_configured")
    api.resources.database.close()
    database.execute_script("DROP ROLE unlucky")


def test_a_database_that_goes_away_is_a_503_until_it_is_back(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "data", settings={"fsync": "off"})
    server.start()
    environment = environment_of(server, server.database)
    owner = connect(environment)
    migrate(owner, MigratorSettings({}))
    owner.close()
    api = ApiClient(environment)
    assert items(api, "/markets") == []
    server.kill()
    wait_until(lambda: api.get("/health").status != 200)  # backends exit only when they detect the closed connection
    for path in ("/markets", "/markets/A", "/health"):
        error(api.get(path), 503, "database_unavailable")
    server.start()
    assert items(api, "/markets") == []
    api.close()
    server.stop()
