"""The project's functions, as template.yaml describes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local import PYTHON_PATH
from local.lambda_runtime.sandbox import FunctionSpec

TIMEOUTS: Final = {"api": 29.0, "crawler": 120.0, "migrator": 900.0}
"""Seconds, by function."""


def function_spec(name: str, environment: Mapping[str, str]) -> FunctionSpec:
    """One of `api`, `crawler` and `migrator`, with these variables."""
    code, *layers = PYTHON_PATH
    return FunctionSpec(
        name=f"kalshi-markets-{name}",
        handler=f"{name}.handler.handler",
        directory=Path(code),
        python_path=tuple(layers),
        environment=environment,
        timeout=TIMEOUTS[name],
    )
