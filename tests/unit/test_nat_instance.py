"""Replacement of the NAT instance: by a change of it, never by a release of Amazon Linux."""

from typing import Any

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from local.tools.templates import template

NETWORK = template("infra/network.yaml")
INSTANCE: dict[str, Any] = NETWORK["Resources"]["NatInstance"]["Properties"]
LAUNCH: dict[str, Any] = NETWORK["Resources"]["NatTemplate"]["Properties"]["LaunchTemplateData"]


def replacing(kind: str) -> set[str]:
    """Return the properties whose change makes CloudFormation replace a resource, by CloudFormation's own schema."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return {path.removeprefix("/properties/") for path in schema["createOnlyProperties"]}


def test_each_version_of_the_launch_template_is_another_instance() -> None:
    assert "LaunchTemplate" in replacing("AWS::EC2::Instance")
    assert INSTANCE["LaunchTemplate"] == {
        "LaunchTemplateId": {"Ref": "NatTemplate"},
        "Version": {"Fn::GetAtt": ["NatTemplate", "LatestVersionNumber"]},
    }
    # A change of script, type or network is a new version of the same template.
    assert replacing("AWS::EC2::LaunchTemplate") == {"LaunchTemplateName"}
    assert {"ImageId", "InstanceType", "NetworkInterfaces", "UserData"} <= LAUNCH.keys()
    assert INSTANCE.keys() == {"LaunchTemplate", "SourceDestCheck", "Tags"}


def test_a_newer_image_changes_nothing_in_the_stack() -> None:
    # EC2 resolves it at launch; CloudFormation's own {{resolve:ssm:...}} would at each update.
    assert LAUNCH["ImageId"].startswith("resolve:ssm:/aws/service/ami-amazon-linux-latest/")
    assert {parameter["Type"] for parameter in NETWORK["Parameters"].values()} == {"String"}


def test_the_route_follows_the_instance_without_a_gap() -> None:
    """CloudFormation creates the new instance and waits for its signal, then changes the route, then deletes the old one."""
    assert NETWORK["Resources"]["PrivateRoute"]["Properties"]["InstanceId"]["Fn::If"][1] == {"Ref": "NatInstance"}
    assert "InstanceId" not in replacing("AWS::EC2::Route")
    assert NETWORK["Resources"]["NatInstance"]["CreationPolicy"]["ResourceSignal"] == {"Timeout": "PT10M"}
    script = LAUNCH["UserData"]["Fn::Base64"]["Fn::Sub"]
    assert script.startswith("#!/bin/bash\n")
    assert "--resource NatInstance " in script


def test_the_image_is_of_the_types_architecture() -> None:
    types = template()["Parameters"]["NatInstanceType"]["AllowedValues"]
    assert LAUNCH["ImageId"].endswith("-arm64")
    assert all(name.startswith("t4g.") for name in types)
