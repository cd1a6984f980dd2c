"""The migrator as CloudFormation's custom resource: whatever happens, CloudFormation is answered, and in time."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kalshi_markets.database import Database, LoginRefused, Unavailable
from local import PYTHON_PATH
from local.postgres import PostgresServer
from migrator import custom_resource
from migrator.custom_resource import ANSWER_SECONDS, NotAnswered, answer
from migrator.handler import handler
from migrator.migrate import FOLDER
from tests.integration.cloudformation import STACK, Bucket, asked
from tests.integration.conftest import connect, environment_of
from tests.integration.lambdas import Context, variables

NAMES = sorted(path.name for path in FOLDER.glob("*.sql"))


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with Bucket(200) as bucket:
        yield bucket


def deploy(environment: Mapping[str, str], event: dict[str, Any], seconds: float = 60) -> dict[str, Any]:
    """One invocation."""
    with variables(environment):
        return handler(event, Context(seconds))


def refused(bucket: Bucket) -> str:
    """Why it was answered FAILED."""
    told = bucket.answer
    assert told["Status"] == "FAILED"
    reason: str = told["Reason"]
    assert reason.endswith(" Its log has more, request request.")
    return reason


@pytest.fixture
def table(empty_database: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database whose markets table bears the test's own name."""
    name = request.node.name.removeprefix("test_").split("[")[0][:30]
    database = connect(empty_database | {"MARKETS_TABLE": f"d_{name}"})
    yield database
    database.close()


@pytest.fixture
def environment(empty_database: dict[str, str], table: Database) -> dict[str, str]:
    return empty_database | {"MARKETS_TABLE": table.settings.table}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migrator.run.PAUSE_SECONDS", 0.1)


def applied(table: Database) -> list[str]:
    return [row[0] for row in table.read(f"SELECT name FROM {table.settings.table}_migrations ORDER BY name")]


def test_what_is_made_is_answered_with_an_id_that_stays(
    environment: dict[str, str], table: Database, bucket: Bucket
) -> None:
    assert deploy(environment, asked(bucket)) == {"failure": None}
    assert bucket.answer == {
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": f"{STACK}/Migrations",
        "StackId": STACK,
        "RequestId": "request-1",
        "LogicalResourceId": "Migrations",
    }
    assert applied(table) == NAMES


@pytest.mark.parametrize("kind", ["Update", "Delete"])
def test_the_id_of_a_resource_is_answered_as_it_was_given(
    environment: dict[str, str], bucket: Bucket, kind: str
) -> None:
    deploy(environment, asked(bucket, kind, PhysicalResourceId="of an older version"))
    assert bucket.answer["PhysicalResourceId"] == "of an older version"


def test_a_delete_needs_no_database_and_leaves_it_as_it_is(
    environment: dict[str, str], table: Database, bucket: Bucket
) -> None:
    deploy(environment, {})
    deploy({"DB_HOST": "", "DB_PORT": "nonsense"}, asked(bucket, "Delete"))
    assert bucket.answer["Status"] == "SUCCESS"
    assert applied(table) == NAMES


def test_a_refusal_is_told_in_its_own_sentence(environment: dict[str, str], table: Database, bucket: Bucket) -> None:
    table.script(f"CREATE TABLE {table.settings.table} (id integer)")
    deploy(environment, asked(bucket, "Update"))
    assert "exists and is not a table with a ticker column" in refused(bucket)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"DB_HOST": ""}, "DB_HOST is not set."),
        ({"API_DB_USER": "api"}, "API_DB_PASSWORD is not set."),
        ({"DB_NAME": "nowhere"}, 'database "nowhere" does not exist'),
        ({"DB_PASSWORD": "not-this-one"}, "password authentication failed"),
    ],
)
def test_what_does_not_pass_is_told_without_waiting(
    environment: dict[str, str], bucket: Bucket, change: dict[str, str], told: str
) -> None:
    deploy(environment | change, asked(bucket))
    assert told in refused(bucket)
    assert "given up" not in refused(bucket)


def test_a_package_that_is_missing_is_told(bucket: Bucket) -> None:
    program = f"""
import json, sys, types
sys.path.insert(0, {PYTHON_PATH[0]!r})
from migrator.handler import handler
handler(json.loads(sys.argv[1]), types.SimpleNamespace(aws_request_id="request"))
"""
    # Without the site's packages.
    subprocess.run([sys.executable, "-I", "-S", "-c", program, json.dumps(asked(bucket))], check=True)
    assert refused(bucket).startswith("No module named 'aws_lambda_powertools'")


def test_of_an_error_that_nobody_thought_of_only_the_kind_is_told(
    environment: dict[str, str], bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("what may be a secret")

    monkeypatch.setattr("migrator.run.migrate", fail)
    with caplog.at_level(logging.ERROR):
        deploy(environment, asked(bucket))
    assert refused(bucket).startswith("the migrator failed: KeyError.")
    assert "in fail" in caplog.text


def test_an_answer_that_is_lost_is_given_again(environment: dict[str, str]) -> None:
    with Bucket(500, 200) as bucket:
        deploy(environment, asked(bucket))
    assert len(bucket.bodies) == 2
    assert bucket.bodies[0] == bucket.bodies[1]


def test_where_nothing_can_be_answered_the_invocation_fails_and_may_be_repeated(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_resource, "_PAUSES", (0, 0))
    with Bucket(500, 500, 200) as bucket:
        with pytest.raises(NotAnswered, match="gave 500"):
            deploy(environment, asked(bucket))
        deploy(environment, asked(bucket))
    assert len(bucket.bodies) == 3
    with pytest.raises(NotAnswered, match="ConnectionRefusedError"):
        deploy(environment, asked(bucket))


@pytest.mark.parametrize("character", ["x", "\x00", "\U0001f600", "\ud800", '"'])
def test_no_answer_is_larger_than_cloudformation_takes(bucket: Bucket, character: str) -> None:
    longest = {"PhysicalResourceId": "p" * 1024, "LogicalResourceId": "l" * 255, "StackId": f"{STACK[:-36]}{'s' * 60}"}
    answer(asked(bucket) | longest, character * 5000)
    assert bucket.answer["Status"] == "FAILED"


def test_all_attempts_to_answer_fit_into_the_time_that_is_kept_for_them() -> None:
    pauses = custom_resource._PAUSES
    assert sum(pauses) + len(pauses) * custom_resource._ATTEMPT_SECONDS <= ANSWER_SECONDS


def test_by_hand_it_returns_and_raises_and_does_not_wait(environment: dict[str, str]) -> None:
    assert deploy(environment, {}) == {"applied": NAMES, "table": environment["MARKETS_TABLE"]}
    assert deploy(environment, {"any": "event"})["applied"] == []
    with pytest.raises(Unavailable):
        deploy(environment | {"DB_PORT": "1"}, {})
    with pytest.raises(LoginRefused):
        deploy(environment | {"DB_PASSWORD": "not-this-one"}, {})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations, and room for more."""
    for name in NAMES:
        (tmp_path / name).write_text((FOLDER / name).read_text())
    monkeypatch.setattr("migrator.migrate.FOLDER", tmp_path)
    return tmp_path


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sleeping(database: Database) -> Sequence[object]:
    return database.read("SELECT FROM pg_stat_activity WHERE application_name = 'migrator' AND wait_event = 'PgSleep'")


def test_a_statement_that_takes_too_long_is_given_up_and_answered_in_time(
    environment: dict[str, str], table: Database, bucket: Bucket, folder: Path
) -> None:
    (folder / "9999_slow.sql").write_text("SELECT pg_sleep(600)")
    context = Context(ANSWER_SECONDS + 2)
    with variables(environment):
        handler(asked(bucket), context)
    assert context.get_remaining_time_in_millis() > 0
    assert "given up after 2 s, migrating." in refused(bucket)
    until(lambda: not sleeping(table))
    assert table.read("SELECT to_regclass($1::text)", f"{table.settings.table}_migrations") == [[None]]


@pytest.mark.parametrize("change", [{"DB_PORT": "1"}, {"DB_HOST": "name.invalid"}])
def test_a_database_that_never_comes_is_given_up_and_answered_in_time(
    environment: dict[str, str], bucket: Bucket, change: dict[str, str]
) -> None:
    deploy(environment | change, asked(bucket), ANSWER_SECONDS + 1)
    assert "given up after 1 s, waiting for the database (no connection" in refused(bucket)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One that may be killed."""
    server = PostgresServer(tmp_path_factory.mktemp("server") / "data", settings={"fsync": "off"})
    server.start()
    yield server
    server.stop()


def test_a_database_that_starts_late_is_waited_for(server: PostgresServer, bucket: Bucket) -> None:
    server.stop()
    with ThreadPoolExecutor() as threads:
        deployment = threads.submit(deploy, environment_of(server, server.database), asked(bucket))
        time.sleep(0.5)
        assert not deployment.done()
        server.start()
        assert deployment.result() == {"failure": None}


def test_a_database_that_is_killed_under_a_migration_is_waited_for_and_migrated(
    server: PostgresServer, bucket: Bucket, folder: Path
) -> None:
    environment = environment_of(server, server.database)
    (folder / "9999_slow.sql").write_text("SELECT pg_sleep(600)")
    watcher = connect(environment)
    with ThreadPoolExecutor() as threads:
        deployment = threads.submit(deploy, environment, asked(bucket))
        until(lambda: sleeping(watcher))
        (folder / "9999_slow.sql").write_text("SELECT 1")
        watcher.close()
        server.kill()
        server.start()
        assert deployment.result() == {"failure": None}
    assert bucket.answer["Status"] == "SUCCESS"
