import asyncio
import time
from collections.abc import Iterator

import pytest

from kalshi_markets import secrets
from kalshi_markets.database import Database, LoginRefused
from kalshi_markets.exchange import ExchangeClient, Listings, Page
from kalshi_markets.exchange.limiter import Limiter, LocalTokens
from kalshi_markets.secrets import SecretUnavailable, forget_secrets, read_secret
from kalshi_markets.settings import DatabaseSettings, ExchangeSettings, SettingsError
from tests import aws
from tests.aws import Account
from tests.integration.conftest import connect
from tests.integration.scripted import Reply, Scripted
from tests.unit.test_signing import ED25519


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with aws.account() as account:
        yield account


@pytest.fixture
def manager(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account; what reads secrets in the test asks it, with nothing cached."""
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    forget_secrets()
    return account


def test_a_secret_is_cached_until_it_is_asked_for_afresh(manager: Account) -> None:
    arn = manager.create_secret({"a": 1})
    assert read_secret(arn) == {"a": 1}
    manager.rotate(arn, {"a": 2})
    assert read_secret(arn) == {"a": 1}
    assert read_secret(arn, fresh=True) == {"a": 2}
    assert read_secret(arn) == {"a": 2}


@pytest.mark.parametrize("value", ["not json, but s3cret", '["s3cret"]'])
def test_what_is_no_object_is_refused_without_being_quoted(manager: Account, value: str) -> None:
    with pytest.raises(SecretUnavailable) as raised:
        read_secret(manager.create_secret(value))
    assert "s3cret" not in str(raised.value)


def test_a_secret_that_is_not_there_is_named(manager: Account) -> None:
    with pytest.raises(SecretUnavailable, match="no-such-secret"):
        read_secret("no-such-secret")


def test_a_secret_without_its_members_is_a_wrong_setting(manager: Account, environment: dict[str, str]) -> None:
    settings = DatabaseSettings.read(environment | {"DB_SECRET_ARN": manager.create_secret({"user": "x"})})
    with pytest.raises(SettingsError, match="username and password"):
        settings.credentials()


def test_a_rotated_database_password_is_fetched_when_the_old_one_is_refused(
    manager: Account, environment: dict[str, str], database: Database
) -> None:
    database.script("CREATE ROLE rotated LOGIN PASSWORD 'one'")
    arn = manager.create_secret({"username": "rotated", "password": "one"})
    first = connect(environment | {"DB_SECRET_ARN": arn})
    assert first.read("SELECT current_user::text") == [["rotated"]]
    database.execute("ALTER ROLE rotated PASSWORD 'two'")
    manager.rotate(arn, {"username": "rotated", "password": "two"})
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


def test_the_kalshi_key_comes_from_its_secret_and_is_fetched_afresh_when_it_is_refused(manager: Account) -> None:
    arn = manager.create_secret({"key_id": "old", "private_key": ED25519})
    read_secret(arn)
    manager.rotate(arn, {"key_id": "new", "private_key": ED25519.replace("\n", "\\n")})
    refused = Reply(401, b'{"error": {"code": "authentication_error", "message": "no", "details": "NOT_FOUND"}}')
    with Scripted([refused, Reply()]) as server:
        assert ask(server, arn) == Page([], None)
    assert [headers["kalshi-access-key"] for _, headers in server.requests] == ["old", "new"]


def test_secrets_are_kept_no_longer_than_minutes() -> None:
    assert 60 <= secrets.MAX_AGE_SECONDS <= 600
