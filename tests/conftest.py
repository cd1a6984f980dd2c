"""What every test may use."""

import os

import pytest

pytest.register_assert_rewrite("tests.http_contract")

FOLDERS = {"recordings": "RECORDINGS", "schemas": "KALSHI_SCHEMAS"}
"""By marker: the variable that names the folder which its tests read."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that read a folder which is not there are deselected; each has a twin that needs none."""
    absent = [marker for marker, variable in FOLDERS.items() if not os.environ.get(variable)]
    deselected = [item for item in items if any(item.get_closest_marker(marker) for marker in absent)]
    config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if item not in deselected]
