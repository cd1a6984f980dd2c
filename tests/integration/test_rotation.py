"""Rotation of a role's password by Secrets Manager's steps: no login is rejected at any moment."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from itertools import chain, count, repeat
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError

from kalshi_markets import secrets_manager
from kalshi_markets.credentials import Credentials, read_version
from kalshi_markets.database import Database, DatabaseError, LoginFailed
from kalshi_markets.secrets_manager import PENDING, SecretUnavailable, client, get_secret
from migrator.handler import handler
from migrator.rotation import RotationError
from tests.support.api_client import Context, variables
from tests.support.aws import Account
from tests.support.aws_proxy import DOWN, PASSES, AwsProxy
from tests.support.database import connect
from tests.support.secrets import clear_cache
from tests.support.waiting import wait_until

ROLE = "rotated_api"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
READERS = 4


class CachePerThread(threading.local):
    """Cache of secrets for which every thread is a process of its own."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._values, name)

    def __setitem__(self, arn: str, value: Any) -> None:
        self._values[arn] = value


class Role:
    """Role of the API with its secret, and its rotation by the migrator's handler."""

    def __init__(self, environment: dict[str, str], arn: str) -> None:
        self.environment = environment | {"API_DB_SECRET_ARN": arn}
        self.arn = arn

    def migrate(self) -> None:
        handler({}, Context(60))

    def step(self, name: str, version: str, **changes: str) -> None:
        """Run a step of the rotation to a version. changes: other members of the event."""
        event = {"Step": name, "SecretId": self.arn, "ClientRequestToken": version, **changes}
        assert handler(event, Context(60)) == {"step": name}

    def rotate(self) -> None:
        version = str(uuid.uuid4())
        for name in STEPS:
            self.step(name, version)

    def login(self) -> Database:
        """Return a connection of the role, as a new process opens it."""
        database = connect(self.environment | {"DB_SECRET_ARN": self.arn})
        assert database.query("SELECT current_user::text") == [[ROLE]]
        return database


@pytest.fixture
def role(
    aws_proxy: AwsProxy,
    account: Account,
    environment: dict[str, str],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Role]:
    monkeypatch.setattr(secrets_manager, "TIMEOUT_SECONDS", 60)
    clear_cache()
    monkeypatch.setattr(secrets_manager, "_cache", CachePerThread())
    role = Role(environment, account.create_secret({"username": ROLE, "password": "first", "more": "stays"}))
    with variables(role.environment | aws_proxy.environment):
        role.migrate()
        yield role
    clear_cache()
    database.execute_script(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


class Readers:
    """Threads that log in again and again, each with the secrets that it knows."""

    def __init__(self, role: Role) -> None:
        self.errors: list[Exception] = []
        self._role = role
        self._logins = [0] * READERS
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(number,)) for number in range(READERS)]

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _read(self, number: int) -> None:
        while not self._ended.is_set():
            try:
                self._role.login().close()
            except (DatabaseError, SecretUnavailable) as error:
                self.errors.append(error)
            self._logins[number] += 1

    def wait(self) -> None:
        """Wait until each reader has begun and ended a login."""
        aims = [logins + 2 for logins in self._logins]
        wait_until(lambda: all(logins >= aim for logins, aim in zip(self._logins, aims, strict=True)))


def rotate_under_readers(role: Role, times: int, between: Callable[[], None]) -> list[Exception]:
    """Rotate step by step and return the errors of the readers. between: called after each step."""
    with Readers(role) as readers:
        for _ in range(times):
            version = str(uuid.uuid4())
            for name in STEPS:
                role.step(name, version)
                between()
                readers.wait()
    return readers.errors


def test_no_login_is_rejected_in_ten_rotations(role: Role) -> None:
    passwords = [get_secret(role.arn)["password"]]
    assert rotate_under_readers(role, 10, lambda: passwords.append(get_secret(role.arn, fresh=True)["password"])) == []
    assert len(set(passwords)) == 11
    assert get_secret(role.arn, fresh=True)["more"] == "stays"


def test_no_login_is_rejected_by_a_deployment_within_a_rotation(role: Role) -> None:
    assert rotate_under_readers(role, 3, role.migrate) == []


def test_without_the_pending_version_logins_would_be_rejected(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_pending(arn: str, stage: str) -> Credentials | None:
        return None if stage == PENDING else read_version(arn, stage)

    monkeypatch.setattr("kalshi_markets.settings.read_version", without_pending)
    errors = rotate_under_readers(role, 1, lambda: None)
    assert {type(error) for error in errors} == {LoginFailed}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_is_killed_at_any_call_is_repeated_without_a_rejected_login(
    role: Role, aws_proxy: AwsProxy, name: str
) -> None:
    version = str(uuid.uuid4())
    for earlier in STEPS[: STEPS.index(name)]:
        role.step(earlier, version)
    for killed_at in count():
        clear_cache()
        aws_proxy.faults = chain(repeat(PASSES, killed_at), repeat(DOWN))
        try:
            role.step(name, version)
            break
        except (SecretUnavailable, BotoCoreError):
            aws_proxy.faults = iter(())
            role.login().close()
    aws_proxy.faults = iter(())
    assert killed_at >= 1
    for later in STEPS[STEPS.index(name) + 1 :]:
        role.step(later, version)
    role.login().close()
    role.rotate()
    role.login().close()


def test_a_repeated_step_does_nothing_new(role: Role) -> None:
    version = str(uuid.uuid4())
    for name in STEPS[:3]:
        role.step(name, version)
        pending = get_secret(role.arn, stage=PENDING)
        role.step(name, version)
        assert get_secret(role.arn, stage=PENDING) == pending
        role.login().close()
    role.step("finishSecret", version)
    role.step("finishSecret", version)
    assert get_secret(role.arn, fresh=True) == pending


def test_a_finished_rotation_leaves_no_pending_version(role: Role) -> None:
    role.rotate()
    with pytest.raises(SecretUnavailable, match="ResourceNotFoundException"):
        get_secret(role.arn, stage=PENDING)


def test_a_password_by_hand_is_the_roles_after_the_migrator(role: Role, account: Account) -> None:
    role.rotate()
    account.rotate(role.arn, {"username": ROLE, "password": "by hand"})
    role.migrate()
    clear_cache()
    role.login().close()


def test_a_pending_password_that_is_not_the_roles_fails_the_test(role: Role, database: Database) -> None:
    version = str(uuid.uuid4())
    role.step("createSecret", version)
    with pytest.raises(LoginFailed):
        role.step("testSecret", version)
    database.execute_script(f"ALTER ROLE {ROLE} PASSWORD 'lost'")
    role.step("setSecret", version)
    role.step("testSecret", version)


def test_a_damaged_secret_gets_no_pending_version_and_is_repaired_by_hand(role: Role) -> None:
    client().put_secret_value(SecretId=role.arn, SecretString='{"password": "lost"}')
    with pytest.raises(RotationError, match="no username: write it by hand"):
        role.step("createSecret", str(uuid.uuid4()))
    client().put_secret_value(SecretId=role.arn, SecretString=json.dumps({"username": ROLE, "password": "again"}))
    role.migrate()
    clear_cache()
    role.login().close()
    role.rotate()
    role.login().close()


def test_other_secrets_steps_and_versions_are_rejected(role: Role, account: Account) -> None:
    with pytest.raises(RotationError, match="not that of a role"):
        role.step("createSecret", str(uuid.uuid4()), SecretId=account.create_secret({"username": "x", "password": "y"}))
    with pytest.raises(RotationError, match="one of createSecret, setSecret"):
        role.step("dropSecret", str(uuid.uuid4()))
    with pytest.raises(RotationError, match="neither pending nor current"):
        role.step("finishSecret", str(uuid.uuid4()))
    role.login().close()
