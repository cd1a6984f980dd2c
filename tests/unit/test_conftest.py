"""Rules for every test: which tests are deselected, and that no proxy is used."""

import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import httpx
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
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the other plugins take seconds to load
    plugins = ["-p", "xdist", "-p", "pytest_timeout"]
    command = [sys.executable, "-m", "pytest", *plugins, "--numprocesses", processes, "tests"]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    reasons = re.findall(r"^DESELECTED \[(\d+)\] (.+)$", run.stdout, re.MULTILINE)
    expected = [("1", "RECORDINGS names no folder")]
    if sys.version_info < SDK_PYTHON:
        expected.insert(0, ("3", f"kalshi-python-sync needs Python 3.13, this is {platform.python_version()}"))
    assert reasons == expected
    assert f"{5 - sum(int(count) for count, _ in expected)} passed" in run.stdout
    assert run.returncode == 0


def test_the_sdk_is_installed_on_the_pythons_that_run_its_tests() -> None:
    oldest = ".".join(map(str, SDK_PYTHON))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [wanted] = [name for name in project["optional-dependencies"]["dev"] if name.startswith("kalshi-python-sync")]
    assert wanted.endswith(f" ; python_version >= '{oldest}'")
    lock = (ROOT / "tests" / "requirements.txt").read_text(encoding="utf-8")
    [marker] = re.findall(r"^kalshi-python-sync==\S+ ; (.+) \\$", lock, re.MULTILINE)
    assert marker == f"python_full_version >= '{oldest}'"


def test_no_proxy_is_used_for_a_server_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert httpx.head(f"http://127.0.0.1:{server.server_port}/nothing").status_code == 404
        thread.join()
