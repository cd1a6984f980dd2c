"""Random schedules of a crawl's disruptions, generated from a seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from local.exchange.clock import DAY, HOUR, SECOND
from local.exchange.faults.rewrites import MARKET, UNUSUAL

_Fault = dict[str, object]
Disruption = Literal[
    "none", "kill the crawler", "kill PostgreSQL", "restart PostgreSQL", "cut connections", "refuse writes"
]
DISRUPTIONS: Final[tuple[Disruption, ...]] = (
    *("none", "kill the crawler", "kill the crawler"),
    *("kill PostgreSQL", "restart PostgreSQL", "cut connections", "refuse writes"),
)
CLOCK_JUMPS: Final = (0, 20 * SECOND, 3 * 60 * SECOND, HOUR, 7 * HOUR, DAY, 4 * DAY, 9 * DAY, 61 * DAY)
_FAULTS: Final[tuple[_Fault, ...]] = (
    {"kind": "429"},
    {"kind": "5xx", "status": "503"},
    {"kind": "5xx", "status": "502"},
    {"kind": "latency", "seconds": 0.3},
    {"kind": "latency", "seconds": 5},
    {"kind": "cut"},
    {"kind": "truncated"},
    {"kind": "malformed"},
    {"kind": "html"},
    {"kind": "short_page", "rows": 7},
    {"kind": "repeated_cursor"},
    {"kind": "empty_page"},
    {"kind": "null_list"},
    {"kind": "extra_members"},
    {"kind": "extra_members", "place": "behind", "content": "list"},
    {"kind": "extra_members", "within": "rows"},
    {"kind": "sorted_members"},
    {"kind": "sorted_members", "within": "rows"},
    {"kind": "paged_series", "rows": 5},
    {"kind": "unstorable", "content": "nul"},
    {"kind": "unstorable", "content": "surrogate"},
    {"kind": "unstorable", "content": "number"},
    {"kind": "unstorable", "content": "nesting"},
    {"kind": "unstorable", "content": "year"},
    {"kind": "field_drift", "change": "added"},
    {"kind": "field_drift", "change": "type_changed", "member": "volume_fp"},
    {"kind": "clock_skew", "seconds": 20},
    {"kind": "clock_skew", "seconds": -90},
)
_UNUSUAL: Final[list[_Fault]] = [
    {"kind": "unusual", "content": content, "share": 0.3, "path": "*status=*"}
    for content, (mark, _) in UNUSUAL.items()
    if mark == MARKET
]
"""Faults for listings whose markets a later pass lists without the fault."""
_PAGES: Final[_Fault] = {"kind": "short_page", "rows": 7, "path": "*markets*"}
"""Fault for small pages in addition to the other faults, so that there are cursors to lose."""
_LASTING: Final[tuple[tuple[_Fault, ...], ...]] = (
    (
        {"kind": "archive_tail", "ending": "early"},
        {"kind": "archive_tail", "ending": "early", "rows": 30},
        {"kind": "archive_tail", "ending": "loop"},
        {"kind": "archive_tail", "ending": "loop", "rows": 30},
    ),
    (
        {"kind": "ignored_filters", "filters": "*_created_ts"},
        {"kind": "ignored_filters", "filters": "*_updated_ts"},
        {"kind": "ignored_filters", "filters": "*_settled_ts"},
        {"kind": "ignored_filters", "filters": "status"},
    ),
    ({"kind": "paged_series", "rows": 5}, {"kind": "sorted_members"}),
    tuple(_UNUSUAL),
)
"""Permanent faults, which have no probability. A step has at most one of each tuple, so that none contradict."""
_COSTS: Final[tuple[dict[str, int], ...]] = (
    *({}, {}, {"/markets": 20}, {"/series": 300, "/historical/markets": 50}),
    *({"/historical/markets": 1_000_000}, {"/events": 1_000_000}),
)
_PATHS: Final = ("*", "/markets*", "*status=*", "*settled_ts*", "/historical/*", "/events*", "/series*", "*tickers=*")


@dataclass(frozen=True)
class Step:
    """One invocation with its disruption.

    clock_jump: microseconds by which the exchange's clock advances before the invocation.
    speed: speed of the exchange's clock during the invocation.
    hidden_share: share of the open markets that the exchange hides.
    faults: rules of the exchange.
    costs: tokens by path.
    seconds: maximum duration of the invocation; with the longest every pass is completed in most rounds.
    disruption: event during the invocation.
    disruption_delay: maximum seconds from the start of the invocation to the disruption.
    duplicate_invocation: True for two concurrent invocations.
    """

    clock_jump: int
    speed: float
    hidden_share: float
    faults: tuple[_Fault, ...]
    costs: dict[str, int]
    seconds: float
    disruption: Disruption
    disruption_delay: float
    duplicate_invocation: bool


def make_steps(seed: int) -> Iterator[Step]:
    """Yield the steps of a schedule; the first one has an empty table."""
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
        faults += [_PAGES] * chance.randint(0, 1) + [
            chance.choice(kinds) for kinds in chance.sample(_LASTING, chance.choice((0, 1, 2)))
        ]
        yield Step(
            clock_jump=chance.choice(CLOCK_JUMPS),
            speed=chance.choice((0, 1, 60, 3600)),
            hidden_share=chance.choice((0.0, 0.05, 0.2)),
            faults=tuple(faults),
            costs=chance.choice(_COSTS),
            seconds=chance.choice((1.5, 4, 12)),
            disruption=chance.choice(DISRUPTIONS),
            disruption_delay=chance.uniform(0.0, 1.2),
            duplicate_invocation=chance.random() < 0.2,
        )
