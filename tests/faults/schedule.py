"""Random schedules: what happens to a crawl, drawn from a seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from local.exchange.clock import DAY, HOUR, SECOND

Trouble = Literal[
    "none", "kill the crawler", "kill PostgreSQL", "restart PostgreSQL", "cut connections", "refuse writes"
]
TROUBLES: Final[tuple[Trouble, ...]] = (
    *("none", "kill the crawler", "kill the crawler"),
    *("kill PostgreSQL", "restart PostgreSQL", "cut connections", "refuse writes"),
)
LEAPS: Final = (0, 20 * SECOND, 3 * 60 * SECOND, HOUR, 7 * HOUR, DAY, 3 * DAY, 61 * DAY)
_FAULTS: Final[tuple[dict[str, object], ...]] = (
    {"kind": "429"},
    {"kind": "5xx", "status": "503"},
    {"kind": "5xx", "status": "502"},
    {"kind": "latency", "seconds": 0.3},
    {"kind": "latency", "seconds": 5},
    {"kind": "cut"},
    {"kind": "truncated"},
    {"kind": "malformed"},
    {"kind": "short_page", "rows": 7},
    {"kind": "repeated_cursor"},
    {"kind": "empty_page"},
    {"kind": "unstorable", "content": "nul"},
    {"kind": "unstorable", "content": "surrogate"},
    {"kind": "unstorable", "content": "number"},
    {"kind": "unstorable", "content": "nesting"},
    {"kind": "unstorable", "content": "year"},
    {"kind": "field_drift", "change": "new"},
    {"kind": "field_drift", "change": "retyped", "member": "volume_fp"},
    {"kind": "clock_skew", "seconds": 20},
    {"kind": "clock_skew", "seconds": -90},
)
_PATHS: Final = ("*", "/markets*", "*status=*", "*settled_ts*", "/historical/*", "/events*", "/series*", "*tickers=*")


@dataclass(frozen=True)
class Round:
    """One invocation and what befalls it. leap: of the exchange's clock before it, in microseconds; speed: while it runs.

    hides: the share of the open markets that the exchange does not have any more, or not for now.
    after: seconds until the trouble begins, if the invocation lasts so long; twice: whether the event comes twice.
    """

    leap: int
    speed: float
    hides: float
    faults: tuple[dict[str, object], ...]
    trouble: Trouble
    after: float
    twice: bool


def rounds(seed: int) -> Iterator[Round]:
    """The rounds of a schedule: the first ones meet an empty table."""
    chance = random.Random(seed)
    for _ in range(chance.randint(2, 4)):
        faults = [
            {
                **chance.choice(_FAULTS),
                "path": chance.choice(_PATHS),
                "probability": chance.choice((0.05, 0.3, 0.7)),
                "seed": chance.randrange(1000),
            }
            for _ in range(chance.randint(0, 3))
        ]
        yield Round(
            leap=chance.choice(LEAPS),
            speed=chance.choice((0, 1, 60, 3600)),
            hides=chance.choice((0.0, 0.05, 0.2)),
            faults=tuple(faults),
            trouble=chance.choice(TROUBLES),
            after=chance.uniform(0.0, 1.2),
            twice=chance.random() < 0.2,
        )
