"""A made-up exchange, alive and repeatable."""

from local.exchange.catalogue import Exchange
from local.exchange.clock import Clock
from local.exchange.generated.exchange import GeneratedExchange


def generate(seed: int, size: int, clock: Clock, *, archived: int = 0) -> Exchange:
    """The exchange of a seed with about `size` live markets at any time, and combos besides.

    `archived` is how many more lie behind the cutoff when the clock starts; as time passes they become more. Apart from
    how far back the archive reaches, what there is at an instant follows from the seed, the size and the instant alone.
    """
    return GeneratedExchange(seed, size, clock, archived)
