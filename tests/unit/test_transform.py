"""SAM's transform of the template: what the API calls has every change of the function at once."""

from typing import Any

import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local.tools.templates import template

PARAMETERS: dict[str, dict[str, Any]] = template()["Parameters"]
FUNCTION = {"Fn::GetAtt": ["ApiFunction", "Arn"]}


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the region, which the transform requires."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def transformed(*, code: str = "code", layer: str = "layer", **parameters: str) -> dict[str, dict[str, Any]]:
    """Return the resources after the transform. code, layer: names of the objects that `sam deploy` has uploaded."""
    root = template()
    root["Globals"]["Function"]["CodeUri"] = f"s3://artifacts/{code}.zip"
    for resource in root["Resources"].values():
        match resource["Type"]:
            case "AWS::Serverless::LayerVersion":
                resource["Properties"]["ContentUri"] = f"s3://artifacts/{layer}.zip"
            case "AWS::Serverless::Application":
                resource["Properties"]["Location"] = "https://s3.us-east-1.amazonaws.com/artifacts/nested.yaml"
    values = {name: str(parameter["Default"]) for name, parameter in PARAMETERS.items()} | parameters
    resources: dict[str, dict[str, Any]] = Translator({}, Parser()).translate(root, values)["Resources"]
    return resources


def another_value(parameter: dict[str, Any]) -> str:
    """Return a value of the parameter that is not its default."""
    default = parameter["Default"]
    if "AllowedValues" in parameter:
        return next(str(value) for value in parameter["AllowedValues"] if value != default)
    return str(default + 1) if isinstance(default, int) else "another"


def assert_the_function_itself_is_called(resources: dict[str, dict[str, Any]]) -> None:
    kinds = {resource["Type"] for resource in resources.values()}
    assert kinds.isdisjoint({"AWS::Lambda::Version", "AWS::Lambda::Alias"})
    assert resources["HttpApiIntegration"]["Properties"]["IntegrationUri"] == FUNCTION
    assert resources["HttpApiPermission"]["Properties"]["FunctionName"] == FUNCTION


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_changed_parameter_reaches_the_function_that_is_called(name: str) -> None:
    assert_the_function_itself_is_called(transformed(**{name: another_value(PARAMETERS[name])}))


@pytest.mark.parametrize("changed", ["code", "layer"])
def test_changed_code_reaches_the_function_that_is_called(changed: str) -> None:
    before, after = transformed(), transformed(**{changed: "changed"})
    assert before["ApiFunction"]["Properties"] != after["ApiFunction"]["Properties"]
    assert_the_function_itself_is_called(after)


def test_a_change_of_only_a_layer_changes_all_functions() -> None:
    before, after = transformed(), transformed(layer="changed")
    functions = {name for name, resource in before.items() if resource["Type"] == "AWS::Lambda::Function"}
    assert {name for name in functions if before[name] != after[name]} == functions
