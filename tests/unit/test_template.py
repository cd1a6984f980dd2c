"""The templates refer to existing files, and have the values that the project documents."""

import ast
import json
import re
import tomllib
from typing import Any

import pytest

from api.app import create_app
from api.explorer.pages import PAGES
from api.resources import Resources
from kalshi_markets.settings import KALSHI_URL, DatabaseSettings
from local import ROOT
from local.lambda_runtime import authorizer, cors
from local.lambda_runtime.functions import TIMEOUTS
from local.tools.presets import overrides, presets
from local.tools.templates import template

TEMPLATE = template()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
FUNCTIONS = {n: r["Properties"] for n, r in RESOURCES.items() if r["Type"] == "AWS::Serverless::Function"}
NESTED = {n: r["Properties"] for n, r in RESOURCES.items() if r["Type"] == "AWS::Serverless::Application"}
NAMES = ["template.yaml", *(nested["Location"] for nested in NESTED.values())]


def test_every_handler_is_a_function_of_ours() -> None:
    assert set(FUNCTIONS) == {"ApiFunction", "AuthorizerFunction", "CrawlerFunction", "MigratorFunction"}
    for function in FUNCTIONS.values():
        module, name = function["Handler"].rsplit(".", 1)
        file = ROOT / TEMPLATE["Globals"]["Function"]["CodeUri"] / (module.replace(".", "/") + ".py")
        defined = [
            node.name for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
        ]
        assert name in defined


def test_the_local_gateway_has_cors_as_the_stack_has_it() -> None:
    [api] = [resource["Properties"] for resource in RESOURCES.values() if resource["Type"] == "AWS::ApiGatewayV2::Api"]
    assert api["CorsConfiguration"] == {
        "AllowOrigins": [cors.ORIGIN],
        "AllowMethods": [*cors.METHODS],
        "AllowHeaders": [*cors.HEADERS],
        "ExposeHeaders": [cors.EXPOSED],
        "MaxAge": cors.MAX_AGE_SECONDS,
    }


def test_the_runtime_is_the_one_of_python_version() -> None:
    version = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    assert TEMPLATE["Globals"]["Function"]["Runtime"] == f"python{version}"
    assert RESOURCES["SharedLayer"]["Metadata"]["BuildMethod"] == f"python{version}"
    for layer in ("SharedLayer", "ExplorerLayer"):
        assert RESOURCES[layer]["Properties"]["CompatibleRuntimes"] == [f"python{version}"]


def test_only_the_api_has_the_layer_of_the_pages() -> None:
    functions = {name: r["Properties"] for name, r in RESOURCES.items() if r["Type"] == "AWS::Serverless::Function"}
    layers = {name: properties.get("Layers") for name, properties in functions.items() if "Layers" in properties}
    assert layers == {"ApiFunction": [{"Ref": "ExplorerLayer"}]}
    folder = ROOT / RESOURCES["ExplorerLayer"]["Properties"]["ContentUri"]
    assert RESOURCES["ExplorerLayer"]["Metadata"]["BuildMethod"] == "makefile"
    assert "build-ExplorerLayer:" in (folder / "Makefile").read_text(encoding="utf-8")


def test_layer_and_functions_are_built_for_one_architecture() -> None:
    for layer in (RESOURCES["SharedLayer"], RESOURCES["ExplorerLayer"]):
        assert layer["Metadata"]["BuildArchitecture"] == {"Ref": "Architecture"}
        assert layer["Properties"]["CompatibleArchitectures"] == [{"Ref": "Architecture"}]
    assert TEMPLATE["Globals"]["Function"]["Architectures"] == [{"Ref": "Architecture"}]


def test_the_code_and_the_nested_templates_stand_where_the_template_says() -> None:
    assert (ROOT / TEMPLATE["Globals"]["Function"]["CodeUri"]).is_dir()
    assert (ROOT / RESOURCES["SharedLayer"]["Properties"]["ContentUri"] / "requirements.txt").is_file()
    assert {nested["Location"] for nested in NESTED.values()} == {
        f"infra/{path.name}" for path in (ROOT / "infra").glob("*.yaml") if path.name != "bootstrap.yaml"
    }


@pytest.mark.parametrize("nested", NESTED)
def test_a_nested_stack_gets_the_parameters_that_it_has(nested: str) -> None:
    parameters = template(NESTED[nested]["Location"])["Parameters"]
    needed = {name for name, parameter in parameters.items() if "Default" not in parameter}
    assert needed <= set(NESTED[nested]["Parameters"]) <= set(parameters)


def test_every_path_reaches_the_function_and_the_crawler_runs_every_minute() -> None:
    assert RESOURCES["HttpApiRoute"]["Properties"]["RouteKey"] == "$default"
    [schedule] = FUNCTIONS["CrawlerFunction"]["Events"].values()
    assert schedule["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["Properties"]["RetryPolicy"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}


def routes() -> dict[str, dict[str, Any]]:
    """Return the routes of the HTTP API by their keys."""
    properties = [r["Properties"] for r in RESOURCES.values() if r["Type"] == "AWS::ApiGatewayV2::Route"]
    return {route["RouteKey"]: route for route in properties}


def test_every_route_but_the_default_is_open_and_exists_only_with_an_authorizer() -> None:
    default = routes()["$default"]
    assert default["AuthorizationType"]["Fn::If"] == ["HasJwt", "JWT", {"Fn::If": ["HasApiKey", "CUSTOM", "NONE"]}]
    others = {key: route for key, route in routes().items() if key != "$default"}
    assert {route["AuthorizationType"] for route in others.values()} == {"NONE"}
    assert {route["Target"]["Fn::Sub"] for route in routes().values()} == {"integrations/${HttpApiIntegration}"}
    conditions = {r.get("Condition") for r in RESOURCES.values() if r.get("Properties") in others.values()}
    assert conditions == {"HasAuthorizer"}
    assert set(others) == set(authorizer.OPEN_ROUTES), "the gateway of make run has the same"


def test_the_pages_and_their_assets_are_open() -> None:
    paths = {path.replace("{", "A").replace("}", "") for path in PAGES}
    paths |= {"/assets/0123/pages/home.js", "/favicon.ico", "/llms.txt"}
    assert [path for path in paths for method in ("GET", "HEAD") if not authorizer.is_open(method, path)] == []
    assert authorizer.is_open("OPTIONS", "/markets"), "before CORS"


def test_every_request_of_the_api_needs_authorization() -> None:
    operations = create_app(Resources()).openapi()["paths"]
    requests = {(method.upper(), path) for path, methods in operations.items() for method in methods}
    is_open = {request for request in requests if authorizer.is_open(*request)}
    assert len(requests) > 20
    assert is_open == {("GET", "/"), ("GET", "/llms.txt")}, "pages without data"
    for method, path in (("GET", "//markets"), ("GET", "/explorer"), ("GET", "/docs/x"), ("GET", "/nowhere")):
        assert not authorizer.is_open(method, path)


def test_the_authorizer_is_the_one_of_the_local_gateway() -> None:
    properties = RESOURCES["ApiKeyAuthorizer"]["Properties"]
    assert properties["IdentitySource"] == [f"$request.header.{authorizer.HEADER}"]
    assert properties["AuthorizerResultTtlInSeconds"] == authorizer.RESULT_SECONDS
    assert (properties["AuthorizerPayloadFormatVersion"], properties["EnableSimpleResponses"]) == ("2.0", True)
    assert FUNCTIONS["AuthorizerFunction"]["Timeout"] == TIMEOUTS["authorizer"]


def test_what_belongs_to_the_api_key_exists_only_with_it() -> None:
    names = {name for name, resource in RESOURCES.items() if resource.get("Condition") == "HasApiKey"}
    assert names == {f"ApiKey{part}" for part in ("Authorizer", "Secret")} | {
        f"Authorizer{part}" for part in ("Function", "Log", "Permission", "Role")
    }
    assert TEMPLATE["Parameters"]["ApiKey"]["Default"] == "off"


def test_failed_runs_are_queued_and_not_retried() -> None:
    invoke = FUNCTIONS["CrawlerFunction"]["EventInvokeConfig"]
    assert (invoke["MaximumRetryAttempts"], invoke["MaximumEventAgeInSeconds"]) == (0, 60)
    assert invoke["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["FailedRuns", "Arn"]}


def test_api_and_crawler_wait_for_the_migrations() -> None:
    assert RESOURCES["Migrations"]["Properties"]["ServiceToken"] == {"Fn::GetAtt": ["MigratorFunction", "Arn"]}
    assert {name for name in FUNCTIONS if RESOURCES[name].get("DependsOn") == "Migrations"} == {
        "ApiFunction",
        "CrawlerFunction",
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_described(name: str) -> None:
    for parameter, properties in template(name).get("Parameters", {}).items():
        assert properties.get("Description", "").endswith((".", ";")), parameter


def test_the_parameters_are_25_or_fewer() -> None:
    assert len(TEMPLATE["Parameters"]) <= 25


def test_a_value_that_the_template_repeats_is_the_default_of_the_code() -> None:
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    on_lambda = DatabaseSettings.from_env({"DB_HOST": "localhost", "AWS_LAMBDA_FUNCTION_NAME": "api"})
    assert variables["DB_SSLMODE"] == on_lambda.sslmode
    assert variables["EXCHANGE_URL"] == KALSHI_URL
    # botocore takes an empty endpoint for none.
    assert variables["AWS_ENDPOINT_URL_SECRETS_MANAGER"] == ""


def test_every_parameter_has_a_default_and_a_place_in_the_form() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(TEMPLATE["Parameters"])
    assert all("Default" in parameter for parameter in TEMPLATE["Parameters"].values())


def test_no_template_holds_a_secret() -> None:
    for name in NAMES:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "PRIVATE KEY" not in text
        assert not re.search(r"(?i)^\s*(master)?(user)?password:", text, re.MULTILINE)
    variables = [FUNCTIONS[name]["Environment"]["Variables"] for name in FUNCTIONS]
    names = {
        variable
        for environment in [*variables, TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]]
        for variable in environment
    }
    assert not {name for name in names if re.search("PASSWORD|PRIVATE|TOKEN|KEYFILE", name)}


def test_exceptions_of_the_security_scan_have_reasons() -> None:
    reasons = {}
    for name in NAMES:
        for resource in template(name)["Resources"].values():
            for skipped in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                reasons[skipped["id"]] = skipped["comment"]
    assert len(reasons) <= 6
    assert all(len(comment) > 40 for comment in reasons.values())


def test_the_presets_of_samconfig() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    assert set(config) - {"version"} == {"default", "small", "medium", "large"}
    assert [*overrides()] == ["small", "medium", "large"]
    local = [config["default"][f"local_{name}"]["parameters"] for name in ("invoke", "start_api", "start_lambda")]
    assert {parameters["env_vars"] for parameters in local} == {"local/sam/environment.json"}
    for name in overrides():
        # `global` is of every command: the values stand once, Architecture for build and deploy too.
        assert [command for command, part in config[name].items() if "parameter_overrides" in str(part)] == ["global"]
        assert config[name]["deploy"]["parameters"]["tags"] == f"project=kalshi-markets size={name}"


def test_a_preset_sets_valid_values_and_all_presets_set_the_same_parameters() -> None:
    assert len({tuple(parameters) for parameters in overrides().values()}) == 1, "else a value of another one stays"
    for parameters in overrides().values():
        assert "Architecture" in parameters
        for name, value in parameters.items():
            parameter = TEMPLATE["Parameters"][name]
            assert value in parameter.get("AllowedValues", [value])
            if parameter["Type"] == "Number":
                assert parameter["MinValue"] <= int(value) <= parameter["MaxValue"]


def test_only_the_preset_for_production_is_protected_from_deletion() -> None:
    protected = {name for name, preset in presets().items() if preset["DatabaseDeletionProtection"] == "true"}
    assert protected == {"large"}


def test_the_variables_of_sam_local_are_those_of_the_functions() -> None:
    variables = json.loads((ROOT / "local" / "sam" / "environment.json").read_text(encoding="utf-8"))
    common = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert variables.pop("Parameters").keys() <= common.keys()
    assert variables.keys() == FUNCTIONS.keys() - {"AuthorizerFunction"}, "samconfig.toml has disable_authorizer"
    for name, own in variables.items():
        assert own.keys() <= FUNCTIONS[name]["Environment"]["Variables"].keys()
