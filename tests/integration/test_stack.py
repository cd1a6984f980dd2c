"""The complete stack, created as far as possible without an AWS account."""

import json
import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from cryptography import x509

from local import ROOT
from local.tools.templates import template
from tests.support.stack import BUCKET, Deployed, deployed

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret"
DATABASE = {"DatabaseHost": "db.example.com", "DatabaseSecretArn": f"{SECRET}:database", "DatabaseName": "markets"}
NETWORK = {"SubnetIds": "{subnets}", "SecurityGroupIds": "{group}"}
DOMAIN = {"DomainName": "api.example.com", "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1"}
ROLES = {"ApiDatabaseSecret", "CrawlerDatabaseSecret"}
PAGES = {f"{name}Route" for name in ("HomePage", "ExplorePage", "ExplorePages", "DocsPage", "PageAssets")} | {
    "FaviconRoute",
    "LanguageModelGuideRoute",
}
AUTHORIZED = {"HttpApiPreflight"} | PAGES
API_KEY = {"ApiKeyAuthorizer", "ApiKeySecret"} | {
    f"Authorizer{part}" for part in ("Function", "Log", "Permission", "Role")
}
DATABASE_STACK = {"PostgreSQL", "DatabaseStorage", "DatabaseConnections"}
OWN = {"PrivateNetwork", *DATABASE_STACK, *ROLES}
GATEWAY = {"InternetGateway", "InternetGatewayAttachment", "PublicSubnet", "PublicRoutes", "PublicRoute"} | {
    "PublicRoutesAssociation",
    "PrivateRoute",
}
INSTANCE = {"NatInstance", "NatSecurityGroup"} | GATEWAY
# Parameters, and the resources that exist only with them.
CASES: dict[str, tuple[dict[str, str], set[str]]] = {
    "defaults": ({}, OWN | INSTANCE),
    "NAT gateway": ({"Network": "nat-gateway"}, OWN | GATEWAY | {"NatGateway", "NatAddress"}),
    "dual stack": ({"Network": "dual-stack"}, OWN | {"EgressOnlyGateway", "Ipv6Route"}),
    "no network": ({"Network": "none", **DATABASE}, ROLES),
    "one role": ({"Network": "none", **DATABASE, "DatabaseRoles": "one"}, set()),
    "existing network": ({**NETWORK, "VpcId": "{vpc}"}, DATABASE_STACK | ROLES),
    "existing network and database": ({**NETWORK, **DATABASE, "DatabaseSslRootCert": "/opt/ca.pem"}, ROLES),
    "domain": (DOMAIN, OWN | INSTANCE | {"HttpApiDomain", "HttpApiMapping"}),
    "tokens": (
        {"JwtIssuer": "https://issuer.example.com", "JwtAudience": "markets"},
        OWN | INSTANCE | AUTHORIZED | {"HttpApiAuthorizer"},
    ),
    "API key": ({"ApiKey": "on"}, OWN | INSTANCE | AUTHORIZED | API_KEY),
    "lake": ({"Lake": "true"}, OWN | INSTANCE | {"LakeStorage", "LakeLag"}),
    "all the rest": (
        {
            "KalshiSecretArn": f"{SECRET}:kalshi",
            "KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1",
            "SnapStart": "on",
            "ApiReservedConcurrency": "5",
            "AlarmEmail": "somebody@example.com",
            "ExchangeRate": "15",
            "ReadmeUrl": "https://example.com",
            "SecretsManagerEndpoint": "https://secretsmanager.example.com",
            "DatabaseMultiAz": "true",
            "Lake": "true",
            "ApiKey": "on",
        },
        OWN
        | INSTANCE
        | AUTHORIZED
        | API_KEY
        | {"AlarmKey", "AlarmTopic", "AlarmTopicPolicy", "LakeQueryFailed", "LakeStorage", "LakeLag"},
    ),
}


def unresolved(value: Any, path: str) -> list[str]:
    """Return the paths of values that are unresolved intrinsic functions."""
    match value:
        case dict():
            functions = [f"{path}: {key}" for key in value if key == "Ref" or key.startswith("Fn::")]
            return functions + [nested for key, item in value.items() for nested in unresolved(item, f"{path}.{key}")]
        case list():
            return [nested for index, item in enumerate(value) for nested in unresolved(item, f"{path}.{index}")]
        case None:
            return [f"{path}: nothing"]
        case str() if "${" in value and not value.startswith("#!"):
            return [f"{path}: {value}"]
    return []


CONDITIONAL = {
    name
    for path in ("template.yaml", *(f"infra/{path.name}" for path in (ROOT / "infra").glob("*.yaml")))
    for name, resource in template(path)["Resources"].items()
    if "Condition" in resource
}
ALWAYS = {
    name
    for path in ("template.yaml", "infra/monitoring.yaml")
    for name, resource in template(path)["Resources"].items()
    if "Condition" not in resource
}


@pytest.mark.parametrize(("parameters", "conditional"), CASES.values(), ids=CASES.keys())
def test_every_resource_is_created_and_every_reference_resolved(
    parameters: dict[str, str], conditional: set[str]
) -> None:
    with deployed(**parameters) as stack:
        statuses = {
            summary["StackStatus"] for summary in boto3.client("cloudformation").list_stacks()["StackSummaries"]
        }
        assert statuses == {"CREATE_COMPLETE"}
        assert stack.names() & CONDITIONAL == conditional
        # SAM appends a hash of the content to a layer's name.
        assert {re.sub(r"(Layer)[0-9a-f]+$", r"\1", name) for name in stack.names()} >= ALWAYS
        for (_, name), (_, properties) in stack.resources.items():
            assert unresolved(properties, name) == []
        assert unresolved(stack.outputs, "Outputs") == []


def test_a_changed_parameter_makes_a_new_version() -> None:
    def description(**parameters: str) -> str:
        with deployed(**parameters) as stack:
            [properties] = [p for kind, p in stack.resources.values() if kind == "AWS::Lambda::Version"]
        return str(properties["Description"])

    default = description()
    assert len(default) <= 256
    assert description(SnapStart="on") != default
    assert description(StatementTimeoutMs="5000") != default


def test_the_parts_of_a_lake_find_each_other() -> None:
    with deployed(Lake="true", AlarmEmail="somebody@example.com") as stack:
        [bucket] = {item["Name"] for item in boto3.client("s3").list_buckets()["Buckets"]} - {BUCKET}
        variables = {
            name: stack.properties(f"{name}Function")["Environment"]["Variables"]
            for name in ("Api", "Crawler", "Migrator")
        }
        assert {name: own.get("LAKE_URL") for name, own in variables.items()} == {
            "Api": f"s3://{bucket}",
            "Crawler": f"s3://{bucket}",
            "Migrator": None,
        }
        [policy] = stack.properties("CrawlerRole")["Policies"]
        [writes] = [item for item in policy["PolicyDocument"]["Statement"] if item["Sid"] == "LakeWrites"]
        assert writes["Resource"][1] == f"arn:aws:s3:::{bucket}/changes/*"
        database = stack.properties("Database")["DatabaseInput"]["Name"]
        assert re.fullmatch("kalshi_markets_[0-9a-f]{8}", database), "usable in SQL, another one in each stack"
        request = json.loads(stack.properties("InsertQuotes")["Target"]["Input"])
        assert len(request["ClientRequestToken"]) >= 32
        pattern = json.loads(stack.properties("LakeQueryFailed")["EventPattern"])
        assert pattern["detail"]["workgroupName"] == [request["WorkGroup"]]
        groups = {stack.properties(name)["Name"] for name in ("WorkGroup", "UpkeepWorkGroup")}
        assert len(groups) == 2
        assert all(name.startswith("kalshi-") for name in groups), "named for the stack"


def test_the_authorizer_is_outside_the_vpc_and_reads_its_secret_only() -> None:
    with deployed(ApiKey="on") as stack:
        function = stack.properties("AuthorizerFunction")
        assert "VpcConfig" not in function
        assert stack.properties("ApiFunction")["VpcConfig"]["SubnetIds"]
        secret = function["Environment"]["Variables"]["API_KEYS_SECRET_ARN"]
        assert stack.outputs["ApiKeySecretArn"] == secret
        [policy] = stack.properties("AuthorizerRole")["Policies"]
        rights = {item["Sid"]: item["Resource"] for item in policy["PolicyDocument"]["Statement"]}
        assert rights.keys() == {"Secrets", "Log", "Traces"}
        assert rights["Secrets"] == secret
        route = stack.properties("HttpApiRoute")
        assert route["AuthorizationType"] == "CUSTOM"
        assert "ApiKeyAuthorizer" in route["AuthorizerId"]
        assert "AuthorizerId" not in stack.properties("HomePageRoute")


@pytest.fixture(scope="module")
def default_stack() -> Iterator[Deployed]:
    """Yield the stack with every parameter's default."""
    with deployed() as stack:
        yield stack


def test_a_first_deployment_is_private_encrypted_and_protected_from_deletion(default_stack: Deployed) -> None:
    [database] = boto3.client("rds").describe_db_instances()["DBInstances"]
    assert database["StorageEncrypted"]
    assert not database["PubliclyAccessible"]
    properties = default_stack.properties("Instance")
    assert properties["DeletionProtection"] == "true"
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
    for logical_id in ("ApiRole", "CrawlerRole", "MigratorRole"):
        [policy] = default_stack.properties(logical_id)["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Resource"] != "*" or statement["Sid"] == "Traces"  # X-Ray has no ARNs


def test_the_trust_of_rds_is_what_the_layer_brings(default_stack: Deployed) -> None:
    name = default_stack.properties("Instance")["CACertificateIdentifier"]
    path = default_stack.properties("ApiFunction")["Environment"]["Variables"]["DB_SSLROOTCERT"]
    bundle = ROOT / "layers/shared" / path.removeprefix("/opt/python/")
    authorities = x509.load_pem_x509_certificates(bundle.read_bytes())
    assert len(authorities) >= 27
    for authority in authorities:
        authority.verify_directly_issued_by(authority)
        [common_name] = authority.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        assert re.fullmatch(r"Amazon RDS [a-z0-9-]+ Root CA RSA2048 G1", str(common_name.value))
        assert authority.not_valid_after_utc.year >= 2060
    assert name == "rds-ca-rsa2048-g1"


INSIDE_ANOTHER = {"AWS::ApiGatewayV2::Stage", "AWS::CloudFormation::CustomResource", "AWS::Lambda::Alias"}
"""Resource types whose names must be unique only within their parent."""


def test_two_stacks_share_no_name(default_stack: Deployed) -> None:
    named = {
        logical_id
        for (_, logical_id), (kind, properties) in default_stack.resources.items()
        if kind not in INSIDE_ANOTHER and properties.keys() & {"Name", f"{kind.rpartition(':')[2]}Name"}
    }
    assert named == {"HttpApi"}
    assert default_stack.properties("HttpApi")["Name"] == "kalshi"


def test_the_api_may_be_called_at_both_its_addresses(default_stack: Deployed) -> None:
    names = {default_stack.properties(name)["FunctionName"] for name in ("HttpApiPermission", "HttpApiAliasPermission")}
    assert len(names) == 2
