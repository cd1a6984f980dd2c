"""Windows: bounds of the creation times of a cohort's events that match a listing.

Every condition of a listing is a window, because everything that happens to an event of a cohort has a fixed age.
"""

from local.exchange.catalogue import MarketFilter
from local.exchange.cursor import Position
from local.exchange.generated.cohorts import Cohort
from local.exchange.generated.event_spec import LAST_EDIT_DELAY

Window = tuple[int, int]  # of instants, both inclusive

ALWAYS: Window = (-(2**62), 2**62)


def phase_window(cohort: Cohort, phase: str | None, now: int) -> Window:
    """Return the window of the events whose markets are in a phase (a value of the status filter) at `now`."""
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
    """Return the window of the events that reach an age within the time bounds of a filter."""
    first = ALWAYS[0] if filter_.first is None else filter_.first - age
    return first, ALWAYS[1] if filter_.last is None else filter_.last - age


def cursor_window(age: int, after: Position | None) -> Window:
    """Return the window of the events after a cursor position, in a listing sorted by the time at this age."""
    return ALWAYS if after is None else (ALWAYS[0], after.at - age)


def update_windows(cohort: Cohort, filter_: MarketFilter, now: int) -> list[Window]:
    """Return the windows of the events whose last edit may be within the time bounds of a filter."""
    ages = (0, *cohort.edits, cohort.ends, cohort.settled + LAST_EDIT_DELAY)
    return [overlap(time_window(age, filter_), (ALWAYS[0], now - age)) for age in ages]


def overlap(*windows: Window) -> Window:
    return max(first for first, _ in windows), min(last for _, last in windows)
