"""The stack with every parameter's default, on moto. One deployment serves all tests of the file."""

import re
from collections.abc import Iterator

import boto3
import pytest
from cryptography import x509

from kalshi_markets.tls import RDS_AUTHORITIES
from local.tools.templates import template
from tests.support.stack import ROLES, Deployed, deployed, statements


@pytest.fixture(scope="module")
def default_stack() -> Iterator[Deployed]:
    """Yield the stack with every parameter's default."""
    with deployed() as stack:
        yield stack


def test_a_first_deployment_is_private_and_encrypted_and_leaves_a_snapshot(default_stack: Deployed) -> None:
    [database] = boto3.client("rds").describe_db_instances()["DBInstances"]
    assert database["StorageEncrypted"]
    assert not database["PubliclyAccessible"]
    properties = default_stack.properties("Instance")
    instance = template("infra/database.yaml")["Resources"]["Instance"]
    assert instance["DeletionPolicy"] == instance["UpdateReplacePolicy"] == "Snapshot"
    assert properties["ManageMasterUserPassword"]
    assert "MasterUserPassword" not in properties
    for group in boto3.client("ec2").describe_security_groups()["SecurityGroups"]:
        ip_ranges = [ip_range for permission in group["IpPermissions"] for ip_range in permission["IpRanges"]]
        assert ip_ranges == []  # only from other security groups
    for name in ("ApiFunction", "CrawlerFunction", "MigratorFunction"):
        variables = default_stack.properties(name)["Environment"]["Variables"]
        assert variables["DB_HOST"] == database["Endpoint"]["Address"]
        assert variables["DB_SSLMODE"] == "verify-full"
        assert default_stack.properties(name)["VpcConfig"]["SubnetIds"]


def test_each_function_has_a_role_and_a_secret_of_its_own(default_stack: Deployed) -> None:
    names = ("ApiFunction", "CrawlerFunction", "MigratorFunction")
    roles = {default_stack.properties(name)["Role"] for name in names}
    secrets = {default_stack.properties(name)["Environment"]["Variables"]["DB_SECRET_ARN"] for name in names}
    assert len(roles) == len(secrets) == len(names)
    for role in ROLES:
        for statement in statements(default_stack, role).values():
            # X-Ray has no ARNs, and subnets cannot be described one by one.
            assert statement["Resource"] != "*" or statement["Sid"] in ("Traces", "Subnets")


def test_the_migrator_rotates_the_secret_of_each_role(default_stack: Deployed) -> None:
    migrator = default_stack.properties("MigratorFunction")
    for role in ("Api", "Crawler"):
        schedule = default_stack.properties(f"{role}DatabaseRotation")
        function = default_stack.properties(f"{role}Function")
        assert schedule["SecretId"] == function["Environment"]["Variables"]["DB_SECRET_ARN"]
        assert schedule["SecretId"] == migrator["Environment"]["Variables"][f"{role.upper()}_DB_SECRET_ARN"]
        assert schedule["RotateImmediatelyOnUpdate"] in (False, "false")
        # Secrets Manager tries the new schedule with a login of the role.
        assert "Migrations" in template()["Resources"][f"{role}DatabaseRotation"]["DependsOn"]
    permission = default_stack.properties("RotationPermission")
    assert permission["FunctionName"] == schedule["RotationLambdaARN"]
    assert (permission["Principal"], permission["SourceAccount"]) == ("secretsmanager.amazonaws.com", "123456789012")


def test_another_instance_class_runs_the_migrator(default_stack: Deployed) -> None:
    assert (
        default_stack.properties("Migrations")["InstanceClass"]
        == default_stack.properties("Instance")["DBInstanceClass"]
    )


def test_the_trust_of_rds_is_what_the_layer_brings(default_stack: Deployed) -> None:
    name = default_stack.properties("Instance")["CACertificateIdentifier"]
    assert "DB_SSLROOTCERT" not in default_stack.properties("ApiFunction")["Environment"]["Variables"]
    authorities = x509.load_pem_x509_certificates(RDS_AUTHORITIES.read_bytes())
    assert len(authorities) >= 27
    for authority in authorities:
        authority.verify_directly_issued_by(authority)
        [common_name] = authority.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        assert re.fullmatch(r"Amazon RDS [a-z0-9-]+ Root CA RSA2048 G1", str(common_name.value))
        assert authority.not_valid_after_utc.year >= 2060
    assert name == "rds-ca-rsa2048-g1"


INSIDE_ANOTHER = {"AWS::ApiGatewayV2::Stage", "AWS::CloudFormation::CustomResource"}
"""Resource types whose names must be unique only within their parent."""


def test_two_stacks_share_no_name(default_stack: Deployed) -> None:
    named = {
        logical_id: stack
        for (stack, logical_id), (kind, properties) in default_stack.resources.items()
        if kind not in INSIDE_ANOTHER and properties.keys() & {"Name", f"{kind.rpartition(':')[2]}Name"}
    }
    assert named.keys() == {"HttpApi", "Dashboard"}
    assert default_stack.properties("Dashboard")["DashboardName"] == named["Dashboard"], "the name of the nested stack"
    assert default_stack.properties("HttpApi")["Name"] == "kalshi"
