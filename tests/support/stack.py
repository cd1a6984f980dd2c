"""The deployed stack: SAM's transform, then CloudFormation as emulated by moto.

moto creates the resources that it supports. It does not support some resource types, and supports the outputs of
nested stacks only in part. For these it is patched to record every property, resolved as by CloudFormation.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import islice
from typing import Any, Final
from unittest import mock

import boto3
from moto import mock_aws
from moto.cloudformation import parsing
from moto.cloudformation.models import Stack
from moto.core.common_models import CloudFormationModel
from moto.ec2.models.vpcs import VPC
from moto.rds.models import DBInstance, DBParameterGroup
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local.tools.templates import template

BUCKET: Final = "artifacts"
AWS: Final = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
UNKNOWN_TO_MOTO: Final = (
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::Athena::NamedQuery",
    "AWS::Athena::WorkGroup",
    "AWS::Budgets::Budget",
    "AWS::CloudFormation::CustomResource",
    "AWS::CloudWatch::Alarm",
    "AWS::EC2::EgressOnlyInternetGateway",
    "AWS::EC2::Instance",  # supported, but not with a launch template
    "AWS::EC2::Route",  # supported, but not with an egress-only gateway
    "AWS::EC2::VPCCidrBlock",
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",  # supported, but not for an alias
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
    "AWS::SecretsManager::RotationSchedule",
    "AWS::SecretsManager::Secret",
)


@dataclass
class Deployed:
    """Result of a deployment.

    resources: type and resolved properties, by stack and logical id.
    outputs: outputs of the root stack.
    """

    resources: dict[tuple[str, str], tuple[str, dict[str, Any]]] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Return the properties of the only resource with this logical id in any stack."""
        [properties] = [candidate for (_, name), (_, candidate) in self.resources.items() if name == logical_id]
        return properties

    def names(self) -> set[str]:
        """Return the logical ids of all resources."""
        return {name for _, name in self.resources}


class _RecordedResource(CloudFormationModel):
    """Resource of a type that moto does not support."""

    def __init__(self, name: str) -> None:
        self.physical_resource_id = f"arn:aws:stand-in:us-east-1:123456789012:{name}"

    @classmethod
    def create_from_cloudformation_json(cls, resource_name: str, *_: Any, **__: Any) -> "_RecordedResource":
        return cls(resource_name)

    def is_created(self) -> bool:
        return True

    def get_cfn_attribute(self, name: str) -> str:
        return f"{self.physical_resource_id}/{name}"


@contextmanager
def deployed(**parameters: str) -> Iterator[Deployed]:
    """Deploy the whole stack with these parameters. The account's services exist while the context is open.

    {vpc}, {subnets} and {group} in a parameter stand for an existing network.
    """
    deployment = Deployed()
    with ExitStack() as context:
        context.enter_context(mock.patch.dict("os.environ", AWS))
        context.enter_context(mock_aws())
        for patch in _patched_moto(deployment):
            context.enter_context(patch)
        network = _network()
        parameters = {name: value.format(**network) for name, value in parameters.items()}
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(
            StackName="kalshi",
            TemplateBody=json.dumps(_transformed(parameters)),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        [stack] = cloudformation.describe_stacks(StackName="kalshi")["Stacks"]
        deployment.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        yield deployment


def _network() -> dict[str, str]:
    ec2 = boto3.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="functions", Description="functions", VpcId=vpc)["GroupId"]
    return {"vpc": vpc, "subnets": ",".join(subnets), "group": group}


def _transformed(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the root template after the transform. Code and nested templates are in a bucket, as by `sam package`."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("code.py", "")
    s3.put_object(Bucket=BUCKET, Key="code.zip", Body=code.getvalue())
    root = _with_texts("template.yaml")
    root["Globals"]["Function"]["CodeUri"] = f"s3://{BUCKET}/code.zip"
    for resource in root["Resources"].values():
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = f"s3://{BUCKET}/code.zip"
        if resource["Type"] == "AWS::Serverless::Application":
            location = resource["Properties"]["Location"]
            s3.put_object(Bucket=BUCKET, Key=location, Body=json.dumps(_with_texts(location)).encode())
            resource["Properties"]["Location"] = f"https://s3.us-east-1.amazonaws.com/{BUCKET}/{location}"
    values = {name: parameter["Default"] for name, parameter in root["Parameters"].items()} | dict(parameters)
    transformed: dict[str, Any] = Translator({}, Parser()).translate(root, values)
    return transformed


def _with_texts(name: str) -> dict[str, Any]:
    """Return a template whose parameters are texts: a reference to a number is one in CloudFormation, not in moto."""
    document = template(name)
    for parameter in document["Parameters"].values():
        if parameter["Type"] == "Number":
            parameter["Type"] = "String"
        if "Default" in parameter:
            parameter["Default"] = str(parameter["Default"])
    return document


def _patched_moto(deployment: Deployed) -> Iterator[Any]:
    parse = parsing.parse_resource

    def parse_and_record(resource: dict[str, Any], resources: Any) -> Any:
        parsed = parse(resource, resources)
        name = next(name for name, other in resources._resource_json_map.items() if other is resource)
        deployment.resources[resources["AWS::StackName"], name] = (resource["Type"], parsed[1]["Properties"])
        return parsed

    clean = parsing.clean_json

    def clean_completely(value: Any, resources: Any) -> Any:
        if isinstance(value, dict) and "Fn::Cidr" in value:
            block, count, bits = clean_completely(value["Fn::Cidr"], resources)
            subnets = ip_network(block).subnets(new_prefix=ip_network(block).max_prefixlen - int(bits))
            return [str(subnet) for subnet in islice(subnets, int(count))]
        if isinstance(value, dict) and len(value.get("Fn::GetAtt", "")) > 2:
            # moto splits ${Stack.Outputs.Name} at each dot.
            name, *attribute = value["Fn::GetAtt"]
            value = {"Fn::GetAtt": [name, ".".join(attribute)]}
        cleaned = clean(value, resources)
        # AWS::NoValue removes an item; moto leaves a None for it in lists.
        return [item for item in cleaned if item is not None] if isinstance(cleaned, list) else cleaned

    yield mock.patch.object(parsing, "parse_resource", parse_and_record)
    yield mock.patch.object(parsing, "clean_json", clean_completely)
    yield mock.patch.dict(parsing.get_model_map(), dict.fromkeys(UNKNOWN_TO_MOTO, _RecordedResource))
    yield mock.patch.dict(parsing.get_name_type_map(), dict.fromkeys(UNKNOWN_TO_MOTO, ""))
    yield mock.patch.object(Stack, "get_cfn_attribute", _output, create=True)
    yield mock.patch.object(DBParameterGroup, "physical_resource_id", property(lambda group: group.name), create=True)
    yield _attribute(VPC, "Ipv6CidrBlocks", ["2001:db8::/56"])
    yield _attribute(
        DBInstance, "MasterUserSecret.SecretArn", "arn:aws:secretsmanager:us-east-1:123456789012:secret:master"
    )


def _output(stack: Stack, name: str) -> str:
    kind, key = name.split(".", 1)
    assert kind == "Outputs"
    output = stack.output_map[key]
    assert output, f"the stack {stack.name} has no output {key}"
    return str(output.value)


def _attribute(model: Any, name: str, value: object) -> Any:
    """Return a patch that adds an attribute to one of moto's models."""
    known, get = model.has_cfn_attr, getattr(model, "get_cfn_attribute", None)

    def has(attribute: str) -> bool:
        return attribute == name or known(attribute)

    def attribute_of(self: Any, attribute: str) -> Any:
        return value if attribute == name else get(self, attribute)  # type: ignore[misc]  # called only if it exists

    return mock.patch.multiple(model, create=True, has_cfn_attr=staticmethod(has), get_cfn_attribute=attribute_of)


ROLES: Final = ("ApiRole", "CrawlerRole", "MigratorRole")
"""Logical ids of the roles that reach the database."""


def statements(stack: Deployed, role: str) -> dict[str, dict[str, Any]]:
    """Return the statements of a role's policy by their ids."""
    [policy] = stack.properties(role)["Policies"]
    return {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}
