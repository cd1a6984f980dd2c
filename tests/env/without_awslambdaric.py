"""Plugin of pytest that hides awslambdaric from the emulator of Lambda."""

import importlib.util

from local.lambda_runtime.client_command import runtime_client

_find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "awslambdaric" else _find_spec(name, *rest)


def pytest_report_header() -> str:
    """Return the line of pytest's header with the runtime client of the sandboxes."""
    return f"runtime client: {runtime_client({})}"
