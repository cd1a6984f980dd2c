"""Systems other than Linux: without awslambdaric, setpriv and Linux's paths of file descriptors.

macOS itself is not available here. `make run` lacks on Linux what macOS does not have.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local import ROOT
from tests.env.conftest import Start

pytestmark = pytest.mark.timeout(900)  # the first test in the session also waits for the installation
EMULATED = ("test_http_contract.py", "test_local_gateway.py", "test_local_scheduler.py", "test_secret_failures.py")
"""Tests that run the three functions in sandboxes."""
OTHER_SYSTEM = """
import os, urllib.request
del os.memfd_create, os.pidfd_open
system_settings = {"http": "http://127.0.0.1:1", "https": "http://127.0.0.1:1"}
urllib.request.getproxies = lambda: urllib.request.getproxies_environment() or system_settings
"""
"""Module for every Python of an environment. It removes Linux's functions and adds macOS's settings of proxies."""
AS_USER = ["unshare", "--user", "--map-user=65534", "--map-group=65534"] if os.geteuid() == 0 else []
"""Command prefix that gives root the id of an ordinary user and no capabilities. Its files remain its own."""


def test_the_functions_behind_our_own_runtime_client_pass_the_tests_of_the_gateway() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "tests.env.without_awslambdaric", "-p", "no:cacheprovider"]
    command += [f"tests/integration/{name}" for name in EMULATED]
    tests = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "runtime client: own" in tests.stdout


@pytest.fixture
def other_system(fresh: Path, installed: Path) -> Path:
    """Return a checkout with an environment as on macOS."""
    shutil.copytree(installed, fresh / ".venv", symlinks=True, copy_function=os.link)
    [packages] = (fresh / ".venv").glob("lib/python*/site-packages")
    for pattern in ("awslambdaric*", "runtime_client*", "simplejson*"):
        for path in packages.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (packages / "other_system.py").write_text(OTHER_SYSTEM)
    (packages / "other_system.pth").write_text("import other_system\n")
    (fresh / "bin").mkdir()
    for program in ("make", "unshare"):
        (fresh / "bin" / program).symlink_to(str(shutil.which(program)))
    return fresh


def test_make_run_needs_nothing_that_macos_lacks(other_system: Path, start: Start) -> None:
    path = str(other_system / "bin")  # without setpriv: local/guard.py ends the children
    killed = start(other_system, prefix=AS_USER, PATH=path)
    killed.wait_for_line("functions +with the project's own runtime client instead of awslambdaric")
    killed.wait_until_serving()
    os.killpg(killed.process.pid, signal.SIGKILL)
    killed.wait()

    run = start(other_system, prefix=AS_USER, PATH=path)
    run.wait_for_line("the schema is up to date")
    run.wait_until_serving()
    data = other_system / ".data" / "postgres" / "data"
    assert f'"-D" "{data}"' in (data / "postmaster.opts").read_text()
    run.stop()
