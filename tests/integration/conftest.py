"""Fixtures: a PostgreSQL server, the simulated exchange on a socket, and the functions' handlers over them."""

import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kalshi_markets.database import Database
from kalshi_markets.settings import MigratorSettings
from local.exchange.catalogue import Order
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.postgres import PostgresServer
from migrator.migrate import migrate
from tests.support.api_client import ApiClient
from tests.support.aws import Account
from tests.support.aws import account as aws_account
from tests.support.aws_proxy import AwsProxy
from tests.support.certificates import certificate_for
from tests.support.database import connect, environment_of, store_markets
from tests.support.emulator import link_packages
from tests.support.secrets import clear_cache

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Run one PostgreSQL server for the whole session. It is not durable, which makes it fast."""
    settings = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    server = PostgresServer(tmp_path_factory.mktemp("postgres") / "data", settings=settings)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def empty_database(postgres: PostgresServer) -> Iterator[dict[str, str]]:
    """Yield the environment of an empty database, a new one for each module."""
    with _database(postgres, "template1") as environment:
        yield environment


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> Iterator[str]:
    """Yield the name of a database with the migrations applied, for use as a template."""
    with _database(postgres, "template1") as environment:
        database = connect(environment)
        migrate(database, MigratorSettings.from_env(environment))
        database.close()
        yield environment["DB_NAME"]


@pytest.fixture(scope="module")
def environment(postgres: PostgresServer, migrated: str) -> Iterator[dict[str, str]]:
    """Yield the environment of a database with the migrations applied, a new one for each module."""
    with _database(postgres, migrated) as environment:
        yield environment


@contextmanager
def _database(postgres: PostgresServer, template: str) -> Iterator[dict[str, str]]:
    name = f"test_{next(_numbers)}"
    owner = connect(environment_of(postgres, postgres.database))
    owner.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield environment_of(postgres, name)
    owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    owner.close()


@pytest.fixture
def database(environment: Mapping[str, str]) -> Iterator[Database]:
    """Yield a connection to the migrated database."""
    connection = connect(environment)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """Yield an AWS account that moto simulates."""
    with aws_account() as account:
        yield account


@pytest.fixture
def aws_proxy(account: Account) -> Iterator[AwsProxy]:
    """Yield the proxy that the functions use as AWS's address: it records their calls and fails on request."""
    with AwsProxy(account) as proxy:
        yield proxy


@pytest.fixture
def aws(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Yield the AWS account, with its environment set in this process and the cache of secrets empty."""
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    clear_cache()
    yield account
    clear_cache()


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the packages of the layer and of the runtime, and no others."""
    return link_packages(tmp_path_factory.mktemp("layer") / "python")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Return the folder of recorded responses."""
    return Path(os.environ["RECORDINGS"])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a self-signed certificate for `localhost` and its key, as PEM files."""
    return certificate_for("localhost", tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def clock() -> Clock:
    """Return a clock that stands still, for everything that a module generates."""
    return Clock(speed=0)


@pytest.fixture(scope="module")
def markets(environment: Mapping[str, str], clock: Clock) -> list[dict[str, Any]]:
    """Fill the table with generated Market objects and return them."""
    markets = [
        json.loads(market.json, parse_float=Decimal)
        for _, market in generate(3, 1500, clock).markets(Order.CREATED, None)
    ]
    database = connect(environment)
    store_markets(database, *markets)
    database.close()
    return markets


@pytest.fixture(scope="module")
def api(environment: dict[str, str], markets: Sequence[Any]) -> Iterator[ApiClient]:
    """Yield the API function over the table that `markets` fills."""
    api = ApiClient(environment)
    yield api
    api.close()
