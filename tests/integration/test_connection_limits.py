"""Connections of the roles: under any load of the API, the crawler and the owner still get theirs."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace

import pytest

from kalshi_markets.database import Database, DatabaseUnavailable, NoFreeConnection
from kalshi_markets.settings import MigratorSettings
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.lambda_runtime.events import HttpRequest, HttpResponse
from local.postgres import PostgresServer
from migrator.catalog import MigrationError
from migrator.migrate import migrate
from migrator.roles import CRAWLER_CONNECTIONS, MIN_API_CONNECTIONS, OTHER_CONNECTIONS
from tests.support.api_client import ApiClient, crawl, error
from tests.support.database import connect, environment_of
from tests.support.sandboxes import SandboxedFunction, sandboxes
from tests.support.waiting import wait_until

API_LIMIT = 4
RESERVED = 3
"""PostgreSQL's default of superuser_reserved_connections."""
MAXIMUM = RESERVED + CRAWLER_CONNECTIONS + OTHER_CONNECTIONS + API_LIMIT
ROLES = {
    "API_DB_USER": "limited_api",
    "API_DB_PASSWORD": "a",
    "CRAWLER_DB_USER": "limited_crawler",
    "CRAWLER_DB_PASSWORD": "c",
}
SLOW = HttpRequest("GET", "/markets", "limit=1")


def start_server(folder_factory: pytest.TempPathFactory, **settings: str) -> PostgresServer:
    settings = {"fsync": "off", "synchronous_commit": "off", **settings}
    server = PostgresServer(folder_factory.mktemp("postgres") / "data", settings=settings)
    server.start()
    return server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Run a server that permits few connections."""
    server = start_server(tmp_path_factory, max_connections=str(MAXIMUM))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def environment(server: PostgresServer) -> dict[str, str]:
    """Return the environment of the database's owner, with the migrations applied."""
    environment = environment_of(server, server.database)
    migrate_tables(environment)
    return environment


def migrate_tables(environment: Mapping[str, str]) -> None:
    owner = connect(environment)
    try:
        migrate(owner, MigratorSettings.from_env(ROLES))
    finally:
        owner.close()


def of_role(environment: Mapping[str, str], function: str) -> dict[str, str]:
    """Return the environment of a function with its role."""
    login = {name: ROLES[f"{function.upper()}_{name}"] for name in ("DB_USER", "DB_PASSWORD")}
    return {**environment, **login}


def sessions(database: Database, role: str = ROLES["API_DB_USER"]) -> int:
    [[number]] = database.query("SELECT count(*) FROM pg_stat_activity WHERE usename = $1::text", role)
    return int(number)


def end_idle_sessions(database: Database, after: str) -> None:
    """Change the time after which the server ends an idle session of the API that begins from now on."""
    database.execute(f"ALTER ROLE {ROLES['API_DB_USER']} SET idle_session_timeout = '{after}'")


def test_the_api_gets_what_the_others_and_the_servers_reserve_leave(database: Database) -> None:
    limits = database.query("SELECT rolname, rolconnlimit FROM pg_roles WHERE rolname LIKE 'limited%' ORDER BY 1")
    assert limits == [["limited_api", API_LIMIT], ["limited_crawler", CRAWLER_CONNECTIONS]]


def test_every_kind_of_reserved_connection_counts(tmp_path_factory: pytest.TempPathFactory) -> None:
    reserves = {"reserved_connections": "2", "rds.rds_superuser_reserved_connections": "4"}
    server = start_server(tmp_path_factory, max_connections=str(MAXIMUM + 10), **reserves)
    environment = environment_of(server, server.database)
    migrate_tables(environment)
    owner = connect(environment)
    limits = owner.query("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'limited_api'")
    assert limits == [[API_LIMIT + 10 - 2 - 4]]
    owner.close()
    server.stop()


def test_a_server_with_too_few_connections_is_an_error_that_names_the_setting(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    needed = MAXIMUM - API_LIMIT + MIN_API_CONNECTIONS
    server = start_server(tmp_path_factory, max_connections=str(needed - 1))
    with pytest.raises(MigrationError, match=rf"accepts {needed - 1} connections .* to {needed} or more\.$"):
        migrate_tables(environment_of(server, server.database))
    server.stop()


@pytest.fixture(scope="module")
def exchange() -> Iterator[str]:
    with ExchangeServer(generate(7, 50, Clock(speed=0))) as server:
        yield server.url


@pytest.fixture
def apis(environment: dict[str, str]) -> Iterator[list[SandboxedFunction]]:
    """Yield more API functions than the role has connections."""
    slow = of_role(environment, "api") | {"STATEMENT_TIMEOUT_MS": "25000", "DB_SSLMODE": "disable"}
    with sandboxes([environment["DB_PASSWORD"]]) as functions:
        yield [functions.start("api", slow) for _ in range(API_LIMIT + 3)]


def test_a_crawl_completes_while_more_requests_run_than_there_are_connections(
    environment: dict[str, str], apis: list[SandboxedFunction], database: Database, exchange: str
) -> None:
    # The crawler fills other tables of the same server: those of the API are locked, which makes its requests slow.
    others = environment | {"MARKETS_TABLE": "others"}
    migrate_tables(others)
    end_idle_sessions(database, "500ms")
    with ThreadPoolExecutor(len(apis)) as threads:
        with database.transaction():
            database.execute("LOCK TABLE kalshi_markets_details")
            requests = [threads.submit(api.response, SLOW) for api in apis]
            wait_until(lambda: sum(request.done() for request in requests) == len(apis) - API_LIMIT)
            rejected = [request.result() for request in requests if request.done()]
            summary = crawl(of_role(others, "crawler") | {"EXCHANGE_URL": exchange, "EXCHANGE_RATE": "1000"})
            migrate_tables(others)  # a deployment
            end_idle_sessions(database, "500ms")
            assert sessions(database) == API_LIMIT
        wait(requests)
    assert (summary["outcome"], summary.get("errors")) == ("idle", {})
    for answer in rejected:
        assert answer.status == 503
        assert answer_header(answer, "retry-after") == "5"
        assert b'"code": "database_busy"' in answer.body
    assert sorted(request.result().status for request in requests) == [200] * API_LIMIT + [503] * len(rejected)
    for api in apis:  # the functions that were served give their connections back when they are idle
        wait_until(lambda: sessions(database) < API_LIMIT)
        assert api.response(SLOW).status == 200


def answer_header(answer: HttpResponse, name: str) -> str:
    [value] = [value for header, value in answer.headers if header == name]
    return value


@pytest.fixture
def limit(environment: dict[str, str], database: Database) -> Iterator[Callable[[int], None]]:
    """Yield a function that sets the limit of the API's role, which has no sessions at first."""
    role = ROLES["API_DB_USER"]
    database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1::text", role)
    wait_until(lambda: not sessions(database))

    def set_limit(connections: int) -> None:
        database.execute(f"ALTER ROLE {role} CONNECTION LIMIT {connections}")

    yield set_limit
    set_limit(API_LIMIT)


def test_a_request_that_lacks_a_connection_gives_back_those_of_its_function(
    environment: dict[str, str], exchange: str, database: Database, limit: Callable[[int], None]
) -> None:
    end_idle_sessions(database, "0")  # the function ends them, not the server
    api = ApiClient(of_role(environment, "api") | {"EXCHANGE_URL": exchange})
    candlesticks = {"tickers": ["KXNONE-1"]}  # one connection for its lifetime, another one for the rate limiter
    tool = {"name": "get_candlesticks", "arguments": {"ticker": "KXNONE-1"}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": tool}
    limit(1)
    rejected = api.post("/markets/candlesticks", candlesticks)
    assert error(rejected, 503, "database_busy")["hint"].startswith("Retry after 5 seconds")
    assert rejected.headers["retry-after"] == "5"
    wait_until(lambda: not sessions(database))
    assert "database_busy" in api.post("/mcp", call, accept="application/json, text/event-stream").text
    wait_until(lambda: not sessions(database))
    limit(2)
    assert api.post("/markets/candlesticks", candlesticks).status == 200
    api.close()


def test_an_ended_idle_session_is_replaced_within_a_request(
    environment: dict[str, str], database: Database, limit: Callable[[int], None]
) -> None:
    end_idle_sessions(database, "1s")
    with closing(ApiClient(of_role(environment, "api"))) as api:
        assert api.get("/markets").status == 200
        wait_until(lambda: not sessions(database))
        assert api.get("/markets").status == 200


def test_no_connection_at_all_is_the_same_error(environment: dict[str, str]) -> None:
    held: list[Database] = []
    settings = connect(environment).settings
    with pytest.raises(NoFreeConnection) as raised:
        for _ in range(MAXIMUM + 1):
            held.append(Database(replace(settings, sslmode="disable"), application_name="held"))
            held[-1].query("SELECT 1")
    assert raised.value.sqlstate == "53300"
    assert isinstance(raised.value, DatabaseUnavailable)
    for connection in held:
        connection.close()
