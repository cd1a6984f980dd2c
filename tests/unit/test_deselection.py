"""Tests that cannot run here are deselected, and the summary has their number and the reason."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SDK_PYTHON

ROOT = Path(__file__).parent.parent.parent
SAMPLE = """
import pytest

@pytest.mark.sdk
@pytest.mark.parametrize("number", range(3))
def test_of_the_sdk(number): pass

@pytest.mark.recordings
def test_of_a_recording(): pass

def test_of_everybody(): pass
"""


@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_summary_names_each_reason_and_the_number_of_its_tests(tmp_path: Path, processes: str) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", tests)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tests / "test_sample.py").write_text(SAMPLE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment.pop("RECORDINGS", None)
    command = [sys.executable, "-m", "pytest", "--numprocesses", processes, "tests"]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    reasons = re.findall(r"^DESELECTED \[(\d+)\] (.+)$", run.stdout, re.MULTILINE)
    expected = [("1", "RECORDINGS names no folder")]
    if sys.version_info < SDK_PYTHON:
        expected.insert(0, ("3", f"kalshi-python-sync needs Python 3.13, this is {platform.python_version()}"))
    assert reasons == expected
    assert f"{5 - sum(int(count) for count, _ in expected)} passed" in run.stdout
    assert run.returncode == 0
