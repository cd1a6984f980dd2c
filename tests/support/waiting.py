"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable
from typing import Final

_SECONDS: Final = 90.0
"""Limit of one wait. It is generous for a machine with other load."""


def wait_until(condition: Callable[[], object], message: str = "The condition stays false.") -> None:
    """Wait until a condition is true. Raise an AssertionError with the message if it stays false."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)
