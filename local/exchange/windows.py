"""Between which instants the events of a stratum must have been created to be in a listing.

Every condition of a listing is such a window, since all that happens to an event of a stratum has a fixed age.
"""

from local.exchange.catalogue import Wanted
from local.exchange.cursor import Position
from local.exchange.plan import AFTER_SETTLING
from local.exchange.strata import Stratum

Window = tuple[int, int]  # of instants, both included

ALWAYS: Window = (-(2**62), 2**62)


def phase_window(stratum: Stratum, phase: str | None, now: int) -> Window:
    """Of the events whose markets are in a phase (a word of the status filter) now."""
    opens, ends, settled = now - stratum.opens, now - stratum.ends, now - stratum.settled
    pauses, resumes = (now - age for age in stratum.paused)
    return {
        None: ALWAYS,
        "unopened": (opens, now),
        "open": (ends, opens),
        "paused": (resumes, pauses),
        "closed": (settled, ends),
        "settled": (ALWAYS[0], settled),
    }[phase]


def time_window(age: int, wanted: Wanted) -> Window:
    """Of the events that were so old at a time within the bounds of a listing."""
    first = ALWAYS[0] if wanted.first is None else wanted.first - age
    return first, ALWAYS[1] if wanted.last is None else wanted.last - age


def cursor_window(age: int, after: Position | None) -> Window:
    """Of the events behind a position in the order of the times at which they are so old."""
    return ALWAYS if after is None else (ALWAYS[0], after.at - age)


def update_windows(stratum: Stratum, wanted: Wanted, now: int) -> list[Window]:
    """Of the events that may have been edited last within the bounds of a listing."""
    ages = (0, *stratum.edits, stratum.ends, stratum.settled + AFTER_SETTLING)
    return [overlap(time_window(age, wanted), (ALWAYS[0], now - age)) for age in ages]


def overlap(*windows: Window) -> Window:
    return max(first for first, _ in windows), min(last for _, last in windows)
