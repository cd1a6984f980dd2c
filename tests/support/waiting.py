"""Waiting for what another thread or process does, and for the end of a day."""

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


def wait_for_one_day(seconds: float = 30.0) -> None:
    """Return when the next seconds are of one day in UTC, because what the caller compares depends on the day."""
    left = 86_400 - time.time() % 86_400
    if left < seconds:
        time.sleep(left)
