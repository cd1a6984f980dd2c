"""A real PostgreSQL, a real exchange on a socket, and the functions' handlers over them."""

import datetime
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from crawler.store import Batch, JobState, Store
from kalshi_markets.columns import Table
from kalshi_markets.database import Database
from kalshi_markets.exchange import parse_market
from kalshi_markets.secrets import clear_cache
from kalshi_markets.settings import DatabaseSettings, MigratorSettings
from local.exchange.catalogue import Order
from local.exchange.clock import Clock
from local.exchange.generator import generate
from local.postgres import PostgresServer
from migrator.migrate import migrate
from tests.aws import Account
from tests.aws import account as aws_account
from tests.integration.aws_front import AwsProxy
from tests.integration.lambdas import ApiClient

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One server for the whole run; fast, since nothing in it must survive."""
    settings = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    server = PostgresServer(tmp_path_factory.mktemp("postgres") / "data", settings=settings)
    server.start()
    yield server
    server.stop()


def environment_of(server: PostgresServer, database: str) -> dict[str, str]:
    """What the functions' environment says of a database."""
    return {
        "DB_HOST": server.host,
        "DB_PORT": str(server.port),
        "DB_NAME": database,
        "DB_USER": server.user,
        "DB_PASSWORD": server.password,
    }


@pytest.fixture(scope="module")
def empty_database(postgres: PostgresServer) -> Iterator[dict[str, str]]:
    """The environment of a database with nothing in it, a new one for each module."""
    with _database(postgres, "template1") as environment:
        yield environment


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> Iterator[str]:
    """The name of a database with the migrations applied, to be copied."""
    with _database(postgres, "template1") as environment:
        database = connect(environment)
        migrate(database, MigratorSettings.from_env(environment))
        database.close()
        yield environment["DB_NAME"]


@pytest.fixture(scope="module")
def environment(postgres: PostgresServer, migrated: str) -> Iterator[dict[str, str]]:
    """The environment of a database with the migrations applied, a new one for each module."""
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
    """A connection to the migrated database."""
    connection = connect(environment)
    yield connection
    connection.close()


def connect(environment: Mapping[str, str]) -> Database:
    """A connection as the environment says."""
    return Database(DatabaseSettings.from_env(environment), application_name="test")


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """AWS, as moto plays it."""
    with aws_account() as account:
        yield account


@pytest.fixture
def aws_proxy(account: Account) -> Iterator[AwsProxy]:
    """What the functions take for AWS's address: it notes their calls, and fails when told to."""
    with AwsProxy(account) as proxy:
        yield proxy


@pytest.fixture
def aws(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """The same; what reads secrets in the test asks it, with nothing kept from before."""
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    clear_cache()
    yield account
    clear_cache()


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded answers."""
    return Path(os.environ["RECORDINGS"])


def certificate_for(host: str, folder: Path, *, identified: bool = True) -> tuple[Path, Path]:
    """A self-signed certificate for a host and its key, as PEM files. identified: it names its keys, as new ones do."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    if identified:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    made = builder.sign(key, hashes.SHA256())
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, plain))
    key_file.chmod(0o600)
    return cert_file, key_file


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for `localhost` and its key, as PEM files."""
    return certificate_for("localhost", tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def markets(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """The Market objects that the table is filled with."""
    markets = [
        json.loads(market.json, parse_float=Decimal)
        for _, market in generate(3, 1500, Clock(speed=0)).markets(Order.CREATED, None)
    ]
    database = connect(environment)
    store_markets(database, *markets)
    database.close()
    return markets


def store_markets(database: Database, *markets: Mapping[str, Any]) -> None:
    """Puts Market objects into the table as the crawler does."""
    store = Store(database)
    assert store.take_lease()
    store.commit(Batch(JobState("live/open"), [parse_market(market) for market in markets]))
    store.release_lease()


def truncate_all(database: Database) -> None:
    """Empties the tables, the books included."""
    names = ("terms", "quotes", "jobs", "rejects", "history", "events", "series", "seen", "drift", "lookups")
    database.execute_script(
        f"TRUNCATE {', '.join(f'kalshi_markets_{name}' for name in names)};"
        " UPDATE kalshi_markets_lease SET ends_at = '-infinity', holder = NULL"
    )


def delete_market(database: Database, ticker: str) -> None:
    """Takes a market out of the table again."""
    for part in (Table.DETAILS, Table.QUOTES):
        database.execute(f"DELETE FROM {database.settings.table}_{part} WHERE ticker = $1", ticker)
    database.execute(f"UPDATE {database.settings.table}_jobs SET added = added - 1 WHERE job = 'live/open'")


@pytest.fixture(scope="module")
def api(environment: dict[str, str], markets: Sequence[Any]) -> Iterator[ApiClient]:
    """The API function over that table."""
    api = ApiClient(environment)
    yield api
    api.close()
