"""The project's functions, as described in template.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local import PYTHON_PATH
from local.lambda_runtime.sandbox import FunctionSpec

TIMEOUTS: Final = {"api": 29.0, "authorizer": 10.0, "crawler": 120.0, "migrator": 900.0}
"""Timeout of each function in seconds."""


def function_spec(name: str, environment: Mapping[str, str]) -> FunctionSpec:
    """Return the specification of `api`, `authorizer`, `crawler` or `migrator` with the given environment variables."""
    code, *layers = PYTHON_PATH
    return FunctionSpec(
        name=f"kalshi-markets-{name}",
        handler=f"{name}.handler.handler",
        directory=Path(code),
        python_path=tuple(layers),
        environment=environment,
        timeout=TIMEOUTS[name],
    )
