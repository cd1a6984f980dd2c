"""Between which instants the events of a stratum must have been created to be in a listing.

Every condition of a listing is such a window, since all that happens to an event of a stratum has a fixed age.
"""

from local.exchange.catalogue import MarketFilter
from local.exchange.cursor import Position
from local.exchange.generated.cohorts import Cohort
from local.exchange.generated.event_spec import LAST_EDIT_DELAY

Window = tuple[int, int]  # of instants, both included

ALWAYS: Window = (-(2**62), 2**62)


def phase_window(cohort: Cohort, phase: str | None, now: int) -> Window:
    """Of the events whose markets are in a phase (a word of the status filter) now."""
    opens, ends, settled = now - cohort.opens, now - cohort.ends, now - cohort.settled
    pauses, resumes = (now - age for age in cohort.paused)
    return {
        None: ALWAYS,
        "unopened": (opens, now),
        "open": (ends, opens),
        "paused": (resumes, pauses),
        "closed": (settled, ends),
        "settled": (ALWAYS[0], settled),
    }[phase]


def time_window(age: int, filter_: MarketFilter) -> Window:
    """Of the events that were so old at a time within the bounds of a listing."""
    first = ALWAYS[0] if filter_.first is None else filter_.first - age
    return first, ALWAYS[1] if filter_.last is None else filter_.last - age


def cursor_window(age: int, after: Position | None) -> Window:
    """Of the events behind a position in the order of the times at which they are so old."""
    return ALWAYS if after is None else (ALWAYS[0], after.at - age)


def update_windows(cohort: Cohort, filter_: MarketFilter, now: int) -> list[Window]:
    """Of the events that may have been edited last within the bounds of a listing."""
    ages = (0, *cohort.edits, cohort.ends, cohort.settled + LAST_EDIT_DELAY)
    return [overlap(time_window(age, filter_), (ALWAYS[0], now - age)) for age in ages]


def overlap(*windows: Window) -> Window:
    return max(first for first, _ in windows), min(last for _, last in windows)
