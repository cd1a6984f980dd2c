"""Migrator as CloudFormation's custom resource: every outcome sends a response before the timeout."""

import json
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kalshi_markets.database import Database, DatabaseUnavailable, LoginFailed
from local import PYTHON_PATH
from local.postgres import PostgresServer
from migrator import custom_resource
from migrator.custom_resource import RESPONSE_SECONDS, ResponseNotSent, send_response
from migrator.handler import handler
from migrator.migrate import FOLDER
from tests.support.api_client import Context, variables
from tests.support.cloudformation import STACK, ResponseBucket, custom_resource_event
from tests.support.database import connect, environment_of
from tests.support.waiting import wait_until

NAMES = sorted(path.name for path in FOLDER.glob("*.sql"))


@pytest.fixture
def bucket() -> Iterator[ResponseBucket]:
    with ResponseBucket(200) as bucket:
        yield bucket


def deploy(environment: Mapping[str, str], event: dict[str, Any], seconds: float = 60) -> dict[str, Any]:
    """Run one invocation."""
    with variables(environment):
        return handler(event, Context(seconds))


def failure_reason(bucket: ResponseBucket) -> str:
    """Return the reason of a FAILED response."""
    response = bucket.response
    assert response["Status"] == "FAILED"
    reason: str = response["Reason"]
    assert reason.endswith(" See its log, request request.")
    return reason


@pytest.fixture
def table(empty_database: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Database]:
    """Yield a database whose markets table has the test's name."""
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
    return [row[0] for row in table.query(f"SELECT name FROM {table.settings.table}_migrations ORDER BY name")]


def test_a_created_resource_has_a_stable_physical_id(
    environment: dict[str, str], table: Database, bucket: ResponseBucket
) -> None:
    assert deploy(environment, custom_resource_event(bucket)) == {"failure": None}
    assert bucket.response == {
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
    environment: dict[str, str], bucket: ResponseBucket, kind: str
) -> None:
    deploy(environment, custom_resource_event(bucket, kind, PhysicalResourceId="of an older version"))
    assert bucket.response["PhysicalResourceId"] == "of an older version"


def test_a_delete_needs_no_database_and_leaves_it_as_it_is(
    environment: dict[str, str], table: Database, bucket: ResponseBucket
) -> None:
    deploy(environment, {})
    deploy({"DB_HOST": "", "DB_PORT": "nonsense"}, custom_resource_event(bucket, "Delete"))
    assert bucket.response["Status"] == "SUCCESS"
    assert applied(table) == NAMES


def test_a_migration_error_is_reported_with_its_own_message(
    environment: dict[str, str], table: Database, bucket: ResponseBucket
) -> None:
    table.execute_script(f"CREATE TABLE {table.settings.table} (id integer)")
    deploy(environment, custom_resource_event(bucket, "Update"))
    assert "exists and has no ticker column or is not a table" in failure_reason(bucket)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"DB_HOST": ""}, "DB_HOST is not set."),
        ({"API_DB_USER": "api"}, "API_DB_PASSWORD is not set."),
        ({"DB_NAME": "nowhere"}, 'database "nowhere" does not exist'),
        ({"DB_PASSWORD": "not-this-one"}, "password authentication failed"),
    ],
)
def test_permanent_errors_are_reported_without_waiting(
    environment: dict[str, str], bucket: ResponseBucket, change: dict[str, str], message: str
) -> None:
    deploy(environment | change, custom_resource_event(bucket))
    assert message in failure_reason(bucket)
    assert "stopped after" not in failure_reason(bucket)


def test_a_missing_package_is_reported(bucket: ResponseBucket) -> None:
    program = f"""
import json, sys, types
sys.path.insert(0, {PYTHON_PATH[0]!r})
from migrator.handler import handler
handler(json.loads(sys.argv[1]), types.SimpleNamespace(aws_request_id="request"))
"""
    # Without site-packages.
    subprocess.run([sys.executable, "-I", "-S", "-c", program, json.dumps(custom_resource_event(bucket))], check=True)
    assert failure_reason(bucket).startswith("No module named 'aws_lambda_powertools'")


def test_an_unexpected_error_is_reported_by_its_type_only(
    environment: dict[str, str],
    bucket: ResponseBucket,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("what may be a secret")

    monkeypatch.setattr("migrator.run.migrate", fail)
    with caplog.at_level(logging.ERROR):
        deploy(environment, custom_resource_event(bucket))
    assert failure_reason(bucket).startswith("the migrator failed: KeyError.")
    assert "in fail" in caplog.text


def test_an_answer_that_is_lost_is_given_again(environment: dict[str, str]) -> None:
    with ResponseBucket(500, 200) as bucket:
        deploy(environment, custom_resource_event(bucket))
    assert len(bucket.bodies) == 2
    assert bucket.bodies[0] == bucket.bodies[1]


def test_the_invocation_fails_and_may_be_retried_when_no_response_can_be_sent(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_resource, "_PAUSES", (0, 0))
    with ResponseBucket(500, 500, 200) as bucket:
        with pytest.raises(ResponseNotSent, match="returned 500"):
            deploy(environment, custom_resource_event(bucket))
        deploy(environment, custom_resource_event(bucket))
    assert len(bucket.bodies) == 3
    with pytest.raises(ResponseNotSent, match="ConnectionRefusedError"):
        deploy(environment, custom_resource_event(bucket) | {"ResponseURL": "http://127.0.0.1:1/answer?a=b"})


@pytest.mark.parametrize("character", ["x", "\x00", "\U0001f600", "\ud800", '"'])
def test_no_answer_is_larger_than_cloudformation_takes(bucket: ResponseBucket, character: str) -> None:
    largest = {"PhysicalResourceId": "p" * 1024, "LogicalResourceId": "l" * 255, "StackId": f"{STACK[:-36]}{'s' * 60}"}
    send_response(custom_resource_event(bucket) | largest, character * 5000)
    assert bucket.response["Status"] == "FAILED"


def test_all_attempts_to_respond_fit_into_the_reserved_time() -> None:
    pauses = custom_resource._PAUSES
    assert sum(pauses) + len(pauses) * custom_resource._ATTEMPT_SECONDS <= RESPONSE_SECONDS


def test_a_manual_invocation_returns_or_raises_without_waiting(environment: dict[str, str]) -> None:
    assert deploy(environment, {}) == {"applied": NAMES, "table": environment["MARKETS_TABLE"]}
    assert deploy(environment, {"any": "event"})["applied"] == []
    with pytest.raises(DatabaseUnavailable):
        deploy(environment | {"DB_PORT": "1"}, {})
    with pytest.raises(LoginFailed):
        deploy(environment | {"DB_PASSWORD": "not-this-one"}, {})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a folder with the migrations, to which a test may add."""
    for name in NAMES:
        (tmp_path / name).write_text((FOLDER / name).read_text())
    monkeypatch.setattr("migrator.migrate.FOLDER", tmp_path)
    return tmp_path


def sleeping(database: Database) -> Sequence[object]:
    return database.query("SELECT FROM pg_stat_activity WHERE application_name = 'migrator' AND wait_event = 'PgSleep'")


def test_a_statement_that_takes_too_long_is_given_up_and_answered_in_time(
    environment: dict[str, str], table: Database, bucket: ResponseBucket, folder: Path
) -> None:
    (folder / "9999_slow.sql").write_text("SELECT pg_sleep(600)")
    context = Context(RESPONSE_SECONDS + 5)
    with variables(environment):
        handler(custom_resource_event(bucket), context)
    assert context.get_remaining_time_in_millis() > 0
    assert "stopped after 5 s, migrating." in failure_reason(bucket)
    wait_until(lambda: not sleeping(table))
    assert table.query("SELECT to_regclass($1::text)", f"{table.settings.table}_migrations") == [[None]]


@pytest.mark.parametrize("change", [{"DB_PORT": "1"}, {"DB_HOST": "name.invalid"}])
def test_a_database_that_never_comes_is_given_up_and_answered_in_time(
    environment: dict[str, str], bucket: ResponseBucket, change: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def resolve_at_once(host: str, *others: Any) -> Any:
        if host == "name.invalid":  # without a network, its lookup may take longer than the deadline
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *others)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_at_once)
    deploy(environment | change, custom_resource_event(bucket), RESPONSE_SECONDS + 3)
    assert "stopped after 3 s, waiting for the database (cannot connect" in failure_reason(bucket)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Run a PostgreSQL server that the test may kill."""
    server = PostgresServer(tmp_path_factory.mktemp("server") / "data", settings={"fsync": "off"})
    server.start()
    yield server
    server.stop()


def test_a_database_that_starts_late_is_waited_for(
    server: PostgresServer, bucket: ResponseBucket, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    with caplog.at_level(logging.INFO), ThreadPoolExecutor() as threads:
        deployment = threads.submit(deploy, environment_of(server, server.database), custom_resource_event(bucket))
        wait_until(lambda: "waiting for the database" in caplog.text)
        assert not deployment.done()
        server.start()
        assert deployment.result() == {"failure": None}


def test_a_database_that_is_killed_under_a_migration_is_waited_for_and_migrated(
    server: PostgresServer, bucket: ResponseBucket, folder: Path
) -> None:
    environment = environment_of(server, server.database)
    (folder / "9999_slow.sql").write_text("SELECT pg_sleep(600)")
    watcher = connect(environment)
    with ThreadPoolExecutor() as threads:
        deployment = threads.submit(deploy, environment, custom_resource_event(bucket))
        wait_until(lambda: sleeping(watcher))
        (folder / "9999_slow.sql").write_text("SELECT 1")
        watcher.close()
        server.kill()
        server.start()
        assert deployment.result() == {"failure": None}
    assert bucket.response["Status"] == "SUCCESS"
