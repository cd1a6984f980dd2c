"""Cohorts of events with the same life course, each created at a constant rate without an end.

Event `n` of a cohort is created in the n-th interval after the cohort's origin, and everything that happens to it has a
fixed age. Every time is therefore an increasing function of `n`. The events that were created, opened, closed or
settled between two instants are one range of numbers, found by division. No event is stored, so their number does not
matter.
"""

from dataclasses import dataclass
from itertools import accumulate
from random import Random

from local.exchange.clock import DAY, HOUR, SECOND, parse
from local.exchange.generated.families import FAMILIES, Family
from local.exchange.generated.vocabulary import Subject

LIVE_DAYS = 60  # days in the live tier after settlement (observed on production, 2026-08 to 2026-10)
ORIGIN = parse("2016-01-01T00:00:00Z")  # no event is older, except in the historical cohort
QUARTER_HOUR = 900 * SECOND
MAX_ARCHIVE_DAYS = 3 * 365  # age of the oldest archived market when the exchange starts

# Numbers of markets per event: median 4, 90 % have up to 17.
SIZES = (
    4, 1, 2, 24, 1, 7, 3, 1, 5, 2, 10, 1, 4, 3, 40, 2, 1, 6, 8, 1, 3, 17, 2, 5, 1, 9, 2, 4, 30, 1, 3,
    6, 2, 12, 1, 7, 4, 2, 60, 3, 1, 5, 8, 2, 14, 1, 6, 3, 10, 2, 20, 1, 4, 7, 3, 16, 9, 6, 12, 5, 8,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Life course of a cohort's events: durations in hours, each from the end of the previous one.

    `share`: fraction of the exchange's live markets.
    `families`: tickers of the families, separated by spaces.
    `pre_open`: creation to opening.
    `trading`: opening to the scheduled close.
    `early_close`: opening to the real close of events that close early, else 0.
    `determination_delay`: close to determination.
    `settlement_delay`: determination to settlement.
    `quirk`: special property of the markets, or "".
    """

    share: float
    families: str
    pre_open: float
    trading: float
    early_close: float
    determination_delay: float
    settlement_delay: float
    quirk: str = ""


LIFECYCLES = (
    Lifecycle(0.012, "KX{code}", 1, 0.25, 0, 0.02, 0.1),
    Lifecycle(0.005, "KX{code} KX{code}D", 1, 1, 0, 0.02, 0.1),
    Lifecycle(0.008, "KX{code}D", 3, 24, 0, 0.02, 0.1),
    Lifecycle(0.012, "KXHIGH{code}", 20, 30, 0, 4, 1),
    Lifecycle(0.012, "KX{code}FIRST KX{code}TOTAL", 72, 90, 60, 1, 1),
    Lifecycle(0.040, "KX{code}GAME", 200, 700, 400, 1, 3),
    Lifecycle(0.030, "KXSAY{code}", 60, 200, 150, 20, 30),
    Lifecycle(0.035, "KXRAIN-{code}", 700, 700, 0, 60, 24),
    Lifecycle(0.070, "KXCPI{code} KX{code}D", 1600, 1400, 0, 30, 10),
    Lifecycle(0.070, "KXDELIVER{code} KXRATE{code}", 1900, 2000, 0, 100, 40),
    Lifecycle(0.160, "KX{code}TOP", 3500, 5000, 4700, 120, 72),
    Lifecycle(0.140, "KXDO{code} KXDELIVER{code}", 3000, 9000, 7000, 200, 150),
    Lifecycle(0.130, "KXTEMPO{code} KX{code}GAME", 5000, 12000, 0, 200, 150),
    Lifecycle(0.140, "KXNEXT{code} KX{code}TOP", 6000, 20000, 17000, 300, 150),
    Lifecycle(0.100, "KXSAY{code} KXTEMPO{code}", 4000, 6000, 0, 90, 200),
    Lifecycle(0.030, "KXDO{code} KXCPI{code}", 200, 3000, 0, 30000, 300, "stuck"),
    Lifecycle(0.004, "KXDO{code} KXTEMPO{code}", 500, 30000, 20000, 300, 100, "far"),
    Lifecycle(0.003, "KXDELIVER{code} KX{code}GAME", 100, 2000, 0, 30, 20, "year 1"),
    Lifecycle(0.003, "KXSAY{code} KX{code}GAME", 100, 2000, 0, 30, 20, "inverted"),
    Lifecycle(0.004, "KXTEMPO{code} KX{code}GAME", 300, 1500, 0, 10, 2, "provisional"),
    Lifecycle(0.015, "", 0, 6, 0, 0.001, 0.001, "provisional combo"),
    Lifecycle(0.015, "", 0, 3, 0, 0.001, 0.001, "combo"),
)
HISTORICAL = Lifecycle(0, "KX{code}FIRST KX{code}TOTAL KX{code}GAME", 20, 90, 60, 1, 1)
SMALL_COHORTS = {"far", "year 1"}  # sorted by ticker alone, hence held in memory as one group
MAX_SMALL_COHORT_MARKETS = 600
MIN_INTERVAL = 1000  # microseconds between two events of a cohort; no exchange has so many

EventTemplate = tuple[Family, Subject, int]


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Cohort of one exchange: events created at a constant rate with the same life course.

    Ages and intervals are in microseconds.
    `template_cycle`: family, subject and size of the events, repeated in order.
    `end`: the number after the last event; only the historical cohort has one.
    """

    index: int
    origin: int
    interval: int
    template_cycle: tuple[EventTemplate, ...]
    opens: int
    schedule: int
    ends: int
    determined: int
    settled: int
    quirk: str
    end: int | None = None

    @property
    def is_combo(self) -> bool:
        return self.quirk.endswith("combo")

    @property
    def is_provisional(self) -> bool:
        return self.quirk.startswith("provisional")

    @property
    def paused(self) -> tuple[int, int]:
        """The ages between which some of its markets are paused."""
        active = self.ends - self.opens
        return self.opens + active * 55 // 100, self.opens + active * 67 // 100

    @property
    def edits(self) -> tuple[int, ...]:
        """The ages at which some of its events are edited."""
        return self.opens // 2, self.opens + (self.ends - self.opens) * 2 // 5

    def candidate_range(self, first: int, last: int) -> range:
        """Return a superset of the numbers of the events created in [first, last].

        Both ends have a margin, so that a time rounded down to a quarter of an hour can be used as the creation time.
        """
        slack = self.interval + QUARTER_HOUR + SECOND
        start = (first - slack - self.origin) // self.interval
        stop = (last + slack - self.origin) // self.interval + 1
        return range(max(0, start), max(0, stop if self.end is None else min(stop, self.end)))

    def certain_range(self, first: int, last: int) -> range:
        """Return only events that were certainly created in [first, last], including all their markets."""
        slack = 2 * self.interval + QUARTER_HOUR + SECOND
        start = -(-(first + slack - self.origin) // self.interval)
        stop = (last - slack - self.origin) // self.interval
        return range(max(0, start), max(0, start, stop if self.end is None else min(stop, self.end)))

    def positions_of_series(self, series_ticker: str | None) -> set[int]:
        """Return the positions of the template cycle whose events belong to a series."""
        templates = enumerate(self.template_cycle)
        return {
            position
            for position, (family, subject, _) in templates
            if family.ticker.format(code=subject.code) == series_ticker
        }

    def market_count(self, numbers: range) -> int:
        """Return the number of markets in a range of events."""
        if not self.template_cycle:
            return len(numbers)
        sums = (0, *accumulate(size for _, _, size in self.template_cycle))
        before, until = (
            number // len(self.template_cycle) * sums[-1] + sums[number % len(self.template_cycle)]
            for number in (numbers.start, numbers.stop)
        )
        return until - before if numbers else 0


def make_cohorts(seed: int, size: int, archived: int, cutoff: int) -> tuple[list[Cohort], int]:
    """Return the cohorts of an exchange with `size` live and `archived` archived markets at the start.

    Also return the instant of the earliest settlement, which is as far back as the archive reaches at the start.
    """
    cohorts = [
        _make_cohort(seed, index, lifecycle, size)
        for index, lifecycle in enumerate(LIFECYCLES)
        if size * lifecycle.share > 0
    ]
    flow = sum(
        _mean_size(cohort.template_cycle) / cohort.interval for cohort in cohorts if not cohort.is_provisional
    )  # settlements per microsecond
    depth = min(MAX_ARCHIVE_DAYS * DAY, int(archived / flow)) if cohorts else MAX_ARCHIVE_DAYS * DAY
    earliest_settlement = cutoff - depth if archived else cutoff
    remaining = archived - int(depth * flow)
    if remaining > 0 and depth == MAX_ARCHIVE_DAYS * DAY:
        cohorts.append(_make_historical_cohort(seed, remaining, earliest_settlement, cutoff))
    return cohorts, earliest_settlement


def _make_cohort(seed: int, index: int, lifecycle: Lifecycle, size: int) -> Cohort:
    template_cycle = _make_template_cycle(Random(f"{seed}/{index}"), lifecycle)
    lifetime = _ages(lifecycle)[-1] + (0 if lifecycle.quirk == "provisional combo" else LIVE_DAYS * DAY + DAY // 2)
    count = (
        min(size * lifecycle.share, MAX_SMALL_COHORT_MARKETS)
        if lifecycle.quirk in SMALL_COHORTS
        else size * lifecycle.share
    )
    interval = max(MIN_INTERVAL, int(lifetime * _mean_size(template_cycle) / count))
    shift = Random(f"{seed}/{index}/origin").randrange(interval)
    return Cohort(index, ORIGIN - shift, interval, template_cycle, *_ages(lifecycle), lifecycle.quirk)


def _make_historical_cohort(seed: int, count: int, earliest_settlement: int, cutoff: int) -> Cohort:
    """Return a cohort for the rest of the archive: all its events settled between two instants."""
    index = len(LIFECYCLES)
    template_cycle = _make_template_cycle(Random(f"{seed}/{index}"), HISTORICAL)
    events = max(1, round(count / _mean_size(template_cycle)))
    ages = _ages(HISTORICAL)
    return Cohort(
        index,
        earliest_settlement - ages[-1],
        max(MIN_INTERVAL, (cutoff - earliest_settlement) // events),
        template_cycle,
        *ages,
        "",
        events,
    )


def _ages(lifecycle: Lifecycle) -> tuple[int, int, int, int, int]:
    """Return the ages of the opening, the scheduled close, the real close, the determination and the settlement."""
    ends = lifecycle.pre_open + (lifecycle.early_close or lifecycle.trading)
    hours = (
        lifecycle.pre_open,
        lifecycle.pre_open + lifecycle.trading,
        ends,
        ends + lifecycle.determination_delay,
        ends + lifecycle.determination_delay + lifecycle.settlement_delay,
    )
    opens, schedule, closes, determined, settled = (int(hour * HOUR) for hour in hours)
    return opens, schedule, closes, determined, settled


def _make_template_cycle(draw: Random, lifecycle: Lifecycle) -> tuple[EventTemplate, ...]:
    if not lifecycle.families:
        return ()
    families = [family for family in FAMILIES if family.ticker in lifecycle.families.split(" ")]
    template_cycle = []
    for size in SIZES * 2:
        candidates = [family for family in families if size in family.sizes]
        if candidates:
            family = draw.choice(candidates)
            # The first subjects have more events than the others, so that series differ in size.
            template_cycle.append((family, family.subjects[int(len(family.subjects) * draw.random() ** 2)], size))
    draw.shuffle(template_cycle)
    return tuple(template_cycle)


def _mean_size(template_cycle: tuple[EventTemplate, ...]) -> float:
    return sum(size for _, _, size in template_cycle) / len(template_cycle) if template_cycle else 1.0
