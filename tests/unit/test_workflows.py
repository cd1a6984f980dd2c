"""GitHub's workflows do what the project documents, with the least privileges."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import ROOT
from local.deploy.preset import read_presets

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def read(path: Path) -> dict[Any, Any]:
    workflow: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return workflow


def commands(workflow: dict[Any, Any], job: str) -> list[str]:
    return [step["run"] for step in workflow["jobs"][job]["steps"] if "run" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit_with_its_version_beside_it(path: Path) -> None:
    used = re.findall(r"uses: *(.+)", path.read_text(encoding="utf-8"))
    assert used != []
    assert [use for use in used if not PINNED.fullmatch(use)] == []


def test_an_action_has_one_version_in_all_workflows() -> None:
    used = {use for path in WORKFLOWS for use in re.findall(r"uses: *(.+)", path.read_text(encoding="utf-8"))}
    assert len(used) == len({use.partition("@")[0] for use in used})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_only_the_job_that_deploys_may_do_more_than_read(path: Path) -> None:
    workflow = read(path)
    granted = [workflow["permissions"], *(job.get("permissions", {}) for job in workflow["jobs"].values())]
    more = {name for permissions in granted for name, level in permissions.items() if level != "read"}
    assert more == ({"id-token"} if path.name == "deploy.yml" else set())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_inputs_never_become_part_of_a_command(path: Path) -> None:
    workflow = read(path)
    assert [line for job in workflow["jobs"] for line in commands(workflow, job) if "${{" in line] == []


def test_ci_does_what_the_script_does_and_runs_the_tests_on_every_other_python() -> None:
    workflow = read(ROOT / ".github" / "workflows" / "ci.yml")
    assert commands(workflow, "all") == ["bash .ci/run"]
    assert commands(workflow, "other-pythons") == ["make test"]


def test_ci_runs_every_python_that_the_readme_names_and_the_oldest_is_the_oldest_that_installs() -> None:
    workflow = read(ROOT / ".github" / "workflows" / "ci.yml")
    matrix = workflow["jobs"]["other-pythons"]["strategy"]["matrix"]["python"]
    tested = sorted([*matrix, (ROOT / ".python-version").read_text(encoding="utf-8").strip()])
    assert tested == sorted(set(tested))
    [sentence] = re.findall(r"^They need .*", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert tested == re.findall(r"\b3\.\d+\b", sentence)
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["requires-python"] == f">={tested[0]}"
    assert pyproject["tool"]["mypy"]["python_version"] == tested[0]
    assert pyproject["tool"]["ruff"]["target-version"] == f"py{tested[0].replace('.', '')}"


def test_a_deployment_takes_its_credentials_from_a_role_and_no_secret_but_those_of_the_service() -> None:
    path = ROOT / ".github" / "workflows" / "deploy.yml"
    job = read(path)["jobs"]["deploy"]
    [credentials] = [step["with"] for step in job["steps"] if "configure-aws-credentials" in step.get("uses", "")]
    assert credentials == {"role-to-assume": "${{ vars.AWS_ROLE_ARN }}", "aws-region": "${{ vars.AWS_REGION }}"}
    assert re.findall(r"secrets\.\w+", path.read_text(encoding="utf-8")) == ["secrets.API_KEY", "secrets.TOKEN"]


def test_a_deployment_is_of_a_preset_and_is_tried_at_its_address() -> None:
    workflow = read(ROOT / ".github" / "workflows" / "deploy.yml")
    job = workflow["jobs"]["deploy"]
    assert workflow["concurrency"] == {"group": "deploy"}
    assert len({preset.stack for preset in read_presets().values()}) == 1, "of all presets"
    presets = workflow[True]["workflow_dispatch"]["inputs"]["environment"]["options"]  # YAML's `on` is true
    assert presets == list(read_presets())
    assert job["environment"] == job["env"]["ENVIRONMENT"] == "${{ inputs.environment }}"
    deploy, smoke = (step for step in job["steps"] if "run" in step)
    assert deploy["run"] == 'make deploy ARGS="--no-confirm-changeset --permissions-boundary $BOUNDARY"'
    assert smoke["run"] == 'make smoke URL="$ADDRESS"'
    assert smoke["env"] == {
        "ADDRESS": f"${{{{ steps.{deploy['id']}.outputs.address }}}}",
        "API_KEY": "${{ secrets.API_KEY }}",
        "TOKEN": "${{ secrets.TOKEN }}",
        "MAX_LAG": "${{ vars.MAX_LAG }}",
    }
