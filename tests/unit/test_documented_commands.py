"""Commands of the documents that need an account: each names an operation of AWS, its options and its values."""

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel, Shape
from botocore.session import get_session

from local import ROOT
from local.deploy.preset import read_presets
from tests.support.documented_commands import PAGES, Command, blocks, commands, split

GLOBAL = {"--endpoint-url", "--output", "--profile", "--query", "--region", "--no-cli-pager", "--cli-binary-format"}
"""Options of the AWS CLI for every operation."""
FLAGS = {"--no-cli-pager"}
OWN: dict[tuple[str, ...], set[str]] = {
    ("configure",): set(),
    ("configure", "export-credentials"): {"--format"},
    ("configure", "sso"): set(),
    ("cloudformation", "deploy"): {"--capabilities", "--parameter-overrides", "--stack-name", "--template-file"},
    ("logs", "tail"): {"--follow", "--since"},
    ("s3", "cp"): {"--recursive"},
    ("s3", "ls"): {"--recursive"},
    ("s3", "rb"): {"--force"},
    ("s3", "sync"): set(),
}
"""Commands that are the AWS CLI's own, and their options (docs.aws.amazon.com/cli/latest/reference)."""
TRIED = {
    "aws": "here, against botocore's models of the services",
    "sam": "tests/sam/test_documented_commands.py: options; tests/sam: the commands that need no account",
    "make": "tests/unit/test_paths.py: targets; tests/sam/test_deploy.py, tests/env and the tests of each target: runs",
    "curl": "here, with a stand-in for the download; tests/integration/test_readme.py and test_recipes.py",
    "tr awk while do done": "here, together with curl",
    "status markets candlesticks": "they are output of make smoke, which has its own tests",
    "git gh sudo cd": "nowhere: they need a repository's address, or CloudShell's system",
}
"""First words in the blocks of docs/operations.md, and where their lines are tried."""


@cache
def operations(service: str) -> dict[str, OperationModel]:
    """Return the operations of a service by the names that the AWS CLI gives them."""
    try:
        model = get_session().get_service_model({"s3api": "s3"}.get(service, service))
    except UnknownServiceError:
        return {}
    return {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}


def is_placeholder(value: str) -> bool:
    return "…" in value or re.fullmatch(r"[A-Z][A-Z_-]+\w*", value) is not None


def problems(command: Command) -> list[str]:
    """Return what the AWS CLI would reject."""
    _, service, *words = command.words
    for length in (2, 1):
        name = (service, *words)[:length]
        if name in OWN:
            options = {word for word in words if word.startswith("--")}
            return [f"{option} is no option" for option in sorted(options - OWN[name] - GLOBAL)]
    if not words:
        return ["it has no operation"]
    operation = operations(service).get(words[0])
    if operation is None:
        return [f"{service} has no operation {words[0]}"]
    return list(_option_problems(operation, words[1:]))


def _option_problems(operation: OperationModel, words: list[str]) -> Iterator[str]:
    shape = operation.input_shape
    members = {f"--{xform_name(name, '-')}": member for name, member in shape.members.items()} if shape else {}
    flags = {f"--no-{name[2:]}": member for name, member in members.items() if member.type_name == "boolean"}
    given: dict[str, list[str]] = {}
    positional = []
    for word in words:
        if word.startswith("--"):
            given[word] = []
        elif given and _takes_a_value(list(given)[-1], given, members):
            given[list(given)[-1]].append(word)
        else:
            positional.append(word)
    if len(positional) != int(operation.has_streaming_output) and words:
        yield f"{positional} are no options"
    for option, values in given.items():
        member = members.get(option) or flags.get(option)
        if member is None and option not in GLOBAL:
            yield f"{option} is no option"
        elif member is not None and member.type_name != "boolean" and not values:
            yield f"{option} has no value"
        for value in values if member is not None else ():
            yield from _value_problems(option, value, member)
    required = {f"--{xform_name(name, '-')}" for name in shape.required_members} if shape else set()
    if words and required - given.keys():
        yield f"{sorted(required - given.keys())} are missing"


def _takes_a_value(option: str, given: dict[str, list[str]], members: dict[str, Shape]) -> bool:
    member = members.get(option)
    if member is None:
        return option in GLOBAL - FLAGS and not given[option]
    return member.type_name in ("list", "structure", "map") or (member.type_name != "boolean" and not given[option])


def _value_problems(option: str, value: str, member: Shape) -> Iterator[str]:
    if is_placeholder(value):
        return
    if member.type_name in ("integer", "long") and not value.isdigit():
        yield f"{option} is no number"
    if getattr(member, "enum", None) and value not in member.enum:
        yield f"{option} must be one of {member.enum}"
    if value.startswith(("{", "[")) and not _is_json(value):
        yield f"{option} is no JSON"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


AWS = commands("aws")


@pytest.mark.parametrize("command", AWS, ids=str)
def test_a_command_names_an_operation_with_all_that_it_requires(command: Command) -> None:
    assert problems(command) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("aws lambda call --function-name x", "lambda has no operation call"),
        ("aws lamda invoke", "lamda has no operation invoke"),
        ("aws sqs purge-queue --queue x", "--queue is no option"),
        ("aws rds modify-db-instance --multi-az", "['--db-instance-identifier'] are missing"),
        ("aws lambda invoke --function-name x", "[] are no options"),
        (
            "aws cloudwatch set-alarm-state --alarm-name x --state-value good --state-reason test",
            "--state-value must be",
        ),
        (
            "aws cloudformation set-stack-policy --stack-name x --stack-policy-body '{'",
            "--stack-policy-body is no JSON",
        ),
        ("aws rds describe-db-snapshots --snapshot-type", "--snapshot-type has no value"),
        ("aws s3 rb s3://x --recurse", "--recurse is no option"),
    ],
)
def test_a_wrong_command_is_found(line: str, problem: str) -> None:
    [words] = split(line)
    assert any(text.startswith(problem) for text in problems(Command("", words, in_block=True)))


def test_the_commands_of_a_line_are_found() -> None:
    line = (
        """curl -s x | tr -d '\\n' > y && aws s3 ls "s3://$(aws sts get-caller-identity --output text)"  # a comment"""
    )
    assert [words[:3] for words in split(line)] == [
        ("curl", "-s", "x"),
        ("tr", "-d", "\\n"),
        ("y",),
        ("aws", "sts", "get-caller-identity"),
        ("aws", "s3", "ls"),
    ]
    assert len(AWS) > 25


def test_every_line_of_the_operators_page_has_a_place_where_it_is_tried() -> None:
    lines = [line for block in blocks("docs/operations.md", "text") for line in block.replace("\\\n", " ").splitlines()]
    programs = {line.split()[0].rpartition("/")[2] for line in lines}
    assert programs - {program for names in TRIED for program in names.split()} == set()
    assert [path for path in re.findall(r"tests/[\w/.]+", str(TRIED)) if not (ROOT / path).exists()] == []


def test_every_deployment_is_of_a_preset() -> None:
    named = {name for page in PAGES for name in re.findall(r"\bENVIRONMENT=(\w+)", page.read_text(encoding="utf-8"))}
    assert named - read_presets().keys() == set()


def test_blocks_of_data_can_be_read() -> None:
    assert [tomllib.loads(block) for page in PAGES for block in blocks(str(page.relative_to(ROOT)), "toml")] != []
    for page in PAGES:
        for block in blocks(str(page.relative_to(ROOT)), "json"):
            assert _is_json(block) or "…" in block, block


def test_policies_name_actions_that_exist() -> None:
    known = json.loads((files("cfnlint.data.AdditionalSpecs") / "Policies.json").read_text(encoding="utf-8"))
    actions = {f"{service}:{action}" for service, item in known.items() for action in item["Actions"]}
    documents = [json.loads(block) for block in blocks("docs/operations.md", "json") if '"Statement"' in block]
    named = {
        action
        for document in documents
        for statement in document["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert named != set()
    assert [action for action in named if action.lower() not in actions] == []


def compare_authorities(folder: Path, bundle: str) -> str:
    """Run the block of the documentation with a stand-in for curl and return its output."""
    [script] = [block for block in blocks("docs/operations.md", "text") if "global-bundle.pem" in block]
    script = script.replace("layers/shared", str(ROOT / "layers" / "shared"))
    (folder / "bundle.pem").write_text(bundle, encoding="ascii")
    (folder / "curl").write_text(f'#!/bin/sh\nexec cat "{folder / "bundle.pem"}"\n', encoding="utf-8")
    (folder / "curl").chmod(0o755)
    shell = [shutil.which("bash") or "bash", "-c", f'PATH="{folder}:$PATH"; {script}']
    return subprocess.run(shell, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_the_comparison_of_authorities_reports_only_what_is_missing(tmp_path: Path) -> None:
    own = (ROOT / "layers/shared/kalshi_markets/rds-ca.pem").read_text(encoding="ascii")
    assert compare_authorities(tmp_path, own) == ""
    end = "-----END CERTIFICATE-----"
    assert compare_authorities(tmp_path, own.partition(end)[2]).count("not there: ") == 1
