"""Rules of the template, evaluated as by CloudFormation: which combinations of parameters are rejected."""

from collections.abc import Mapping
from typing import Any

import pytest

from local.tools.presets import presets
from local.tools.templates import template

TEMPLATE = template()
DATABASE = {"DatabaseAddress": "db.example.com", "DatabaseSecretArn": "arn"}
TOKENS = {"JwtIssuer": "https://issuer.example.com", "JwtAudience": "markets"}
NETWORK = {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}


def holds(condition: Any, values: Mapping[str, str]) -> Any:
    """Return the value of a condition (docs.aws.amazon.com/AWSCloudFormation, rules)."""
    match condition:
        case {"Ref": name}:
            is_list = TEMPLATE["Parameters"][name]["Type"] == "CommaDelimitedList"
            return values[name].split(",") if is_list else values[name]
        case {"Fn::Not": [part]}:
            return not holds(part, values)
        case {"Fn::And": parts}:
            return all(holds(part, values) for part in parts)
        case {"Fn::Or": parts}:
            return any(holds(part, values) for part in parts)
        case {"Fn::Equals": [first, second]}:
            return holds(first, values) == holds(second, values)
        case {"Fn::Contains": [texts, text]}:
            return text in holds(texts, values)
        case str():
            return condition
    raise AssertionError(f"unknown: {condition}")


def violated(preset: str = "small", **parameters: str) -> list[str]:
    """Return the rules that a preset with these parameters violates."""
    values = presets()[preset] | parameters
    return [
        name
        for name, rule in TEMPLATE["Rules"].items()
        if holds(rule["RuleCondition"], values)
        and not all(holds(assertion["Assert"], values) for assertion in rule["Assertions"])
    ]


@pytest.mark.parametrize("preset", presets())
def test_a_preset_violates_no_rule(preset: str) -> None:
    assert violated(preset) == []


@pytest.mark.parametrize(
    "parameters",
    [
        DATABASE | {"Network": "none"},
        DATABASE | NETWORK,
        {"Network": "dual-stack"},
        {"DomainName": "api.example.com", "CertificateArn": "arn"},
        TOKENS,
        {"ApiKey": "on"},
        {"MonthlyBudget": "50", "AlarmEmail": "somebody@example.com"},
    ],
)
def test_complete_parameters_violate_no_rule(parameters: dict[str, str]) -> None:
    assert violated(**parameters) == []


@pytest.mark.parametrize(
    ("rule", "parameters"),
    [
        ("ExistingDatabase", DATABASE),  # not reachable from the new network
        ("ExistingDatabase", DATABASE | {"Network": "none", "DatabaseAddress": ""}),
        ("NewDatabase", {"Network": "none"}),
        ("NewDatabase", NETWORK),
        ("ExistingNetwork", DATABASE | NETWORK | {"SecurityGroupIds": ""}),
        ("OwnDomain", {"DomainName": "api.example.com"}),
        ("OwnDomain", {"CertificateArn": "arn"}),
        ("Tokens", {"JwtIssuer": "https://issuer.example.com"}),
        ("Tokens", TOKENS | {"ApiKey": "on"}),
        ("Budget", {"MonthlyBudget": "50"}),
    ],
)
def test_incomplete_parameters_are_rejected(rule: str, parameters: dict[str, str]) -> None:
    assert violated(**parameters) == [rule]


def test_a_database_without_its_secret_is_rejected() -> None:
    assert "ExistingDatabase" in violated(DatabaseAddress="db.example.com", Network="none")


def test_every_rule_says_what_is_required() -> None:
    for rule in TEMPLATE["Rules"].values():
        assert all(assertion["AssertDescription"].endswith(".") for assertion in rule["Assertions"])
