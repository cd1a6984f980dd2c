"""`make deploy` up to the build, and after it: what is checked before anything is built, and the stack policies."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local import ROOT
from local.deploy.__main__ import main
from local.deploy.failure import DeployFailed
from local.deploy.preset import Preset, read_presets
from local.deploy.stack import Stack, policy
from local.tools.templates import template
from tests.support.aws import Account, account
from tests.support.cloudformation_api import CloudFormationApi

PRESET = next(iter(read_presets().values()))


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    with account() as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove what this machine has of AWS's settings."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def _nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: Any, **__: Any) -> None:
        raise AssertionError("a command was started")

    monkeypatch.setattr("local.deploy.__main__._run", started)


def set_variables(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def rejection(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the message of a deployment that is rejected before the build."""
    assert main(arguments) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("make deploy: ")
    return output.err


@pytest.mark.parametrize(
    ("name", "problem"),
    [("", "ENVIRONMENT is missing"), ("huge", "no such ENVIRONMENT"), ("default", "no such ENVIRONMENT")],
)
def test_an_environment_that_is_no_preset_is_rejected_with_the_presets(
    name: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    message = rejection(capsys, name)
    assert problem in message
    assert f"name one of {', '.join(read_presets())}." in message


def test_a_preset_has_the_options_of_all_commands_and_those_of_deploy(tmp_path: Path) -> None:
    config = tmp_path / "samconfig.toml"
    config.write_text(
        """version = 0.1
        [default.deploy.parameters]
        stack_name = "local"
        [one.global.parameters]
        stack_name = "first"
        parameter_overrides = ["Lake=true", "RetentionDays=60"]
        [one.deploy.parameters]
        region = "eu-west-1"
        profile = "work"
        [two.deploy.parameters]
        stack_name = "second"
        parameter_overrides = "Lake=true RetentionDays=60"
        [three.build.parameters]
        cached = true
        """,
        encoding="utf-8",
    )
    assert read_presets(config) == {
        "one": Preset("one", "first", "eu-west-1", "work", ("Lake=true", "RetentionDays=60")),
        "two": Preset("two", "second", None, None, ("Lake=true RetentionDays=60",)),
    }


def test_a_missing_region_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no region: set AWS_REGION" in rejection(capsys, PRESET.name)


def test_missing_credentials_are_reported_with_the_ways_to_them(capsys: pytest.CaptureFixture[str]) -> None:
    message = rejection(capsys, PRESET.name, "--region", "us-east-1")
    assert "no AWS credentials: run `aws configure`" in message


def test_an_unknown_profile_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    message = rejection(capsys, PRESET.name, "--region", "us-east-1", "--profile", "nobody")
    assert "The config profile (nobody) could not be found" in message


def test_an_address_that_does_not_respond_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], aws: Account
) -> None:
    set_variables(monkeypatch, aws.environment | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"})
    assert "there is no way to it (Could not connect to the endpoint URL" in rejection(capsys, PRESET.name)


def test_a_missing_python_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], aws: Account
) -> None:
    with CloudFormationApi(aws, PRESET.stack) as api:
        set_variables(monkeypatch, api.environment)
        monkeypatch.setattr("local.deploy.checks.finds_python", lambda: False)
        runtime = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
        assert f"sam build requires python{runtime} on PATH: install it" in rejection(capsys, PRESET.name)


@pytest.mark.parametrize(
    ("status", "way_out"),
    [
        ("ROLLBACK_COMPLETE", f"sam delete --stack-name {PRESET.stack} --region us-east-1"),
        ("ROLLBACK_FAILED", "remove the protection first: docs/operations.md, Taking it down"),
        ("UPDATE_ROLLBACK_FAILED", f"continue-update-rollback --stack-name {PRESET.stack} --region us-east-1"),
        ("UPDATE_IN_PROGRESS", "wait for its end"),
    ],
)
def test_a_stack_that_accepts_no_deployment_is_reported_before_the_build(
    status: str, way_out: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], aws: Account
) -> None:
    with CloudFormationApi(aws, PRESET.stack, status=status) as api:
        set_variables(monkeypatch, api.environment)
        message = rejection(capsys, PRESET.name)
    assert f"the stack {PRESET.stack} is {status}" in message
    assert way_out in message


def retention_preset(monkeypatch: pytest.MonkeyPatch, override: str) -> None:
    preset = Preset("own", PRESET.stack, None, None, ("Lake=true", override))
    monkeypatch.setattr("local.deploy.__main__.find_preset", lambda name: preset)


@pytest.mark.parametrize(
    ("deployed", "override"),
    [
        ("0", "RetentionDays=60"),
        ("90", "RetentionDays=60"),
        ("0", "ParameterKey=RetentionDays,ParameterValue=60"),
        ("0", "Network=none RetentionDays=60"),
    ],
)
def test_a_preset_that_would_delete_markets_of_the_stack_is_rejected_with_both_ways_out(
    deployed: str, override: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], aws: Account
) -> None:
    parameters = {"Lake": "true", "RetentionDays": deployed}
    retention_preset(monkeypatch, override)
    with CloudFormationApi(aws, PRESET.stack, status="UPDATE_COMPLETE", parameters=parameters) as api:
        set_variables(monkeypatch, api.environment)
        message = rejection(capsys, "own", "--parameter-overrides", "Lake=false")
    assert "delete every market that was settled more than 60 days ago" in message
    assert f"write RetentionDays={deployed} into the parameter_overrides of the preset in samconfig.toml" in message
    assert 'add ARGS="--parameter-overrides RetentionDays=60"' in message


@pytest.mark.parametrize(
    ("status", "deployed", "override", "added"),
    [
        ("UPDATE_COMPLETE", "0", "RetentionDays=60", ["--parameter-overrides", "RetentionDays=60"]),
        ("UPDATE_COMPLETE", "0", "RetentionDays=0", []),
        ("UPDATE_COMPLETE", "60", "RetentionDays=0", []),
        ("UPDATE_COMPLETE", "60", "RetentionDays=60", []),
        ("UPDATE_COMPLETE", "60", "RetentionDays=90", []),
        ("UPDATE_COMPLETE", "0", "Network=none", []),
        ("REVIEW_IN_PROGRESS", "0", "RetentionDays=60", []),
        (None, "0", "RetentionDays=60", []),
    ],
)
def test_a_retention_that_deletes_nothing_or_is_given_on_purpose_is_accepted(
    status: str | None, deployed: str, override: str, added: list[str], monkeypatch: pytest.MonkeyPatch, aws: Account
) -> None:
    retention_preset(monkeypatch, override)
    with CloudFormationApi(aws, PRESET.stack, status=status, parameters={"RetentionDays": deployed}) as api:
        set_variables(monkeypatch, api.environment)
        with pytest.raises(AssertionError, match="a command was started"):
            main(["own", *added])


def stack_of(api: CloudFormationApi) -> Stack:
    options = {name: api.environment[name.upper()] for name in ("aws_access_key_id", "aws_secret_access_key")}
    client = boto3.client("cloudformation", endpoint_url=api.address, region_name="us-east-1", **options)
    return Stack(client, PRESET.stack, "us-east-1")


def test_the_stack_and_its_nested_stack_keep_the_database(aws: Account) -> None:
    with CloudFormationApi(aws, PRESET.stack, status="UPDATE_COMPLETE") as api:
        assert stack_of(api).protect_database()
    assert api.stack.policies == {
        PRESET.stack: json.loads(policy("PostgreSQL")),
        api.stack.database: json.loads(policy("Instance")),
    }


def test_a_stack_with_an_existing_database_needs_no_policy(aws: Account) -> None:
    with CloudFormationApi(aws, PRESET.stack, status="UPDATE_COMPLETE", has_database=False) as api:
        assert not stack_of(api).protect_database()
    assert api.stack.policies == {}


def test_a_policy_that_cannot_be_set_is_no_success(aws: Account) -> None:
    loss = pytest.raises(DeployFailed, match=r"the next release may replace the database.*AccessDenied")
    with CloudFormationApi(aws, PRESET.stack, status="UPDATE_COMPLETE", rejects="SetStackPolicy") as api, loss:
        stack_of(api).protect_database()


@pytest.mark.parametrize(("path", "logical_id"), [("template.yaml", "PostgreSQL"), ("infra/database.yaml", "Instance")])
def test_a_policy_denies_the_loss_of_one_resource_and_nothing_else(path: str, logical_id: str) -> None:
    kind = template(path)["Resources"][logical_id]["Type"]
    assert kind in ("AWS::Serverless::Application", "AWS::RDS::DBInstance")
    allowed, denied = json.loads(policy(logical_id))["Statement"]
    assert allowed == {"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"}
    assert denied == {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["Update:Replace", "Update:Delete"],
        "Resource": f"LogicalResourceId/{logical_id}",
    }
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert denied in [json.loads(line) for line in page.splitlines() if line.startswith('{"Effect": "Deny"')]
