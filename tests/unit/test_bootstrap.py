"""The role of the deployment workflow: it can deploy the stack, and cannot do more than the stack."""

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from operator import eq
from typing import Any
from unittest import mock

import boto3
import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from moto import mock_aws
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel

from local import ROOT
from local.deploy.preset import read_presets
from local.tools.templates import template

ACCOUNT = "arn:aws:iam::123456789012"
BOUNDARY = f"{ACCOUNT}:policy/boundary-kalshi-markets"
PROVIDER = f"{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
REPOSITORY = {"Repository": "somebody/kalshi-markets"}
TRANSFORMED = {
    "AWS::Serverless::Function": (
        "AWS::Lambda::Function",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Scheduler::Schedule",
    ),
    "AWS::Serverless::LayerVersion": ("AWS::Lambda::LayerVersion",),
    "AWS::Serverless::Application": ("AWS::CloudFormation::Stack",),
}
"""Resource types that SAM's transform makes of its own."""
MANAGED = {
    "AWSLambdaENIManagementAccess": (
        *("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces"),
        *("ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
    ),
    "AmazonRDSEnhancedMonitoringRole": (
        *("logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:CreateLogStream", "logs:PutLogEvents"),
        *("logs:DescribeLogStreams", "logs:GetLogEvents"),
    ),
}
"""Actions of AWS's managed policies (docs.aws.amazon.com/aws-managed-policy)."""
UNUSED = (
    # of properties that the stack does not have: file systems, lakes of others, data stores, streams, instance profiles
    *("billing:*", "elasticfilesystem:*", "firehose:*", "lakeformation:*", "s3files:*", "s3tables:*", "vpc-lattice:*"),
    *(
        "ssm:*Association*",
        "vpce:*",
        "ec2:AcceptAddressTransfer",
        "ec2:AllocateIpamPoolCidr",
        "ec2:*IamInstanceProfile*",
    ),
    *("ec2:*Volume", "ec2:*VpnGateway", "ec2:ModifyPrivateDnsNameOptions", "lambda:AssociateRuntimeAlias"),
    *("lambda:*CodeSigningConfig", "lambda:PassCapacityProvider", "secretsmanager:*Region*", "iam:ListRoles"),
    *("glue:*Connection", "glue:GetSchemaVersion", "iam:DeleteRolePermissionsBoundary", "s3:getObject"),
    "s3:REST.PUT.OBJECT",  # a misprint of the schema of log groups
    "secretsmanager:GetSecretValue",  # no template resolves a secret
)


class OidcProvider(CloudFormationModel):
    """Identity provider, whose type moto's CloudFormation lacks."""

    def __init__(self, arn: str) -> None:
        self.physical_resource_id = arn

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], *_: Any, **__: Any
    ) -> "OidcProvider":
        iam, properties = boto3.client("iam", region_name="us-east-1"), cloudformation_json["Properties"]
        provider = iam.create_open_id_connect_provider(Url=properties["Url"], ClientIDList=properties["ClientIdList"])
        return cls(provider["OpenIDConnectProviderArn"])

    def is_created(self) -> bool:
        return True


def created(**parameters: str) -> dict[str, dict[str, Any]]:
    """Create the stack in moto and return each policy document of IAM, resolved, and the trust policy."""
    kind = "AWS::IAM::OIDCProvider"
    with (
        mock_aws(),
        mock.patch.dict(parsing.get_model_map(), {kind: OidcProvider}),
        mock.patch.dict(parsing.get_name_type_map(), {kind: ""}),
    ):
        cloudformation = boto3.client("cloudformation", region_name="us-east-1")
        cloudformation.create_stack(
            StackName="github-kalshi-markets",
            TemplateBody=json.dumps(template("infra/bootstrap.yaml")),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        [stack] = cloudformation.describe_stacks(StackName="github-kalshi-markets")["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        iam = boto3.client("iam", region_name="us-east-1")
        role = iam.get_role(RoleName=outputs["RoleArn"].rpartition("/")[2])["Role"]
        policies = {  # moto keeps them as Python writes dictionaries
            name: ast.literal_eval(iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"])
            for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        }
        boundary = iam.get_policy_version(PolicyArn=outputs["BoundaryArn"], VersionId="v1")["PolicyVersion"]["Document"]
        providers = [item["Arn"] for item in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    documents = {**policies, "boundary": boundary, "trust": role["AssumeRolePolicyDocument"]}
    return {**documents, "outputs": outputs, "providers": dict.fromkeys(providers)}


@cache
def default() -> dict[str, dict[str, Any]]:
    return created(**REPOSITORY)


def statements(*names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        yield from default()[name]["Statement"]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allows(action: str, *names: str) -> bool:
    granted = [
        pattern for item in statements(*names) if item["Effect"] == "Allow" for pattern in listed(item["Action"])
    ]
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in granted)


def resources() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield type and properties of each resource of the stack and of its nested stacks."""
    paths = {"template.yaml", *(f"infra/{path.name}" for path in (ROOT / "infra").glob("*.yaml"))}
    for path in sorted(paths - {"infra/bootstrap.yaml"}):
        for resource in template(path)["Resources"].values():
            for kind in TRANSFORMED.get(resource["Type"], (resource["Type"],)):
                yield kind, resource.get("Properties", {})


def strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from strings(item)
        case dict():
            for item in value.values():
                yield from strings(item)


def test_every_reference_is_resolved_and_the_outputs_are_the_variables_of_the_workflow() -> None:
    everything = default()
    assert [text for text in strings(everything) if "${" in text] == []
    assert everything["outputs"] == {
        "RoleArn": f"{ACCOUNT}:role/deploy-kalshi-markets",
        "BoundaryArn": BOUNDARY,
        "Region": "us-east-1",
    }
    workflow = (ROOT / ".github" / "workflows" / "deploy.yml").read_text(encoding="utf-8")
    described = [output["Description"] for output in template("infra/bootstrap.yaml")["Outputs"].values()]
    named = {name for text in described for name in re.findall(r"AWS_\w+", text)}
    assert named == set(re.findall(r"vars\.(AWS_\w+)", workflow))


@pytest.mark.parametrize("repository", ["somebody/kalshi-markets", "somebody@123456/kalshi-markets@456789"])
def test_only_the_environment_of_the_repository_is_trusted(repository: str) -> None:
    assert re.fullmatch(template("infra/bootstrap.yaml")["Parameters"]["Repository"]["AllowedPattern"], repository)
    [trust] = created(Repository=repository)["trust"]["Statement"]
    assert trust["Principal"] == {"Federated": PROVIDER}
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": f"repo:{repository}:environment:small",
        }
    }


@pytest.mark.parametrize("repository", ["somebody", "somebody@1/name", "some*/name", "somebody@*/name@*", "a/b:ref"])
def test_a_repository_without_an_exact_name_is_rejected(repository: str) -> None:
    pattern = template("infra/bootstrap.yaml")["Parameters"]["Repository"]["AllowedPattern"]
    assert not re.fullmatch(pattern, repository)


@pytest.mark.parametrize("name", ["deploy", "boundary", "ab", "Kalshi", "kalshi_markets", "kalshi-markets-of-europe"])
def test_a_name_that_would_cover_the_role_itself_or_be_shortened_is_rejected(name: str) -> None:
    pattern = template("infra/bootstrap.yaml")["Parameters"]["StackName"]["AllowedPattern"]
    assert not re.fullmatch(pattern, name)
    assert all(re.fullmatch(pattern, preset.stack) for preset in read_presets().values())
    assert re.fullmatch(pattern, "deploys")


def test_an_existing_provider_is_used() -> None:
    assert list(default()["providers"]) == [PROVIDER]
    other = created(**REPOSITORY, OidcProviderArn=f"{PROVIDER}-of-others")
    assert other["providers"] == {}
    assert other["trust"]["Statement"][0]["Principal"] == {"Federated": f"{PROVIDER}-of-others"}


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in resources()} - {"AWS::CloudFormation::CustomResource"}))
def test_the_role_has_every_right_that_cloudformation_needs_for_a_resource(kind: str) -> None:
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema["handlers"]
    needed = {action for name, handler in handlers.items() if name != "list" for action in handler["permissions"]}
    used = {action for action in needed if not any(fnmatchcase(action, pattern) for pattern in UNUSED)}
    assert sorted(action for action in used if not allows(action, "stack", "roles", "unnamed")) == []


def test_the_boundary_has_the_rights_of_the_roles_of_the_stack_and_no_other() -> None:
    roles = [properties for kind, properties in resources() if kind == "AWS::IAM::Role"]
    assert len(roles) >= 5
    granted = {name for name in set(strings(roles)) if re.fullmatch(r"[a-z0-9-]+:[A-Z][A-Za-z*]+", name)}
    arns = {text.rpartition("/")[2] for text in strings(roles) if ":policy/" in text}
    assert granted >= {"secretsmanager:GetSecretValue", "xray:PutTraceSegments", "sqs:SendMessage"}
    for arn in arns:
        granted |= set(MANAGED[arn])
    granted -= {"sts:AssumeRole"}  # of trust policies
    granted |= {"lambda:InvokeFunction"}  # of the role of the schedule, which SAM creates
    assert {action for item in statements("boundary") for action in listed(item["Action"])} == granted


def test_the_boundary_has_the_keys_of_every_service_that_the_roles_use_them_through() -> None:
    [keys] = [item for item in statements("boundary") if item["Sid"] == "Keys"]
    allowed = {service.partition(".")[0] for service in keys["Condition"]["StringEquals"]["kms:ViaService"]}
    queues = [properties for kind, properties in resources() if kind == "AWS::SQS::Queue"]
    roles = [properties for kind, properties in resources() if kind == "AWS::IAM::Role"]
    used = {match[1] for text in strings(roles) if (match := re.match(r"(\w+)\.\$\{AWS::Region\}", text))}
    used |= {"sqs" for queue in queues if "KmsMasterKeyId" in queue}
    assert used >= {"secretsmanager", "sqs"}
    assert allowed == used | {"lambda"}, "Lambda decrypts the variables of a function"


SECRETS = "arn:aws:secretsmanager:us-east-1:123456789012:secret"
DATABASES = "arn:aws:rds:us-east-1:123456789012:db"
STACK_TAG = "aws:cloudformation:stack-name"
DATABASE_TAG = "aws:rds:primaryDBInstanceArn"


@pytest.mark.parametrize(
    ("action", "name", "tags", "is_allowed"),
    [
        ("GetSecretValue", "ApiDatabaseSecret-1-AbCdEf", {STACK_TAG: "kalshi-markets"}, True),
        ("PutSecretValue", "ApiDatabaseSecret-1-AbCdEf", {STACK_TAG: "kalshi-markets"}, True),
        ("GetSecretValue", "ApiDatabaseSecret-2-AbCdEf", {STACK_TAG: "kalshi-markets-of-others"}, False),
        ("GetSecretValue", "ApiKeySecret-2-AbCdEf", {}, False),
        ("GetSecretValue", "rds!db-1-AbCdEf", {DATABASE_TAG: f"{DATABASES}:kalshi-markets-postgresql-1"}, True),
        ("PutSecretValue", "rds!db-1-AbCdEf", {DATABASE_TAG: f"{DATABASES}:kalshi-markets-postgresql-1"}, False),
        ("GetSecretValue", "rds!db-2-AbCdEf", {DATABASE_TAG: f"{DATABASES}:payroll"}, False),
        ("GetSecretValue", "kalshi-key-AbCdEf", {}, True),
        ("PutSecretValue", "kalshi-key-AbCdEf", {}, False),
        ("GetSecretValue", "rds!db-existing-AbCdEf", {}, True),
        ("GetSecretValue", "payroll-AbCdEf", {}, False),
    ],
)
def test_the_boundary_has_the_secrets_of_the_stack_and_those_that_it_names(
    action: str, name: str, tags: dict[str, str], is_allowed: bool
) -> None:
    boundary = created(**REPOSITORY, DatabaseSecretName="rds!db-existing")["boundary"]["Statement"]
    tests: dict[str, Callable[[str, str], bool]] = {"StringEquals": eq, "StringLike": fnmatchcase}
    granted = [
        item["Sid"]
        for item in boundary
        if f"secretsmanager:{action}" in listed(item["Action"])
        and any(fnmatchcase(f"{SECRETS}:{name}", pattern) for pattern in listed(item["Resource"]))
        and all(
            tests[operator](tags.get(key.removeprefix("aws:ResourceTag/"), ""), value)
            for operator, values in item.get("Condition", {}).items()
            for key, value in values.items()
        )
    ]
    assert bool(granted) == is_allowed, granted


def test_roles_are_created_and_changed_only_with_the_boundary_and_below_the_name_of_the_stack() -> None:
    for item in statements("stack", "roles", "unnamed"):
        actions = [
            action for action in listed(item["Action"]) if action.startswith("iam:") or "*" in action.split(":")[0]
        ]
        writes = {action for action in actions if re.match(r"iam:(Create|Put|Attach|Detach|DeleteRoleP)", action)}
        if writes - {"iam:CreateServiceLinkedRole"}:
            assert item["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}}
        if actions and writes != {"iam:CreateServiceLinkedRole"}:
            assert item["Resource"] == f"{ACCOUNT}:role/kalshi-markets-*"
    assert not fnmatchcase(default()["outputs"]["RoleArn"], f"{ACCOUNT}:role/kalshi-markets-*")
    for action in ("iam:CreatePolicyVersion", "iam:DeleteRolePermissionsBoundary", "iam:CreateUser", "sts:AssumeRole"):
        assert not allows(action, "stack", "roles", "unnamed")
        assert not allows(action, "boundary")


def test_a_right_over_every_name_is_one_through_cloudformation() -> None:
    wide = re.compile(r"arn:[^:]+:(?!ec2)[a-z]+:[^:]*:\d{12}:[a-z-]+/\*")
    for item in statements("stack"):
        if any(wide.fullmatch(resource) for resource in listed(item["Resource"])):
            assert item["Condition"] == {"ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"}}
            assert item["Action"] == "budgets:*"


def test_roles_are_passed_only_to_the_services_that_the_stack_uses() -> None:
    [passing] = [item for item in statements("roles") if item["Action"] == "iam:PassRole"]
    services = passing["Condition"]["StringEquals"]["iam:PassedToService"]
    trusted = {
        service
        for kind, properties in resources()
        if kind == "AWS::IAM::Role"
        for service in strings(properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"])
    }
    assert set(services) == trusted


def test_what_has_no_name_is_changed_only_through_cloudformation() -> None:
    reads = re.compile(r"\w+:(Describe\w*\*?|Get\w+|List\w+)|logs:\w+LogDelivery|logs:PutResourcePolicy")
    for item in statements("stack", "roles", "unnamed"):
        if "*" in listed(item["Resource"]) and item["Effect"] == "Allow":
            assert item["Condition"]["StringEquals"]["aws:RequestedRegion"] == "us-east-1"
            if not all(reads.fullmatch(action) for action in listed(item["Action"])):
                assert item["Condition"]["ForAnyValue:StringEquals"] == {
                    "aws:CalledVia": "cloudformation.amazonaws.com"
                }


def test_the_policies_are_within_the_limits_of_iam() -> None:
    sizes = {name: len(json.dumps(default()[name], separators=(",", ":"))) for name in ("stack", "roles", "unnamed")}
    assert sum(sizes.values()) <= 10_240
    assert len(json.dumps(default()["boundary"], separators=(",", ":"))) <= 6_144
