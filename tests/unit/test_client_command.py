"""Choice of the runtime client."""

import importlib.util
from collections.abc import Sequence
from typing import Any

import pytest

from local.lambda_runtime.client_command import client_command, runtime_client


def hide(monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> None:
    """Make modules look as if they were not installed."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in names else find_spec(name, *rest)
    )


def test_the_default_is_awslambdaric_where_it_is_installed() -> None:
    assert runtime_client({}) == "awslambdaric"
    assert client_command({}, "app.handler")[-3:] == ["-m", "awslambdaric", "app.handler"]


@pytest.mark.parametrize("missing", [["awslambdaric", "runtime_client"], ["runtime_client"]], ids=["all", "extension"])
def test_the_default_is_our_own_where_awslambdaric_is_missing_or_has_no_extension(
    monkeypatch: pytest.MonkeyPatch, missing: list[str]
) -> None:
    hide(monkeypatch, missing)
    assert runtime_client({}) == runtime_client({"RUNTIME_CLIENT": ""}) == "own"
    assert client_command({}, "app.handler")[-2].endswith("/runtime_client.py")


@pytest.mark.parametrize("chosen", ["awslambdaric", "own"])
def test_a_variable_takes_precedence(monkeypatch: pytest.MonkeyPatch, chosen: Any) -> None:
    assert runtime_client({"RUNTIME_CLIENT": chosen}) == chosen
    hide(monkeypatch, ["awslambdaric", "runtime_client"])
    assert runtime_client({"RUNTIME_CLIENT": chosen}) == chosen
