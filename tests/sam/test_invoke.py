"""`sam local invoke` of each function, and the errors of failed invocations."""

from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal

from local.lambda_runtime.lambda_errors import FunctionError, FunctionTimeout
from local.sam.cli import ARCHITECTURE, RUNTIME, Sam, SamFailed
from local.sam.host import Host
from migrator.migrate import FOLDER
from tests.sam.conftest import Functions
from tests.support.cloudformation import ResponseBucket
from tests.support.database import connect, environment_of


def test_the_migrator_applies_every_migration_and_then_none(functions: Functions, applied: list[str]) -> None:
    assert applied == sorted(path.name for path in FOLDER.glob("*.sql"))
    assert functions.invoke("MigratorFunction", "schedule")["applied"] == []


@pytest.mark.parametrize("kind", ["create", "update", "delete"])
def test_cloudformation_is_answered(functions: Functions, host: Host, applied: list[str], kind: str) -> None:
    with ResponseBucket(200, host=host.address) as bucket:
        assert functions.invoke("MigratorFunction", f"migrations-{kind}", ResponseURL=bucket.url) == {"failure": None}
    assert bucket.response["Status"] == "SUCCESS"
    assert bucket.response["LogicalResourceId"] == "Migrations"


def test_a_scheduled_event_fills_the_table(crawled: dict[str, Any]) -> None:
    assert crawled["outcome"] == "idle"
    assert crawled["errors"] == {}
    assert crawled["added"] == crawled["table_size"] > 250


def test_the_functions_log_in_as_the_roles_that_the_secrets_name(host: Host, crawled: dict[str, Any]) -> None:
    database = connect(environment_of(host.postgres, host.postgres.database))
    roles = database.query("SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'kalshi%' AND rolcanlogin ORDER BY 1")
    database.close()
    assert roles == [["kalshi_api"], ["kalshi_crawler"]]


def test_no_secret_is_logged(functions: Functions, host: Host, crawled: dict[str, Any]) -> None:
    log = "\n".join(functions.lines)
    assert "run ended" in log
    assert host.postgres.password not in log


def test_the_api_answers_an_event_of_api_gateway(functions: Functions, crawled: dict[str, Any]) -> None:
    answer = functions.invoke("ApiFunction", "get-markets")
    assert answer["statusCode"] == 200
    assert answer["headers"]["content-type"] == "application/json"


TEMPLATE = f"""
Transform: AWS::Serverless-2016-10-31
Resources:
  Failing:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Handler: app.handler
      Runtime: {RUNTIME}
      Architectures: [{ARCHITECTURE}]
      Timeout: 10
"""
BAD = """
import time

def handler(event, context):
    if event.get("sleep"):
        time.sleep(60)
    raise ValueError("no good")
"""


@pytest.fixture
def failing(sam: Sam, tmp_path: Path) -> Sam:
    """Return the SAM CLI with a function that sleeps or raises."""
    (tmp_path / "app.py").write_text(BAD)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return Sam(folder=tmp_path)


def test_a_timeout_and_an_error_of_the_handler_are_distinguished(portal: BlockingPortal, failing: Sam) -> None:
    with pytest.raises(FunctionTimeout, match="timed out after 10 seconds"):
        portal.call(failing.invoke, "Failing", b'{"sleep": true}', print)
    with pytest.raises(FunctionError) as raised:
        portal.call(failing.invoke, "Failing", b"{}", print)
    assert (raised.value.error_type, raised.value.message) == ("ValueError", "no good")


def test_an_unknown_function_is_reported_with_the_clis_message(portal: BlockingPortal, failing: Sam) -> None:
    with pytest.raises(SamFailed, match="Nosuch"):
        portal.call(failing.invoke, "Nosuch", b"{}", print)
