"""Size of the property tests: a small deterministic run, or a long random one with HYPOTHESIS_PROFILE=soak.

It is not a Hypothesis profile, because a profile applies to all other tests of the run too.
"""

import os
import random
from typing import Final

from hypothesis import HealthCheck, settings

SOAK: Final = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
TABLE_SEEDS: Final = [random.SystemRandom().randrange(10**6) for _ in range(3)] if SOAK else [1]
"""Seeds of the tables; the seed is in the test's name."""


def examples(small: int, soak: int) -> settings:
    """Return settings for this many examples in a small run and in a long one. A failure prints its reproduction."""
    return settings(
        max_examples=soak if SOAK else small,
        derandomize=not SOAK,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
