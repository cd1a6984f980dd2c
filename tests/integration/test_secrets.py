import asyncio
import time

import pytest

from kalshi_markets import secrets_manager
from kalshi_markets.database import Database, LoginFailed
from kalshi_markets.exchange import ExchangeClient, Page, RawMarket
from kalshi_markets.exchange.rate_limiter import LocalTokenBucket, RateLimiter
from kalshi_markets.exchange.signing import Signer
from kalshi_markets.secrets_manager import SecretUnavailable, get_secret
from kalshi_markets.settings import DatabaseSettings, ExchangeSettings, SettingsError
from tests.support.aws import Account
from tests.support.database import connect
from tests.support.scripted_server import Reply, ScriptedServer
from tests.unit.test_signing import ED25519


def test_a_secret_is_cached_until_a_refresh(aws: Account) -> None:
    arn = aws.create_secret({"a": 1})
    assert get_secret(arn) == {"a": 1}
    aws.rotate(arn, {"a": 2})
    assert get_secret(arn) == {"a": 1}
    assert get_secret(arn, fresh=True) == {"a": 2}
    assert get_secret(arn) == {"a": 2}


def test_an_old_secret_is_fetched_again(aws: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = aws.create_secret({"a": 1})
    get_secret(arn)
    aws.rotate(arn, {"a": 2})
    monkeypatch.setattr(secrets_manager, "MAX_AGE_SECONDS", 0)
    assert get_secret(arn) == {"a": 2}


def test_an_unreachable_secrets_manager_is_reported(aws: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = aws.create_secret({"a": 1})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(SecretUnavailable, match="EndpointConnectionError"):
        get_secret(arn)


@pytest.mark.parametrize("value", ["not json, but s3cret", '["s3cret"]'])
def test_a_non_object_secret_is_rejected_without_echoing_it(aws: Account, value: str) -> None:
    with pytest.raises(SecretUnavailable) as raised:
        get_secret(aws.create_secret(value))
    assert "s3cret" not in str(raised.value)


def test_a_secret_that_is_not_there_is_named(aws: Account) -> None:
    with pytest.raises(SecretUnavailable, match="no-such-secret"):
        get_secret("no-such-secret")


def test_a_secret_without_its_members_is_a_wrong_setting(aws: Account, environment: dict[str, str]) -> None:
    settings = DatabaseSettings.from_env(environment | {"DB_SECRET_ARN": aws.create_secret({"user": "x"})})
    with pytest.raises(SettingsError, match="username and password"):
        settings.credentials()


def test_a_rotated_database_password_is_fetched_when_the_login_fails(
    aws: Account, environment: dict[str, str], database: Database
) -> None:
    database.execute_script("CREATE ROLE rotated LOGIN PASSWORD 'one'")
    arn = aws.create_secret({"username": "rotated", "password": "one"})
    first = connect(environment | {"DB_SECRET_ARN": arn})
    assert first.query("SELECT current_user::text") == [["rotated"]]
    database.execute("ALTER ROLE rotated PASSWORD 'two'")
    aws.rotate(arn, {"username": "rotated", "password": "two"})
    second = connect(environment | {"DB_SECRET_ARN": arn})
    assert second.query("SELECT 1") == [[1]]
    database.execute("ALTER ROLE rotated PASSWORD 'three'")
    with pytest.raises(LoginFailed):
        connect(environment | {"DB_SECRET_ARN": arn}).query("SELECT 1")
    first.close()
    second.close()
    database.execute_script("DROP ROLE rotated")


def test_pasted_values_of_a_database_secret_are_cleaned_or_rejected_by_name(
    aws: Account, environment: dict[str, str]
) -> None:
    arn = aws.create_secret({"username": " me\n", "password": " p \r\n"})
    settings = DatabaseSettings.from_env(environment | {"DB_SECRET_ARN": f" {arn}\n"})
    assert (settings.credentials().username, settings.credentials().secret) == ("me", " p ")
    for wrong in ({"username": "m\u200be", "password": "p"}, {"username": "me", "password": "p\tq"}):
        aws.rotate(arn, wrong)
        name = next(member for member, value in wrong.items() if not value.isalpha())
        with pytest.raises(SettingsError, match=f"^the secret {arn}: {name} contains a ") as raised:
            settings.credentials(fresh=True)
        assert wrong[name] not in str(raised.value)


def test_pasted_values_of_a_key_secret_are_cleaned_or_rejected_by_name(aws: Account) -> None:
    arn = aws.create_secret({"key_id": " id\n", "private_key": f"\ufeff{ED25519}"})
    settings = ExchangeSettings.from_env({"KALSHI_SECRET_ARN": arn})
    credentials = settings.credentials()
    assert credentials is not None
    assert Signer(credentials).headers("GET", "/", 1)["KALSHI-ACCESS-KEY"] == "id"
    aws.rotate(arn, {"key_id": "i\ufeffd", "private_key": ED25519})
    with pytest.raises(SettingsError, match=f"^the secret {arn}: key_id must be printable ASCII"):
        settings.credentials(fresh=True)


def ask(server: ScriptedServer, arn: str) -> Page[RawMarket]:
    async def run() -> Page[RawMarket]:
        settings = ExchangeSettings.from_env({"EXCHANGE_URL": server.url, "KALSHI_SECRET_ARN": arn})
        async with ExchangeClient(settings, RateLimiter(LocalTokenBucket(15))) as client:
            return await client.listings(deadline=time.monotonic() + 60).live("open", None)

    return asyncio.run(run())


def test_the_kalshi_key_comes_from_its_secret_and_is_fetched_again_when_authentication_fails(aws: Account) -> None:
    arn = aws.create_secret({"key_id": "old", "private_key": ED25519})
    get_secret(arn)
    aws.rotate(arn, {"key_id": "new", "private_key": ED25519.replace("\n", "\\n")})
    unauthorized = Reply(401, b'{"error": {"code": "authentication_error", "message": "no", "details": "NOT_FOUND"}}')
    with ScriptedServer([unauthorized, Reply()]) as server:
        assert ask(server, arn) == Page([], None)
    assert [headers["kalshi-access-key"] for _, headers in server.requests] == ["old", "new"]


def test_secrets_are_cached_for_minutes_only() -> None:
    assert 60 <= secrets_manager.MAX_AGE_SECONDS <= 600
