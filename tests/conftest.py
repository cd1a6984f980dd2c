"""What every test may use."""

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without RECORDINGS the tests over recordings are deselected; each has a twin over generated data."""
    if os.environ.get("RECORDINGS"):
        return
    without = [item for item in items if not item.get_closest_marker("recordings")]
    config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("recordings")])
    items[:] = without
