"""SnapStart's hooks, called as the runtime client calls them: before a snapshot, and in each restored process."""

import asyncio
import importlib
import random
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
import snapshot_restore_py
from awslambdaric.lambda_runtime_hooks_runner import run_after_restore, run_before_snapshot

from kalshi_markets.database import Database
from kalshi_markets.exchange import ExchangeClient, ExchangeUnavailable
from kalshi_markets.exchange.rate_limiter import LocalTokenBucket, RateLimiter
from kalshi_markets.settings import ExchangeSettings
from local.lambda_runtime.events import HttpRequest, http_event
from tests.support.api_client import Context
from tests.support.aws import Account
from tests.support.scripted_server import Reply, ScriptedServer

PAGE = http_event(HttpRequest("GET", "/markets", "limit=1", [("host", "localhost")]), "request-id")
Session = tuple[int, str]


@pytest.fixture
def function(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Yield the API's module as imported at the start of a process, with the hooks that it registers."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    registries = (snapshot_restore_py.get_before_snapshot(), snapshot_restore_py.get_after_restore())
    for registry in registries:
        registry.clear()
    sys.modules.pop("api.handler", None)
    function = importlib.import_module("api.handler")
    yield function
    function.before_snapshot()
    function._loop.close()


@pytest.fixture
def sessions(database: Database) -> Callable[[], list[Session]]:
    """Return the server processes and users of the API's connections, after closed ones have ended."""

    def sessions() -> list[Session]:
        rows = database.query(
            "SELECT pid, usename::text FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'api'"
        )
        return [(pid, user) for pid, user in rows]

    return sessions


def status_of(function: ModuleType, event: dict[str, Any] = PAGE) -> int:
    return int(function.handler(event, Context(29))["statusCode"])


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_restored_process_has_a_connection_and_credentials_of_its_own(
    function: ModuleType,
    aws: Account,
    database: Database,
    sessions: Callable[[], list[Session]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database.execute_script(
        "CREATE ROLE frozen SUPERUSER LOGIN PASSWORD 'one'; CREATE ROLE restored SUPERUSER LOGIN PASSWORD 'two'"
    )
    arn = aws.create_secret({"username": "frozen", "password": "one"})
    monkeypatch.setenv("DB_SECRET_ARN", arn)
    assert status_of(function) == 200
    assert [user for _, user in sessions()] == ["frozen"]

    run_before_snapshot()
    until(lambda: not sessions())
    # The old credentials still work: only a secret that is fetched again has the new ones.
    aws.rotate(arn, {"username": "restored", "password": "two"})
    run_after_restore()
    opened = sessions()
    assert [user for _, user in opened] == ["restored"]
    assert status_of(function) == 200
    assert sessions() == opened

    function.before_snapshot()
    until(lambda: not sessions())
    database.execute_script("DROP ROLE frozen; DROP ROLE restored")


def test_the_import_connects_nothing_and_a_restore_does(
    function: ModuleType, sessions: Callable[[], list[Session]]
) -> None:
    assert sessions() == []
    run_before_snapshot()
    run_after_restore()
    assert len(sessions()) == 1


@pytest.mark.parametrize("broken", [{"DB_PORT": "1"}, {"DB_HOST": ""}, {"DB_SECRET_ARN": "no-such-secret"}])
def test_a_restore_without_a_database_is_reported_by_the_request(
    broken: dict[str, str], function: ModuleType, aws: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in broken.items():
        monkeypatch.setenv(name, value)
    run_before_snapshot()
    run_after_restore()
    assert status_of(function) == 503


def test_restored_processes_spread_their_retries() -> None:
    """Every process starts with the snapshot's state of Python's default random generator."""

    def waits() -> list[float]:
        random.seed(1)
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        async def ask(url: str) -> None:
            settings = ExchangeSettings.from_env({"EXCHANGE_URL": url})
            async with ExchangeClient(settings, RateLimiter(LocalTokenBucket(1000))) as client:
                with pytest.raises(ExchangeUnavailable):
                    await client.listings(deadline=time.monotonic() + 60).live("open", None)

        with (
            ScriptedServer([Reply(503)] * 6) as server,
            mock.patch("kalshi_markets.exchange.transport.asyncio.sleep", sleep),
        ):
            asyncio.run(ask(server.url))
        return slept

    assert set(waits()).isdisjoint(waits())
