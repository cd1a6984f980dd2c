"""Duration of each step of `make lake-test`, printed at its end."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

CHANGES: Final = int(os.environ.get("LAKE_CHANGES") or 200_000)
"""Number of changes of the generated lake."""
SECONDS: Final[dict[str, float]] = {}
"""Duration of each step by its name."""


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Measure a step."""
    started = time.monotonic()
    yield
    SECONDS[name] = time.monotonic() - started
