"""The template names what is there."""

import ast
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's !Ref and the like as their arguments."""


def _argument(loader: Loader, _: str, node: yaml.Node) -> Any:
    match node:
        case yaml.ScalarNode():
            return loader.construct_scalar(node)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
        case _:
            return None


Loader.add_multi_constructor("!", _argument)
TEMPLATE = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader)
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in TEMPLATE["Resources"].items()
    if resource["Type"] == "AWS::Serverless::Function"
}


def test_every_handler_is_a_function_of_ours() -> None:
    assert set(FUNCTIONS) == {"ApiFunction", "CrawlerFunction", "MigratorFunction"}
    for function in FUNCTIONS.values():
        module, name = function["Handler"].rsplit(".", 1)
        file = ROOT / TEMPLATE["Globals"]["Function"]["CodeUri"] / (module.replace(".", "/") + ".py")
        defined = [
            node.name for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
        ]
        assert name in defined


def test_the_runtime_is_the_one_of_python_version() -> None:
    version = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    assert TEMPLATE["Globals"]["Function"]["Runtime"] == f"python{version}"
    assert TEMPLATE["Resources"]["SharedLayer"]["Metadata"]["BuildMethod"] == f"python{version}"


def test_the_code_and_the_nested_templates_stand_where_the_template_says() -> None:
    assert (ROOT / TEMPLATE["Globals"]["Function"]["CodeUri"]).is_dir()
    assert (ROOT / TEMPLATE["Resources"]["SharedLayer"]["Properties"]["ContentUri"] / "requirements.txt").is_file()
    assert (ROOT / TEMPLATE["Resources"]["Monitoring"]["Properties"]["Location"]).is_file()


def test_the_api_answers_every_path_and_the_crawler_runs_every_minute() -> None:
    events = [event["Properties"] for event in FUNCTIONS["ApiFunction"]["Events"].values()]
    assert {(event["Method"], event["Path"]) for event in events} == {("ANY", "/"), ("ANY", "/{proxy+}")}
    [schedule] = FUNCTIONS["CrawlerFunction"]["Events"].values()
    assert schedule["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["Properties"]["RetryPolicy"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
