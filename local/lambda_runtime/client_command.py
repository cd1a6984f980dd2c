"""Command of a sandbox's process: awslambdaric, or our own runtime client where awslambdaric does not work."""

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

AWSLAMBDARIC: Final = "awslambdaric"
OWN_CLIENT: Final = "own"
RUNTIME_CLIENTS: Final = (AWSLAMBDARIC, OWN_CLIENT)
"""Values of RUNTIME_CLIENT: AWS's client for Python, and runtime_client.py."""


def runtime_client(environment: Mapping[str, str]) -> str:
    """Return the runtime client that RUNTIME_CLIENT selects. The default is awslambdaric where it works."""
    # On macOS awslambdaric may be installed without its extension module, runtime_client. It can be imported then, but
    # receives no events (github.com/aws/aws-lambda-python-runtime-interface-client/issues/22).
    works = all(importlib.util.find_spec(name) for name in ("awslambdaric", "runtime_client"))
    return environment.get("RUNTIME_CLIENT") or (AWSLAMBDARIC if works else OWN_CLIENT)


def client_command(environment: Mapping[str, str], handler: str) -> list[str]:
    """Return the command that calls a handler with the events of the Runtime API.

    environment: the function's variables.
    handler: name of the function, such as api.handler.handler.
    """
    if runtime_client(environment) == AWSLAMBDARIC:
        return [sys.executable, "-m", "awslambdaric", handler]
    # With -P, the modules beside the file are not on the import path.
    return [sys.executable, "-P", str(Path(__file__).with_name("runtime_client.py")), handler]
