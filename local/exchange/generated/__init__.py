"""Generated exchange, which changes with time and is reproducible from a seed."""

from local.exchange.catalogue import Exchange
from local.exchange.clock import Clock
from local.exchange.generated.exchange import GeneratedExchange


def generate(seed: int, size: int, clock: Clock, *, archived: int = 0) -> Exchange:
    """Return the exchange of a seed with about `size` live markets at any time, in addition to combos.

    `archived`: number of archived markets when the clock starts, in addition; it grows with time.
    The contents at an instant depend only on the seed, the size and the instant, and on how far back the archive
    reaches.
    """
    return GeneratedExchange(seed, size, clock, archived)
