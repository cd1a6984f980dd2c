"""Authorizer of the HTTP API: keys in Secrets Manager, their rotation, and failures. No key appears in its output."""

import hmac
import secrets
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pytest

from authorizer import handler as authorizer
from authorizer.handler import MAX_AGE_SECONDS, REFRESH_SECONDS, ApiKeys
from kalshi_markets.secrets_manager import SecretUnavailable
from kalshi_markets.settings import SettingsError
from local.lambda_runtime.events import HttpRequest, authorizer_event
from local.lambda_runtime.lambda_errors import FunctionError
from tests.support.aws import Account
from tests.support.aws_proxy import DOWN, AwsProxy
from tests.support.sandboxes import Sandboxes, sandboxes
from tests.support.secrets import clear_cache
from tests.support.waiting import wait_until

FIRST, SECOND = secrets.token_hex(24), secrets.token_hex(24)


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock of the authorizer."""
    clock = Clock()
    monkeypatch.setattr(authorizer, "time", clock)
    return clock


@pytest.fixture
def arn(aws_proxy: AwsProxy, aws: Account, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the ARN of a secret with the first key. The authorizer reads it through the proxy."""
    arn = aws.create_secret({"first": FIRST})
    monkeypatch.setenv("API_KEYS_SECRET_ARN", arn)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_proxy.environment["AWS_ENDPOINT_URL"])
    clear_cache()
    return arn


@pytest.fixture
def keys(arn: str, clock: Clock) -> ApiKeys:
    """Return the keys of a cold function."""
    return ApiKeys()


def event_of(key: str) -> dict[str, Any]:
    return authorizer_event(HttpRequest("GET", "/markets", "limit=1", [("x-api-key", key)]), "id", key)


def test_the_right_key_is_accepted_and_every_other_one_is_rejected(keys: ApiKeys) -> None:
    assert keys.accepts(FIRST)
    wrong = ["", " ", "first", FIRST[:-1], FIRST + "0", FIRST.upper(), f"{FIRST},{FIRST}", "é\ud800"]
    assert [key for key in wrong if keys.accepts(key)] == []


def test_the_label_of_a_key_is_no_key(keys: ApiKeys, arn: str, aws: Account) -> None:
    aws.rotate(arn, {"label": FIRST, "empty": "", "blank": " ", "number": 5, "null": None, "list": [SECOND]})
    assert keys.accepts(FIRST)
    assert not any(map(keys.accepts, ["label", "", " ", "5", "null", "None", SECOND, f'["{SECOND}"]']))


def test_every_one_of_many_keys_is_accepted_and_compared_with_all(
    keys: ApiKeys, arn: str, aws: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [secrets.token_hex(24) for _ in range(300)]
    aws.rotate(arn, {f"key {number}": key for number, key in enumerate(many)})
    assert all(map(keys.accepts, many))
    compared = []

    def count(given: bytes, accepted: bytes) -> bool:
        compared.append(accepted)
        return given == accepted

    monkeypatch.setattr(hmac, "compare_digest", count)
    assert keys.accepts(many[0])
    assert compared == [key.encode() for key in many]


def test_a_rotation_has_no_moment_without_a_valid_key(keys: ApiKeys, arn: str, aws: Account, clock: Clock) -> None:
    assert keys.accepts(FIRST)
    clock.now += REFRESH_SECONDS
    aws.rotate(arn, {"first": FIRST, "second": SECOND})
    assert keys.accepts(FIRST)
    assert keys.accepts(SECOND), "an unknown key is looked for at once"
    clock.now += MAX_AGE_SECONDS
    assert keys.accepts(FIRST)
    aws.rotate(arn, {"second": SECOND})
    assert keys.accepts(SECOND)
    clock.now += MAX_AGE_SECONDS + 1
    assert not keys.accepts(FIRST), "removed"
    assert keys.accepts(SECOND)


def test_known_keys_are_read_once_a_minute(keys: ApiKeys, aws_proxy: AwsProxy, clock: Clock) -> None:
    for _ in range(10):
        assert keys.accepts(FIRST)
        clock.now += MAX_AGE_SECONDS / 10
    assert len(aws_proxy.calls) == 1
    clock.now += 1
    assert keys.accepts(FIRST)
    assert len(aws_proxy.calls) == 2


def test_guesses_are_no_requests_to_secrets_manager(keys: ApiKeys, aws_proxy: AwsProxy, clock: Clock) -> None:
    for number in range(100):
        assert not keys.accepts(f"guess {number}")
    assert len(aws_proxy.calls) == 1
    clock.now += REFRESH_SECONDS
    for number in range(100):
        assert not keys.accepts(f"guess {number}")
    assert len(aws_proxy.calls) == 2


def test_keys_that_cannot_be_read_authorize_nothing_and_are_no_rejection(
    keys: ApiKeys, aws_proxy: AwsProxy, clock: Clock
) -> None:
    assert keys.accepts(FIRST)
    clock.now += MAX_AGE_SECONDS + 1
    aws_proxy.faults = repeat(DOWN)
    for key in (FIRST, SECOND):
        with pytest.raises(SecretUnavailable, match="cannot be read"):
            keys.accepts(key)
    aws_proxy.faults = iter(())
    assert keys.accepts(FIRST)


@pytest.mark.parametrize("value", [{}, {"first": ""}, {"first": {"key": FIRST}}])
def test_a_secret_without_a_key_is_named_and_authorizes_nothing(
    keys: ApiKeys, arn: str, aws: Account, value: object
) -> None:
    aws.rotate(arn, value)
    with pytest.raises(SettingsError, match="must be a JSON object with an API key as each value"):
        keys.accepts("")


def test_without_a_setting_nothing_is_authorized(keys: ApiKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS_SECRET_ARN", "")
    with pytest.raises(SettingsError, match="API_KEYS_SECRET_ARN is not set"):
        keys.accepts("")


@pytest.fixture
def functions() -> Iterator[Sandboxes]:
    with sandboxes([FIRST, SECOND]) as functions:
        yield functions


def test_the_function_answers_in_the_simple_format(functions: Sandboxes, account: Account) -> None:
    arn = account.create_secret({"first": FIRST})
    function = functions.start("authorizer", account.environment | {"API_KEYS_SECRET_ARN": arn})
    assert function(event_of(FIRST)) == {"isAuthorized": True}
    assert function(event_of(SECOND)) == {"isAuthorized": False}


def test_a_secret_that_is_not_there_is_an_error_in_the_log(functions: Sandboxes, account: Account) -> None:
    function = functions.start("authorizer", account.environment | {"API_KEYS_SECRET_ARN": "no-such-secret"})
    with pytest.raises(FunctionError) as raised:
        function(event_of(FIRST))
    assert raised.value.message == "the secret no-such-secret cannot be read: ResourceNotFoundException."
    wait_until(lambda: any(line.startswith(f"[ERROR] {raised.value}") for line in functions.output))


def test_an_event_without_a_key_is_an_error(functions: Sandboxes) -> None:
    function = functions.start("authorizer", {"API_KEY": FIRST})
    with pytest.raises(FunctionError):
        function({"source": "a warm-up"})
    assert function(event_of(FIRST)) == {"isAuthorized": True}
