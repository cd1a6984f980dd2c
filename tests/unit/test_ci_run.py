"""CI's script runs every target and reports all that fail."""

import os
import re
import subprocess
from pathlib import Path

from local import ROOT

MAKE = """#!/bin/sh
echo "$1" >> "$CALLS"
case " $FAILING " in *" $1 "*) exit 2;; esac
"""
"""A make that records its target and fails for those that FAILING names."""


def run(folder: Path, failing: str) -> tuple[list[str], subprocess.CompletedProcess[str]]:
    """Run the script with that make. Return the targets that it called, and the result."""
    make, calls = folder / "make", folder / "calls"
    make.write_text(MAKE, encoding="utf-8")
    make.chmod(0o755)
    environment = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "CALLS": str(calls), "FAILING": failing}
    result = subprocess.run(
        ["bash", str(ROOT / ".ci" / "run")], env=environment, capture_output=True, text=True, check=False
    )
    return calls.read_text(encoding="utf-8").split(), result


def test_a_run_reports_every_target_that_fails(tmp_path: Path) -> None:
    targets, result = run(tmp_path, "check env-test")
    assert (result.returncode, result.stderr) == (1, "failed: check env-test\n")
    assert targets[-1] == "lake-test"


def test_all_targets_run_except_the_long_ones(tmp_path: Path) -> None:
    targets, result = run(tmp_path, "")
    assert (result.returncode, result.stderr) == (0, "")
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    checks = {rule for rule in rules if rule in ("check", "scan", "test") or rule.endswith("-test")}
    assert sorted(targets) == sorted(checks)
