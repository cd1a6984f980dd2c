"""How much the property tests ask: a small run that is always the same, or with HYPOTHESIS_PROFILE=soak a long one that
never is. Not a profile of hypothesis itself: that would hold for every other test of the run too."""

import os
import random
from typing import Final

from hypothesis import HealthCheck, settings

SOAK: Final = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
TABLE_SEEDS: Final = [random.SystemRandom().randrange(10**6) for _ in range(3)] if SOAK else [1]
"""Each makes a table; the seed is in the test's name."""


def examples(small: int, soak: int) -> settings:
    """So many in a small run, so many in a long one; a failing one is told with what repeats it."""
    return settings(
        max_examples=soak if SOAK else small,
        derandomize=not SOAK,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
