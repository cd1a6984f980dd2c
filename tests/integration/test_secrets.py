import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities import parameters
from moto.server import ThreadedMotoServer

from kalshi_markets import secrets
from kalshi_markets.database import Database, LoginRefused
from kalshi_markets.exchange import ExchangeClient, Listings, Page
from kalshi_markets.exchange.limiter import Limiter, LocalTokens
from kalshi_markets.secrets import SecretUnavailable, read_secret
from kalshi_markets.settings import DatabaseSettings, ExchangeSettings, SettingsError
from tests.integration.conftest import connect
from tests.integration.scripted import Reply, Scripted
from tests.unit.test_signing import ED25519

AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def manager(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of Secrets Manager; what reads secrets in the test asks the same one, with nothing cached."""
    for name, value in {**AWS, "AWS_ENDPOINT_URL": moto}.items():
        monkeypatch.setenv(name, value)
    parameters.clear_caches()  # type: ignore[no-untyped-call]  # Powertools forgot its return type
    client = boto3.client("secretsmanager", endpoint_url=moto)
    yield client
    client.close()


def create(manager: Any, value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    arn: str = manager.create_secret(Name=f"secret-{time.monotonic_ns()}", SecretString=text)["ARN"]
    return arn


def rotate(manager: Any, arn: str, value: object) -> None:
    manager.put_secret_value(SecretId=arn, SecretString=json.dumps(value))


def test_a_secret_is_cached_until_it_is_asked_for_afresh(manager: Any) -> None:
    arn = create(manager, {"a": 1})
    assert read_secret(arn) == {"a": 1}
    rotate(manager, arn, {"a": 2})
    assert read_secret(arn) == {"a": 1}
    assert read_secret(arn, fresh=True) == {"a": 2}
    assert read_secret(arn) == {"a": 2}


@pytest.mark.parametrize("value", ["not json, but s3cret", '["s3cret"]'])
def test_what_is_no_object_is_refused_without_being_quoted(manager: Any, value: str) -> None:
    with pytest.raises(SecretUnavailable) as raised:
        read_secret(create(manager, value))
    assert "s3cret" not in str(raised.value)


def test_a_secret_that_is_not_there_is_named(manager: Any) -> None:
    with pytest.raises(SecretUnavailable, match="no-such-secret"):
        read_secret("no-such-secret")


def test_a_secret_without_its_members_is_a_wrong_setting(manager: Any, environment: dict[str, str]) -> None:
    settings = DatabaseSettings.read(environment | {"DB_SECRET_ARN": create(manager, {"user": "x"})})
    with pytest.raises(SettingsError, match="username and password"):
        settings.credentials()


def test_a_rotated_database_password_is_fetched_when_the_old_one_is_refused(
    manager: Any, environment: dict[str, str], database: Database
) -> None:
    database.script("CREATE ROLE rotated LOGIN PASSWORD 'one'")
    arn = create(manager, {"username": "rotated", "password": "one"})
    first = connect(environment | {"DB_SECRET_ARN": arn})
    assert first.read("SELECT current_user::text") == [["rotated"]]
    database.execute("ALTER ROLE rotated PASSWORD 'two'")
    rotate(manager, arn, {"username": "rotated", "password": "two"})
    second = connect(environment | {"DB_SECRET_ARN": arn})
    assert second.read("SELECT 1") == [[1]]
    database.execute("ALTER ROLE rotated PASSWORD 'three'")
    with pytest.raises(LoginRefused):
        connect(environment | {"DB_SECRET_ARN": arn}).read("SELECT 1")
    first.close()
    second.close()
    database.script("DROP ROLE rotated")


def ask(server: Scripted, arn: str) -> Page:
    async def run() -> Page:
        settings = ExchangeSettings.read({"EXCHANGE_URL": server.url, "KALSHI_SECRET_ARN": arn})
        async with ExchangeClient(settings, Limiter(LocalTokens(15))) as client:
            return await Listings(client.transport, time.monotonic() + 5).live("open", None)

    return asyncio.run(run())


def test_the_kalshi_key_comes_from_its_secret_and_is_fetched_afresh_when_it_is_refused(manager: Any) -> None:
    arn = create(manager, {"key_id": "old", "private_key": ED25519})
    read_secret(arn)
    rotate(manager, arn, {"key_id": "new", "private_key": ED25519.replace("\n", "\\n")})
    refused = Reply(401, b'{"error": {"code": "authentication_error", "message": "no", "details": "NOT_FOUND"}}')
    with Scripted([refused, Reply()]) as server:
        assert ask(server, arn) == Page([], None)
    assert [headers["kalshi-access-key"] for _, headers in server.requests] == ["old", "new"]


def test_secrets_are_kept_no_longer_than_minutes() -> None:
    assert 60 <= secrets.MAX_AGE_SECONDS <= 600
