"""The complete stack, created as far as possible without an AWS account."""

import json
import re
from typing import Any

import boto3
import pytest

from local import ROOT
from local.tools.presets import overrides
from local.tools.templates import template
from tests.support.stack import BUCKET, ROLES, deployed, statements

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret"
DATABASE = {"DatabaseAddress": "db.example.com:6432/markets", "DatabaseSecretArn": f"{SECRET}:database"}
NETWORK = {"SubnetIds": "{subnets}", "SecurityGroupIds": "{group}"}
DOMAIN = {"DomainName": "api.example.com", "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1"}
PAGES = {f"{name}Route" for name in ("HomePage", "ExplorePage", "ExplorePages", "DocsPage", "PageAssets")} | {
    "FaviconRoute",
    "LanguageModelGuideRoute",
}
AUTHORIZED = {"HttpApiPreflight"} | PAGES
API_KEY = {"ApiKeyAuthorizer", "ApiKeySecret"} | {
    f"Authorizer{part}" for part in ("Function", "Log", "Permission", "Role")
}
DATABASE_STACK = {"PostgreSQL", "DatabaseStorage"}
OWN = {"PrivateNetwork", *DATABASE_STACK}
GATEWAY = {"InternetGateway", "InternetGatewayAttachment", "PublicSubnet", "PublicRoutes", "PublicRoute"} | {
    "PublicRoutesAssociation",
    "PrivateRoute",
}
INSTANCE = {"NatInstance", "NatTemplate", "NatSecurityGroup"} | GATEWAY
MANAGED = {"NatGateway", "NatAddress"} | GATEWAY
# Parameters, and the resources that exist only with them.
CASES: dict[str, tuple[dict[str, str], set[str]]] = {
    "defaults": ({}, OWN | INSTANCE),
    "NAT gateway": ({"Network": "nat-gateway"}, OWN | MANAGED),
    "dual stack": ({"Network": "dual-stack"}, OWN | {"EgressOnlyGateway", "Ipv6Route"}),
    "no network": ({"Network": "none", **DATABASE}, set()),
    "existing network": ({**NETWORK, **DATABASE}, set()),
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
            "AlarmEmail": "somebody@example.com",
            "MonthlyBudget": "50",
            "DatabaseMultiAz": "true",
            "Lake": "true",
            "ApiKey": "on",
        },
        OWN
        | INSTANCE
        | AUTHORIZED
        | API_KEY
        | {"AlarmKey", "AlarmTopic", "AlarmTopicPolicy", "Budget", "LakeQueryFailed", "LakeStorage", "LakeLag"},
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


CASES |= {
    f"preset {name}": (parameters, OWN | (INSTANCE if parameters["Network"] == "nat-instance" else MANAGED))
    for name, parameters in overrides().items()
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


@pytest.mark.parametrize(
    "parameters", [{}, {"KalshiSecretArn": f"{SECRET}:kalshi"}, DATABASE | {"Network": "none"}], ids=str
)
def test_a_role_may_use_any_key_for_its_own_secrets_and_nothing_else(parameters: dict[str, str]) -> None:
    with deployed(**parameters) as stack:
        for role in ROLES:
            granted = statements(stack, role)
            assert granted["SecretKeys"]["Condition"]["StringEquals"] == {
                "kms:ViaService": "secretsmanager.us-east-1.amazonaws.com",
                "kms:EncryptionContext:SecretARN": granted["Secrets"]["Resource"],
            }
            own = 3 if role == "MigratorRole" else 1 + ("KalshiSecretArn" in parameters)
            assert len(granted["Secrets"]["Resource"]) == own
            assert "VariablesKey" not in granted


def test_the_key_of_the_variables_is_granted_to_every_function() -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1"
    with deployed(KmsKeyArn=key, ApiKey="on") as stack:
        roles = (*ROLES, "AuthorizerRole")
        assert {statements(stack, role)["VariablesKey"]["Resource"] for role in roles} == {key}


@pytest.mark.parametrize(("parameters", "granted"), [({}, True), (DATABASE | {"Network": "none"}, False)], ids=str)
def test_functions_in_a_network_may_describe_subnets(parameters: dict[str, str], granted: bool) -> None:
    with deployed(**parameters) as stack:
        for role in ROLES:
            assert ("Subnets" in statements(stack, role)) == granted
            assert bool(stack.properties(role)["ManagedPolicyArns"]) == granted


def test_a_budget_sends_a_message_before_it_is_spent() -> None:
    with deployed(MonthlyBudget="50", AlarmEmail="somebody@example.com") as stack:
        budget = stack.properties("Budget")
        assert budget["Budget"]["BudgetLimit"] == {"Amount": "50", "Unit": "USD"}
        assert "CostFilters" not in budget["Budget"], "a tag that billing does not know would count nothing"
        sent = {
            (part["Notification"]["NotificationType"], part["Notification"]["Threshold"]): part["Subscribers"]
            for part in budget["NotificationsWithSubscribers"]
        }
        assert sent.keys() == {("ACTUAL", 80), ("FORECASTED", 100)}
        assert [*sent.values()] == [[{"SubscriptionType": "EMAIL", "Address": "somebody@example.com"}]] * 2


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
        granted = statements(stack, "AuthorizerRole")
        assert granted.keys() == {"Secrets", "SecretKeys", "Log", "Traces"}
        assert granted["Secrets"]["Resource"] == secret
        assert granted["SecretKeys"]["Condition"]["StringEquals"]["kms:EncryptionContext:SecretARN"] == secret
        route = stack.properties("HttpApiRoute")
        assert route["AuthorizationType"] == "CUSTOM"
        assert "ApiKeyAuthorizer" in route["AuthorizerId"]
        assert "AuthorizerId" not in stack.properties("HomePageRoute")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("db.example.com", ("db.example.com", "5432", "kalshi")),
        ("db.example.com:6432", ("db.example.com", "6432", "kalshi")),
        ("db.example.com/markets", ("db.example.com", "5432", "markets")),
        ("db.example.com:6432/markets", ("db.example.com", "6432", "markets")),
    ],
)
def test_the_address_of_an_existing_database_is_split(address: str, expected: tuple[str, str, str]) -> None:
    assert re.fullmatch(template()["Parameters"]["DatabaseAddress"]["AllowedPattern"], address)
    with deployed(**DATABASE | {"Network": "none", "DatabaseAddress": address}) as stack:
        for name in ("ApiFunction", "CrawlerFunction", "MigratorFunction"):
            variables = stack.properties(name)["Environment"]["Variables"]
            assert tuple(variables[f"DB_{part}"] for part in ("HOST", "PORT", "NAME")) == expected


@pytest.mark.parametrize("address", ["postgres://db", "user@db", "db:5432/a-b", "db:port", "db/name/more"])
def test_what_is_no_address_of_a_database_is_rejected(address: str) -> None:
    assert not re.fullmatch(template()["Parameters"]["DatabaseAddress"]["AllowedPattern"], address)


@pytest.mark.parametrize(("days", "archive"), [("0", "true"), ("60", "false")])
def test_the_archive_is_stored_if_nothing_is_deleted(days: str, archive: str) -> None:
    with deployed(RetentionDays=days) as stack:
        variables = stack.properties("CrawlerFunction")["Environment"]["Variables"]
        assert (variables["RETENTION_DAYS"], variables["ARCHIVE"]) == (days, archive)
