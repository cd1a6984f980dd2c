"""Deploy a preset of samconfig.toml: python -m local.deploy ENVIRONMENT [argument of sam deploy ...]."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from local import ROOT
from local.console import echo
from local.deploy.checks import aws_session, check_python, check_retention
from local.deploy.failure import DeployFailed
from local.deploy.preset import Preset, find_preset
from local.deploy.stack import NEVER_DEPLOYED, NO_STACK, Stack
from local.explorer import FETCH
from local.processes import die_with_parent
from local.sam.cli import BIN, BUILD, RUNTIME, sam_variables

STOP_SECONDS: Final = 10.0
"""Time that an interrupted command has to end by itself."""


def main(arguments: Sequence[str]) -> int:
    """Deploy and return the exit status. arguments: the preset, then options of `sam deploy`."""
    name, *options = arguments or [""]
    try:
        deploy(find_preset(name), options)
    except DeployFailed as failure:
        print(f"make deploy: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nmake deploy: stopped. A deployment that has started continues in CloudFormation; the same command "
            "follows it up once it has ended.",
            file=sys.stderr,
        )
        return 130
    return 0


def deploy(preset: Preset, arguments: Sequence[str]) -> None:
    """Check, build and deploy, then protect the database and print the outputs. Raises DeployFailed."""
    options, others = _parser().parse_known_args(arguments)
    session = aws_session(options.region or preset.region, options.profile or preset.profile)
    name, region = options.stack_name or preset.stack, session.region_name
    stack = Stack(session.client("cloudformation"), name, region)
    check_python()
    stack.check_deployable()
    check_retention(stack.parameters(), preset, options.parameter_overrides)
    echo("deploy", f"{preset.name}: stack {name} in {region}")
    parameters = ["--parameter-overrides", *preset.parameters, *options.parameter_overrides]
    added = parameters if options.parameter_overrides else []  # otherwise samconfig.toml has them all
    _build(preset, added, options.permissions_boundary)
    profile = ["--profile", options.profile] if options.profile else []
    target = ["--stack-name", name, "--region", region, *profile]
    sam_deploy = ["deploy", "--config-env", preset.name, "--no-fail-on-empty-changeset", *target, *added, *others]
    deployed = _run([str(BIN / "sam"), *sam_deploy]) == 0
    _finish(stack, deployed=deployed)


def _parser() -> argparse.ArgumentParser:
    """Return the parser of an option for the build, and of those of `sam deploy` that are needed before it runs."""
    parser = argparse.ArgumentParser(prog="make deploy", allow_abbrev=False, add_help=False)
    for option in ("--stack-name", "--region", "--profile", "--permissions-boundary"):
        parser.add_argument(option)
    parser.add_argument("--parameter-overrides", nargs="+", action="extend", default=[])
    return parser


def _build(preset: Preset, parameters: Sequence[str], boundary: str | None) -> None:
    """Build the functions and layers, with byte code, which Lambda cannot store. Raises DeployFailed."""
    steps = {
        "the pages": [sys.executable, str(FETCH)],
        "sam build": [str(BIN / "sam"), "build", "--config-env", preset.name, *parameters],
        "byte code": [RUNTIME, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(BUILD)],
    }
    if boundary:
        steps["permissions boundary"] = [str(BIN / "python"), "-m", "local.deploy.boundary", boundary, str(BUILD)]
    for title, command in steps.items():
        echo("deploy", title)
        if _run(command):
            raise DeployFailed(f"{title} failed: see the output above. Nothing was deployed.")


def _finish(stack: Stack, *, deployed: bool) -> None:
    """Protect the database and print the outputs, or say what to do after a failure. Raises DeployFailed."""
    status = stack.status()
    if status in NEVER_DEPLOYED:
        raise DeployFailed(f"the first deployment failed: the stack is {status}. {stack.removal()}")
    if not deployed:
        raise DeployFailed(f"sam deploy failed: see its output above. {_state(status)}")
    if status in NO_STACK:
        raise DeployFailed("the change set was not executed, so nothing is deployed.")
    if stack.protect_database():
        echo("deploy", "no release can replace or delete the database (stack policies)")
    outputs = stack.outputs()
    for name, value in outputs.items():
        echo("output", f"{name:<22} {value}")
    echo("next", f"make smoke URL={outputs['ApiAddress']}")
    if results := os.environ.get("GITHUB_OUTPUT"):  # file in which a step of a workflow leaves its results
        with Path(results).open("a", encoding="utf-8") as file:
            file.write(f"address={outputs['ApiAddress']}\n")


def _state(status: str | None) -> str:
    return "There is no stack." if status in NO_STACK else f"The stack is {status}."


def _run(command: Sequence[str]) -> int:
    """Run a command in the terminal and return its exit status. Ctrl+C ends it first, then raises KeyboardInterrupt."""
    with subprocess.Popen(die_with_parent(command, "INT"), cwd=ROOT, env=os.environ | sam_variables()) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the terminal interrupts the command as well
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.terminate()
            raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
