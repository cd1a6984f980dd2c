"""Test selection and summary of the test suite."""

import os
import platform
import signal
import sys

import pytest

pytest.register_assert_rewrite("tests.support")

# A proxy in the machine's variables is for the package registry, not for the servers of the tests.
os.environ["no_proxy"] = f"{os.environ.get('no_proxy') or os.environ.get('NO_PROXY', '')},127.0.0.1,localhost".lstrip(
    ","
)

# A background job of a shell ignores Ctrl+C, and the programs that a test starts would ignore it, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

FOLDERS = {"recordings": "RECORDINGS", "schemas": "KALSHI_SCHEMAS"}
"""Environment variable, by marker, that names the folder of test data."""
SDK_PYTHON = (3, 13)
"""Oldest Python that kalshi-python-sync 3.34 supports (pypi.org/project/kalshi-python-sync)."""
DESELECTED = pytest.StashKey[dict[str, int]]()
"""Number of deselected tests, by reason."""


def unmet() -> dict[str, str]:
    """Return, by marker, the reason why its tests cannot run here."""
    reasons = {marker: f"{name} names no folder" for marker, name in FOLDERS.items() if not os.environ.get(name)}
    if sys.version_info < SDK_PYTHON:
        needed = ".".join(map(str, SDK_PYTHON))
        reasons["sdk"] = f"kalshi-python-sync needs Python {needed}, this is {platform.python_version()}"
    return reasons


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that cannot run here and count them for the summary."""
    selected: list[pytest.Item] = []
    deselected: list[pytest.Item] = []
    counts: dict[str, int] = {}
    reasons = unmet()
    for item in items:
        if reason := next((reasons[marker.name] for marker in item.iter_markers() if marker.name in reasons), None):
            counts[reason] = counts.get(reason, 0) + 1
            deselected.append(item)
        else:
            selected.append(item)
    config.stash[DESELECTED] = counts
    config.hook.pytest_deselected(items=deselected)
    items[:] = selected


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts from a pytest-xdist worker to the controller, which prints the summary."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["deselected"] = session.config.stash[DESELECTED]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Store the counts of a pytest-xdist worker; each worker collects all tests."""
    config, output = getattr(node, "config", None), getattr(node, "workeroutput", {})  # a worker that crashed has none
    if config is not None and "deselected" in output:
        config.stash[DESELECTED] = output["deselected"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the number of deselected tests for each reason."""
    for reason, count in config.stash.get(DESELECTED, {}).items():
        terminalreporter.write_line(f"DESELECTED [{count}] {reason}")
