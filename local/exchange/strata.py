"""Which events there are and when: strata of events with like lives, each created at a constant rate, without an end.

Event `n` of a stratum is created in the n-th interval after the stratum's origin, and all that happens to it has a
fixed age. So every time is a rising function of `n`, and the events that were created, opened, closed or settled
between two instants are one range of numbers, found by division: nothing is held, however many there are.
"""

from dataclasses import dataclass
from itertools import accumulate
from random import Random

from local.exchange.clock import DAY, HOUR, SECOND, parse
from local.exchange.families import FAMILIES, Family
from local.exchange.vocabulary import Subject

LIVE_DAYS = 60  # settled markets stay so long in the live tier (observed on production, 2026-08 to 2026-10)
ORIGIN = parse("2016-01-01T00:00:00Z")  # no event is older, but for those of the past stratum
QUARTER = 900 * SECOND
PAST_DAYS = 3 * 365  # how far back the archive reaches when the exchange starts

# How many markets the events have: median 4, nine in ten up to 17.
SIZES = (
    4, 1, 2, 24, 1, 7, 3, 1, 5, 2, 10, 1, 4, 3, 40, 2, 1, 6, 8, 1, 3, 17, 2, 5, 1, 9, 2, 4, 30, 1, 3,
    6, 2, 12, 1, 7, 4, 2, 60, 3, 1, 5, 8, 2, 14, 1, 6, 3, 10, 2, 20, 1, 4, 7, 3, 16, 9, 6, 12, 5, 8,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Life:
    """A kind of stratum: `share` of the exchange's live markets, families, and its ages in hours, each after the last.

    `lead` from the creation to the opening, `life` from there to the scheduled close, `early` to the real one where
    that comes before, `limbo` from the close to the determination, `timer` from there to the settlement.
    `oddity` is what is peculiar to its markets: "" for nothing.
    """

    share: float
    families: str
    lead: float
    life: float
    early: float
    limbo: float
    timer: float
    oddity: str = ""


LIVES = (
    Life(0.012, "KX{code}", 1, 0.25, 0, 0.02, 0.1),
    Life(0.005, "KX{code} KX{code}D", 1, 1, 0, 0.02, 0.1),
    Life(0.008, "KX{code}D", 3, 24, 0, 0.02, 0.1),
    Life(0.012, "KXHIGH{code}", 20, 30, 0, 4, 1),
    Life(0.012, "KX{code}FIRST KX{code}TOTAL", 72, 90, 60, 1, 1),
    Life(0.040, "KX{code}GAME", 200, 700, 400, 1, 3),
    Life(0.030, "KXSAY{code}", 60, 200, 150, 20, 30),
    Life(0.035, "KXRAIN-{code}", 700, 700, 0, 60, 24),
    Life(0.070, "KXCPI{code} KX{code}D", 1600, 1400, 0, 30, 10),
    Life(0.070, "KXDELIVER{code} KXRATE{code}", 1900, 2000, 0, 100, 40),
    Life(0.160, "KX{code}TOP", 3500, 5000, 4700, 120, 72),
    Life(0.140, "KXDO{code} KXDELIVER{code}", 3000, 9000, 7000, 200, 150),
    Life(0.130, "KXTEMPO{code} KX{code}GAME", 5000, 12000, 0, 200, 150),
    Life(0.140, "KXNEXT{code} KX{code}TOP", 6000, 20000, 17000, 300, 150),
    Life(0.100, "KXSAY{code} KXTEMPO{code}", 4000, 6000, 0, 90, 200),
    Life(0.030, "KXDO{code} KXCPI{code}", 200, 3000, 0, 30000, 300, "stuck"),
    Life(0.004, "KXDO{code} KXTEMPO{code}", 500, 30000, 20000, 300, 100, "far"),
    Life(0.003, "KXDELIVER{code} KX{code}GAME", 100, 2000, 0, 30, 20, "year 1"),
    Life(0.003, "KXSAY{code} KX{code}GAME", 100, 2000, 0, 30, 20, "inverted"),
    Life(0.004, "KXTEMPO{code} KX{code}GAME", 300, 1500, 0, 10, 2, "provisional"),
    Life(0.015, "", 0, 6, 0, 0.001, 0.001, "provisional combo"),
    Life(0.015, "", 0, 3, 0, 0.001, 0.001, "combo"),
)
PAST = Life(0, "KX{code}FIRST KX{code}TOTAL KX{code}GAME", 20, 90, 60, 1, 1)
RARE = {"far", "year 1"}  # listed by ticker alone, hence held in one piece: at most so many
MAX_RARE = 600
SHORTEST = 1000  # microseconds between two events of a stratum: far fewer than any exchange has

Deal = tuple[Family, Subject, int]


@dataclass(frozen=True, slots=True, eq=False)
class Stratum:
    """A stratum of one exchange. Ages and intervals in microseconds; `deck` deals family, subject and size by turns.

    Only the past stratum has an `end`: the number after its last event.
    """

    index: int
    origin: int
    interval: int
    deck: tuple[Deal, ...]
    opens: int
    schedule: int
    ends: int
    determined: int
    settled: int
    oddity: str
    end: int | None = None

    @property
    def is_combo(self) -> bool:
        return self.oddity.endswith("combo")

    @property
    def is_provisional(self) -> bool:
        return self.oddity.startswith("provisional")

    @property
    def paused(self) -> tuple[int, int]:
        """The ages between which some of its markets are paused."""
        active = self.ends - self.opens
        return self.opens + active * 55 // 100, self.opens + active * 67 // 100

    @property
    def edits(self) -> tuple[int, ...]:
        """The ages at which some of its events are edited."""
        return self.opens // 2, self.opens + (self.ends - self.opens) * 2 // 5

    def numbers(self, first: int, last: int) -> range:
        """At least those of the events that were created between two instants; a few more at both ends.

        By so much more that a time which is rounded down to a quarter of an hour can stand for its event's creation.
        """
        slack = self.interval + QUARTER + SECOND
        start = (first - slack - self.origin) // self.interval
        stop = (last + slack - self.origin) // self.interval + 1
        return range(max(0, start), max(0, stop if self.end is None else min(stop, self.end)))

    def sure_numbers(self, first: int, last: int) -> range:
        """Only events that were certainly created, all their markets included, between two instants."""
        slack = 2 * self.interval + QUARTER + SECOND
        start = -(-(first + slack - self.origin) // self.interval)
        stop = (last - slack - self.origin) // self.interval
        return range(max(0, start), max(0, start, stop if self.end is None else min(stop, self.end)))

    def turns(self, series_ticker: str | None) -> set[int]:
        """The places in the deck that deal events of a series."""
        deals = enumerate(self.deck)
        return {turn for turn, (family, one, _) in deals if family.ticker.format(code=one.code) == series_ticker}

    def market_count(self, numbers: range) -> int:
        """How many markets a range of events has."""
        if not self.deck:
            return len(numbers)
        sums = (0, *accumulate(size for _, _, size in self.deck))
        before, until = (
            number // len(self.deck) * sums[-1] + sums[number % len(self.deck)]
            for number in (numbers.start, numbers.stop)
        )
        return until - before if numbers else 0


def strata(seed: int, size: int, archived: int, cutoff: int) -> tuple[list[Stratum], int]:
    """Those of an exchange with so many live markets, and so many behind the cutoff at the start.

    Also the instant before which nothing settled: as far back as the archive then reaches.
    """
    made = [_stratum(seed, index, life, size) for index, life in enumerate(LIVES) if size * life.share > 0]
    flow = sum(_mean(one.deck) / one.interval for one in made if not one.is_provisional)  # settlements a microsecond
    depth = min(PAST_DAYS * DAY, int(archived / flow)) if made else PAST_DAYS * DAY
    dawn = cutoff - depth if archived else cutoff
    rest = archived - int(depth * flow)
    if rest > 0 and depth == PAST_DAYS * DAY:
        made.append(_past(seed, rest, dawn, cutoff))
    return made, dawn


def _stratum(seed: int, index: int, life: Life, size: int) -> Stratum:
    deck = _deck(Random(f"{seed}/{index}"), life)
    stay = _ages(life)[-1] + (0 if life.oddity == "provisional combo" else LIVE_DAYS * DAY + DAY // 2)
    count = min(size * life.share, MAX_RARE) if life.oddity in RARE else size * life.share
    interval = max(SHORTEST, int(stay * _mean(deck) / count))
    shift = Random(f"{seed}/{index}/origin").randrange(interval)
    return Stratum(index, ORIGIN - shift, interval, deck, *_ages(life), life.oddity)


def _past(seed: int, count: int, dawn: int, cutoff: int) -> Stratum:
    """What the archive lacks otherwise: events that settled between two instants, and none after."""
    index = len(LIVES)
    deck = _deck(Random(f"{seed}/{index}"), PAST)
    events = max(1, round(count / _mean(deck)))
    ages = _ages(PAST)
    return Stratum(index, dawn - ages[-1], max(SHORTEST, (cutoff - dawn) // events), deck, *ages, "", events)


def _ages(life: Life) -> tuple[int, int, int, int, int]:
    """Of the opening, the scheduled close, the real one, the determination and the settlement."""
    ends = life.lead + (life.early or life.life)
    hours = (life.lead, life.lead + life.life, ends, ends + life.limbo, ends + life.limbo + life.timer)
    opens, schedule, closes, determined, settled = (int(hour * HOUR) for hour in hours)
    return opens, schedule, closes, determined, settled


def _deck(draw: Random, life: Life) -> tuple[Deal, ...]:
    if not life.families:
        return ()
    families = [family for family in FAMILIES if family.ticker in life.families.split(" ")]
    deck = []
    for size in SIZES * 2:
        able = [family for family in families if size in family.sizes]
        if able:
            family = draw.choice(able)
            # The first subjects have more events than the others: series are of very different sizes.
            deck.append((family, family.subjects[int(len(family.subjects) * draw.random() ** 2)], size))
    draw.shuffle(deck)
    return tuple(deck)


def _mean(deck: tuple[Deal, ...]) -> float:
    return sum(size for _, _, size in deck) / len(deck) if deck else 1.0
