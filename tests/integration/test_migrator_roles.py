"""Migrations as RDS runs them: a user that is no superuser creates the roles of the two functions."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from kalshi_markets.database import Database, DatabaseUnavailable, LoginFailed
from kalshi_markets.settings import MigratorSettings
from local.postgres import PostgresServer
from migrator.catalog import MigrationError
from migrator.migrate import migrate
from tests.support.database import connect, environment_of

ROLES = {
    "API_DB_USER": "reader's",
    "API_DB_PASSWORD": "it's a reader",
    "CRAWLER_DB_USER": "writer",
    "CRAWLER_DB_PASSWORD": "wrïter-secret",
}
Master = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Run a server of its own, because roles are shared by its databases; it logs every statement."""
    settings = {"fsync": "off", "log_statement": "all"}
    server = PostgresServer(tmp_path_factory.mktemp("postgres") / "data", settings=settings)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def master(server: PostgresServer) -> Iterator[Master]:
    """Yield a function that creates an owner with a database. Default attributes are those of RDS's master user."""
    superuser = connect(environment_of(server, server.database))

    def make(attributes: str = "CREATEROLE CREATEDB") -> dict[str, str]:
        superuser.execute_script(f"CREATE ROLE master LOGIN NOSUPERUSER {attributes} PASSWORD 'm'")
        superuser.execute("CREATE DATABASE markets OWNER master")
        return environment_of(server, "markets") | {"DB_USER": "master", "DB_PASSWORD": "m"}

    yield make
    superuser.execute("DROP DATABASE markets WITH (FORCE)")
    for (role,) in superuser.execute("SELECT format('%I', rolname) FROM pg_roles WHERE rolname !~ '^(pg_|postgres$)'"):
        superuser.execute(f"DROP ROLE {role}")
    superuser.close()


def migrated(environment: Mapping[str, str], roles: Mapping[str, str] = ROLES) -> list[str]:
    database = connect(environment)
    try:
        return migrate(database, MigratorSettings.from_env(roles))
    finally:
        database.close()


def as_role(environment: Mapping[str, str], user: str, password: str) -> Database:
    return connect({**environment, "DB_USER": user, "DB_PASSWORD": password})


def test_a_master_user_that_is_no_superuser_applies_everything_and_renews_the_roles(master: Master) -> None:
    environment = master()
    assert migrated(environment)
    assert migrated(environment, ROLES | {"CRAWLER_DB_PASSWORD": "renewed"}) == []
    api = as_role(environment, "reader's", "it's a reader")
    assert api.query("SELECT count(*) FROM kalshi_markets") == [[0]]
    assert api.query("SHOW default_transaction_read_only") == [["on"]]
    assert api.query("SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user") == [
        [False]
    ]
    with pytest.raises(DatabaseUnavailable, match="read-only"):
        api.execute("DELETE FROM kalshi_markets_details")
    crawler = as_role(environment, "writer", "renewed")
    crawler.execute("INSERT INTO kalshi_markets_details (ticker) VALUES ('A')")
    with pytest.raises(LoginFailed):
        as_role(environment, "writer", "wrïter-secret").query("SELECT 1")
    api.close()
    crawler.close()


@pytest.mark.parametrize("prepared", ["", "CREATE ROLE writer LOGIN PASSWORD 'of somebody else'"])
def test_a_role_that_cannot_be_created_or_altered_is_reported_and_rolled_back(
    master: Master, server: PostgresServer, prepared: str
) -> None:
    environment = master("CREATEROLE" if prepared else "NOCREATEROLE")
    superuser = connect(environment_of(server, "markets"))
    superuser.execute_script(prepared)
    role = "writer" if prepared else '"reader\'s"'
    with pytest.raises(MigrationError, match=rf"cannot create or change the role {role} \(permission denied"):
        migrated(environment)
    assert superuser.query("SELECT to_regclass('kalshi_markets')") == [[None]]
    superuser.close()


def test_no_password_shows_up_in_the_servers_log(master: Master, server: PostgresServer) -> None:
    environment = master()
    before = len(server.log_file.read_text())
    migrated(environment)
    migrated(environment)
    log = server.log_file.read_text()[before:]
    assert log.count("ROLE writer LOGIN CONNECTION LIMIT 9 PASSWORD") > 1
    assert "it's a reader" not in log.replace("''", "'")
    assert "wrïter-secret" not in log
    crawler = as_role(environment, "writer", "wrïter-secret")
    assert crawler.query("SELECT current_user::text") == [["writer"]]
    crawler.close()
