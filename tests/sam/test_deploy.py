"""`make deploy` with the SAM CLI, up to CloudFormation's answers: parameters, policies, failures, Ctrl+C."""

import os
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import yaml

from local import ROOT
from local.deploy.preset import Preset, read_presets
from local.deploy.stack import policy
from local.tools.templates import Loader, template
from tests.support.aws import Account, account
from tests.support.cloudformation_api import OUTPUTS, PREVIOUS, CloudFormationApi, create_artifact_bucket, sent_list
from tests.support.program import Program

PRESETS = read_presets()
FIRST = next(iter(PRESETS.values()))
SECONDS = 180.0
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
ALARMS = "AlarmEmail=somebody@example.com"


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    with account() as opened:
        create_artifact_bucket(opened)
        yield opened


def make_deploy(preset: Preset, api: CloudFormationApi, arguments: str = "", **variables: str) -> Program:
    """Start `make deploy` without any AWS setting of this machine, as by somebody who answers no question."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {**api.environment, "SAM_CLI_POLL_DELAY": "0.2", "AWS_CONFIG_FILE": os.devnull, **variables}
    arguments = f"--no-confirm-changeset {arguments}"
    command = ["make", "deploy", f"ENVIRONMENT={preset.name}", f"ARGS={arguments}"]
    return Program(command, folder=ROOT, environment=environment, seconds=SECONDS)


def configured(preset: Preset) -> dict[str, Any]:
    """Return the options that samconfig.toml has for `sam deploy`."""
    environment = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))[preset.name]
    tables = [environment.get(command, {}).get("parameters", {}) for command in ("global", "deploy")]
    return {name: value for table in tables for name, value in table.items()}


def pairs(items: list[str] | str) -> dict[str, str]:
    listed = items.split() if isinstance(items, str) else items
    return dict(item.split("=", 1) for item in listed)


def uploaded(aws: Account, url: str) -> Any:
    """Return the template in the bucket of the SAM CLI."""
    bucket, _, key = urlsplit(url).path.strip("/").partition("/")
    options = {name: aws.environment[name.upper()] for name in ("aws_access_key_id", "aws_secret_access_key")}
    s3 = boto3.client("s3", endpoint_url=aws.environment["AWS_ENDPOINT_URL"], region_name="us-east-1", **options)
    document = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.close()
    return yaml.load(document, Loader)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
def test_a_preset_reaches_cloudformation_as_it_is_and_its_database_is_protected(
    preset: Preset, aws: Account, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    with CloudFormationApi(aws, preset.stack) as api:
        program = make_deploy(preset, api, GITHUB_OUTPUT=str(results))
        assert program.wait() == 0, program.output
        [change_set] = api.stack.change_sets
    options = configured(preset)
    parameters = sent_list(change_set, "Parameters", "ParameterKey", "ParameterValue")
    assert parameters == pairs(options.get("parameter_overrides", []))
    assert parameters.keys() <= template()["Parameters"].keys()
    assert sent_list(change_set, "Tags", "Key", "Value") == pairs(options.get("tags", []))
    capabilities = [value for name, value in sorted(change_set.items()) if name.startswith("Capabilities.")]
    assert capabilities == ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    assert change_set["ChangeSetType"] == "CREATE"
    assert "RoleARN" not in change_set
    sent = uploaded(aws, change_set["TemplateURL"])
    assert sent["Resources"].keys() == template()["Resources"].keys()
    assert uploaded(aws, sent["Resources"]["PostgreSQL"]["Properties"]["Location"])["Resources"].keys() >= {"Instance"}
    assert api.stack.policies == {
        preset.stack: yaml.safe_load(policy("PostgreSQL")),
        api.stack.database: yaml.safe_load(policy("Instance")),
    }
    for name, value in OUTPUTS.items():
        program.wait_for_line(f"output +{name} +{value}")
    program.wait_for_line(f"next +make smoke URL={OUTPUTS['ApiAddress']}")
    assert results.read_text(encoding="utf-8") == f"address={OUTPUTS['ApiAddress']}\n"
    roles = [item for item in sent["Resources"].values() if item["Type"] == "AWS::IAM::Role"]
    assert [role for role in roles if "PermissionsBoundary" in role["Properties"]] == []


def test_a_release_keeps_every_parameter_that_the_preset_does_not_name_and_sets_the_policies_again(
    aws: Account,
) -> None:
    deployed = {name: str(parameter["Default"]) for name, parameter in template()["Parameters"].items()}
    stack = CloudFormationApi(
        aws, FIRST.stack, status="UPDATE_ROLLBACK_COMPLETE", result="UPDATE_COMPLETE", parameters=deployed
    )
    with stack as api:
        program = make_deploy(FIRST, api)
        assert program.wait() == 0, program.output
        [change_set] = api.stack.change_sets
    assert change_set["ChangeSetType"] == "UPDATE"
    parameters = sent_list(change_set, "Parameters", "ParameterKey", "ParameterValue")
    assert parameters == {**dict.fromkeys(deployed, PREVIOUS), **pairs(list(FIRST.parameters))}
    assert api.stack.policies.keys() == {FIRST.stack, api.stack.database}


def test_a_first_deployment_with_more_parameters_that_fails_says_how_to_remove_it(aws: Account) -> None:
    boundary = f"--permissions-boundary {BOUNDARY}"
    with CloudFormationApi(aws, FIRST.stack, result="ROLLBACK_COMPLETE") as api:
        program = make_deploy(FIRST, api, f"{boundary} --parameter-overrides {ALARMS} --tags owner=somebody")
        assert program.wait() == 2
        assert "the first deployment failed: the stack is ROLLBACK_COMPLETE" in program.output
        program.wait_for_line(rf"\.venv-sam/bin/sam delete --stack-name {FIRST.stack} --region us-east-1$")
        assert api.stack.policies == {}
        [change_set] = api.stack.change_sets
    parameters = sent_list(change_set, "Parameters", "ParameterKey", "ParameterValue")
    assert parameters == {**pairs(list(FIRST.parameters)), **pairs([ALARMS])}
    assert sent_list(change_set, "Tags", "Key", "Value") == {"owner": "somebody"}
    root = uploaded(aws, change_set["TemplateURL"])["Resources"]
    nested = uploaded(aws, root["PostgreSQL"]["Properties"]["Location"])["Resources"]
    roles = [item for item in (*root.values(), *nested.values()) if item["Type"] == "AWS::IAM::Role"]
    assert {role["Properties"]["PermissionsBoundary"] for role in roles} == {BOUNDARY}


def test_ctrl_c_ends_the_command_and_says_that_the_deployment_continues(aws: Account) -> None:
    with CloudFormationApi(aws, FIRST.stack) as api:
        api.finish.clear()
        program = make_deploy(FIRST, api)
        assert api.executed.wait(SECONDS), program.output
        os.killpg(program.process.pid, signal.SIGINT)
        assert program.wait() in (2, -signal.SIGINT)
        assert "A deployment that has started continues in CloudFormation" in program.output
        assert str(ROOT / "local") not in program.output, "no traceback of ours; the SAM CLI may print one"
        assert api.stack.policies == {}
