"""Each function's role grants exactly the calls that the function makes."""

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.lambda_runtime.events import HttpRequest, scheduled_event
from local.lambda_runtime.lambda_errors import FunctionError
from local.tools.templates import template
from tests.support.aws import Account
from tests.support.aws_proxy import AwsProxy
from tests.support.sandboxes import Sandboxes, sandboxes
from tests.unit.test_signing import ED25519

RESOURCES = template()["Resources"]
SHARED = template()["Globals"]["Function"]["Environment"]["Variables"]

BY_AWS = {
    "ec2:DescribeSubnets": "Lambda attaches the function to a VPC with its role",
    "kms:Decrypt": "Secrets Manager and Lambda decrypt in the name of the function, where the key is one of the account's",
    "kms:GenerateDataKey": "Secrets Manager encrypts a new password in the name of the function, where the key is one of the account's",
    "logs:CreateLogStream": "Lambda writes the log with the function's role",
    "logs:PutLogEvents": "Lambda writes the log with the function's role",
    "sqs:SendMessage": "Lambda sends events that failed with the function's role",
    "xray:PutTelemetryRecords": "Lambda traces with the function's role",
    "xray:PutTraceSegments": "Lambda traces with the function's role",
}
"""Calls that AWS makes as the function, outside its code."""
OF_ROTATIONS = tuple(
    f"secretsmanager:{name}"
    for name in ("GetSecretValue", "DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage")
)
"""Calls of the migrator for the secrets of the roles."""
OF_THE_LAKE = ("s3:GetObject", "s3:ListBucket", "s3:PutObject")
"""Calls of the crawler with a lake."""
MANAGED = "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaENIManagementAccess"
"""Policy with which Lambda attaches the function to a VPC."""
WITHOUT_ARN = {"ec2:DescribeSubnets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"}
"""Actions without resource types (docs.aws.amazon.com/service-authorization/latest/reference)."""
ANY_KEY = {"Fn::Sub": "arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/*"}
"""Keys of the function's secrets. A condition names the secrets: tests/integration/test_stack.py."""


def variables_of(function: str) -> dict[str, Any]:
    """Return a function's variables that name a secret, with their values in the template."""
    own = RESOURCES[f"{function.title()}Function"]["Properties"]["Environment"]["Variables"]
    return {name: value for name, value in (SHARED | own).items() if name.endswith("_SECRET_ARN")}


def statements_of(function: str) -> list[tuple[str, Any]]:
    """Return each action that the function's role grants, with each resource as the template names it."""
    [policy] = RESOURCES[f"{function.title()}Role"]["Properties"]["Policies"]
    statements = []
    for statement in policy["PolicyDocument"]["Statement"]:
        granted = statement["Fn::If"][1] if "Fn::If" in statement else statement
        assert granted["Effect"] == "Allow"
        for action in listed(granted["Action"]):
            statements += [(action, resource) for resource in listed(granted["Resource"])]
    return statements


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.fixture
def functions(environment: dict[str, str]) -> Iterator[Sandboxes]:
    with sandboxes([environment["DB_PASSWORD"], ED25519.splitlines()[1]]) as functions:
        yield functions


@pytest.fixture(scope="module")
def exchange() -> Iterator[str]:
    with ExchangeServer(generate(7, 50, Clock(speed=0))) as server:
        yield server.url


@pytest.fixture
def arns(account: Account, environment: dict[str, str]) -> dict[str, str]:
    """Create a secret for each variable that names one."""
    secrets = {
        "DB_SECRET_ARN": {"username": environment["DB_USER"], "password": environment["DB_PASSWORD"]},
        "API_DB_SECRET_ARN": {"username": "called_by_api", "password": "a"},
        "CRAWLER_DB_SECRET_ARN": {"username": "called_by_crawler", "password": "c"},
        "KALSHI_SECRET_ARN": {"key_id": "unknown", "private_key": ED25519},
    }
    return {name: account.create_secret(secret) for name, secret in secrets.items()}


def work(function: str, functions: Sandboxes, environment: dict[str, str]) -> None:
    """Trigger every AWS call of a function from a cold start. The exchange rejects its key."""
    started = functions.start(function, environment)
    match function:
        case "api":
            started.get("/markets")
            started.request(HttpRequest("POST", "/markets/candlesticks", body=json.dumps({"tickers": ["A"]}).encode()))
        case "crawler":
            started(scheduled_event())
        case "migrator":
            started({})
            for name in ("API_DB_SECRET_ARN", "CRAWLER_DB_SECRET_ARN"):
                rotation = {"SecretId": environment[name], "ClientRequestToken": str(uuid.uuid4())}
                for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
                    started(rotation | {"Step": step})


@pytest.mark.parametrize("function", ["api", "crawler", "migrator"])
def test_a_role_grants_what_its_function_calls_and_no_more(
    functions: Sandboxes,
    account: Account,
    aws_proxy: AwsProxy,
    environment: dict[str, str],
    arns: dict[str, str],
    exchange: str,
    function: str,
) -> None:
    variables = {name: arns[name] for name in variables_of(function)}
    secrets = {arn: variables_of(function)[name] for name, arn in variables.items()}
    function_environment = (
        environment | aws_proxy.environment | {"EXCHANGE_URL": exchange, "DB_SSLMODE": "disable"} | variables
    )
    work(function, functions, function_environment)
    account.rotate(arns["DB_SECRET_ARN"], {"username": environment["DB_USER"], "password": "wrong"})
    with suppress(FunctionError):  # the database rejects the password
        work(function, functions, function_environment)
    called = [(action, secrets[arn]) for action, arn in aws_proxy.calls]
    # The statements about the lake exist only with it: tests/integration/test_lake_s3.py.
    own = [grant for grant in statements_of(function) if not grant[0].startswith("s3:")]
    granted = [(action, resource) for action, resource in own if action not in BY_AWS]
    assert [call for call in called if call not in granted] == []
    assert [grant for grant in granted if grant not in called] == []


@pytest.mark.parametrize("function", ["api", "crawler", "migrator"])
def test_no_statement_is_wider_than_it_need_be(function: str) -> None:
    for action, resource in statements_of(function):
        assert "*" not in action
        # Objects of the lake are named by their prefixes, which end with a slash.
        is_prefix = action in OF_THE_LAKE or (action in ("kms:Decrypt", "kms:GenerateDataKey") and resource == ANY_KEY)
        name = json.dumps(resource).replace('/*"', '"') if is_prefix else json.dumps(resource)
        assert ("*" in name) == (action in WITHOUT_ARN), action
    known = {*BY_AWS, "secretsmanager:GetSecretValue", *(OF_ROTATIONS if function == "migrator" else OF_THE_LAKE)}
    assert {action for action, _ in statements_of(function)} <= known
    attached = RESOURCES[f"{function.title()}Role"]["Properties"]["ManagedPolicyArns"]
    assert attached == [{"Fn::If": ["HasVpc", {"Fn::Sub": MANAGED}, {"Ref": "AWS::NoValue"}]}]
