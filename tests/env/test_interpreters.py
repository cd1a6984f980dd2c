"""Tests on every other Python of this machine, each in its own environment, `.venv-3.11` for 3.11.

The oldest one runs all tests but the slow ones. The others run the unit tests.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import ROOT

OLDEST = (3, 11)
FOLDERS = (
    *map(Path, os.get_exec_path()),
    *Path.home().glob(".pyenv/versions/*/bin"),
    *Path.home().glob(".local/share/uv/python/*/bin"),
    *Path("/opt/hostedtoolcache/Python").glob("*/x64/bin"),
    Path("/usr/bin"),
    Path("/usr/local/bin"),
)
CHECK = "import ensurepip, sys, venv; print(*sys.version_info[:4])"
SLOW = (
    "tests/faults/test_schedules.py",
    "tests/integration/test_candlestick_size.py",
    "tests/integration/test_lake_compact.py",
    "tests/integration/test_lake_schedules.py",
    "tests/integration/test_readme.py",
    "tests/integration/test_rotation.py",
    "tests/integration/test_stack.py",
    "tests/properties/test_candlesticks.py",
    "tests/properties/test_hostile.py",
)
"""Tests that are left out here: a third of the suite's time. The matrix of the workflow runs all on every version."""
TIMEOUT_SECONDS = 1_800


def versions(folders: Iterator[Path]) -> dict[str, Path]:
    """Return the interpreters in folders that can create environments, one for each minor version, the oldest first."""
    interpreters: dict[tuple[int, int], Path] = {}
    for python in (path for folder in folders for path in sorted(folder.glob("python3.*"))):
        if not re.fullmatch(r"python3\.\d+", python.name):
            continue
        run = subprocess.run([python, "-c", CHECK], capture_output=True, text=True, check=False)
        if run.returncode == 0:  # a shim of pyenv fails for a version that is not selected
            major, minor, _, level = run.stdout.split()
            if level == "final" and (int(major), int(minor)) >= OLDEST:
                interpreters.setdefault((int(major), int(minor)), python)
    return {f"{major}.{minor}": interpreters[major, minor] for major, minor in sorted(interpreters)}


INTERPRETERS = versions(folder for folder in FOLDERS if folder.is_dir())
OTHERS = {name: path for name, path in INTERPRETERS.items() if name != f"3.{sys.version_info.minor}"}


def minor(version: str) -> int:
    """Return the minor version, such as 11 for 3.11."""
    return int(version.removeprefix("3."))


def test_this_machine_has_more_than_one_interpreter() -> None:
    assert OTHERS != {}, f"it has {', '.join(INTERPRETERS)} alone"


@pytest.mark.timeout(TIMEOUT_SECONDS)
@pytest.mark.parametrize("version", OTHERS)
def test_the_tests_pass(version: str, capfd: pytest.CaptureFixture[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "MAKE"))}
    environment |= {"VENV": f".venv-{version}", "PYTHON": str(OTHERS[version])}
    with capfd.disabled():
        print(f"\npython {version}: {OTHERS[version]}", flush=True)
        subprocess.run([OTHERS[version], "local/environment.py", "tests"], cwd=ROOT, env=environment, check=True)
        selected = [f"--ignore={path}" for path in SLOW] if version == min(OTHERS, key=minor) else ["tests/unit"]
        options = ["-q", "--numprocesses=3", "--dist=loadscope", "--no-loadscope-reorder", *selected]
        command = [f".venv-{version}/bin/python", "-m", "pytest", *options]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as suite:
            assert suite.stdout is not None
            line = ""
            for line in suite.stdout:
                print(f"python {version}: {line}", end="", flush=True)
    assert suite.returncode == 0, line


def test_the_modules_that_are_left_out_exist() -> None:
    assert [path for path in SLOW if not (ROOT / path).exists()] == []
