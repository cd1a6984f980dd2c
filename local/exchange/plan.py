"""A generated exchange before it is written out: every event is a function of (seed, size, now, its number) alone."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from random import Random

from local.exchange.clock import DAY, SECOND, moment, parse
from local.exchange.contracts import STRIDE, Board
from local.exchange.families import FAMILIES, Family
from local.exchange.vocabulary import TOWNS, Subject

LIVE_DAYS = 60  # settled markets stay so long in the live tier (observed on production, 2026-08 to 2026-10)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
FAR_FUTURE = parse("2099-12-31T15:00:00Z")
QUARTER = 900 * SECOND

# How many markets the events have, over and over: median 4, nine in ten up to 17.
SIZES = (
    4, 1, 2, 24, 1, 7, 3, 1, 5, 2, 10, 1, 4, 3, 40, 2, 1, 6, 8, 1, 3, 17, 2, 5, 1, 9, 2, 4, 30, 1, 3,
    6, 2, 12, 1, 7, 4, 2, 60, 3, 1, 5, 8, 2, 14, 1, 6, 3, 10, 2, 20, 1, 4, 7, 3, 16, 9, 6, 12, 5, 8,
)  # fmt: skip
STARTS = (0, *accumulate(SIZES))
FAMILIES_BY_SIZE = {size: tuple(family for family in FAMILIES if size in family.sizes) for size in SIZES}

PHASES = (("open", 0.46), ("unopened", 0.72), ("closed", 0.78), ("settled", 1.0))  # cumulative shares
GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples spread evenly, so that the shares hold for a few events already


@dataclass(frozen=True, slots=True)
class Times:
    """Instants; only a settled event has a meaningful `settles`."""

    created: int
    opens: int
    closes: int
    settles: int


@dataclass(frozen=True, slots=True)
class EventPlan:
    """`winner` is the position whose market resolves to yes, -1 for none; on a ladder those below it do, too."""

    number: int
    ticker: str
    series_ticker: str
    family: Family
    board: Board
    phase: str
    times: Times
    winner: int
    is_scalar: bool
    texts: dict[str, str]

    def result(self, position: int) -> str:
        if self.is_scalar:
            return "scalar"
        if self.family.exclusive:
            return "yes" if position == self.winner else "no"
        reached = position >= self.winner if self.family.strike == "less_or_equal" else position <= self.winner
        return "yes" if reached else "no"

    def chance(self, position: int) -> float:
        """What traders think of yes, 0 to 1."""
        if self.family.exclusive:
            return 0.5 if position == self.winner else 0.5 / self.board.size
        falling = 1 / (1 + math.exp((position - self.winner) / (0.3 + self.board.size / 6)))
        return 1 - falling if self.family.strike == "less_or_equal" else falling


class World:
    """A generated exchange with `size` markets besides the combos, at the instant `now`."""

    def __init__(self, seed: int, size: int, now: int) -> None:
        self.seed = seed
        self.size = size
        self.now = now
        self.cutoff = (now // DAY - LIVE_DAYS) * DAY
        self.event_count = self.place(size - 1)[0] + 1 if size else 0
        self._shift = Random(seed).random()
        self.event = lru_cache(maxsize=256)(self._event)

    def place(self, index: int) -> tuple[int, int]:
        """The number of a market's event and its position there."""
        block, rest = divmod(index, STARTS[-1])
        slot = bisect_right(STARTS, rest) - 1
        return block * len(SIZES) + slot, rest - STARTS[slot]

    def _event(self, number: int) -> EventPlan:
        draw = Random(f"{self.seed}/event/{number}")
        size = SIZES[number % len(SIZES)]
        family = draw.choice(FAMILIES_BY_SIZE[size])
        subject = draw.choice(family.subjects)
        share = (number * GOLDEN + self._shift) % 1
        phase = next(name for name, below in PHASES if share < below)
        times = self._times(draw, number, phase, family.hours * 3600)
        offset = draw.randrange(1000)
        texts = _texts(number, times.closes, subject, offset)
        series = family.ticker.format(code=subject.code)
        return EventPlan(
            number=number,
            ticker=f"{series}-{family.event_code.format_map(texts)}",
            series_ticker=series,
            family=family,
            board=Board(family, subject, size, offset, texts["year"]),
            phase=phase,
            times=times,
            winner=draw.randrange(-1, size),
            is_scalar=draw.random() < 0.04,
            texts=texts,
        )

    def _times(self, draw: Random, number: int, phase: str, usual_life: float) -> Times:
        """The lower the number, the younger: from a minute to two years, most of them days."""
        age = 60 * 1e6 ** ((number + draw.random()) / self.event_count)
        life = usual_life * draw.lognormvariate(0, 0.5)
        settles = -min(age / 2, (LIVE_DAYS - 1) * 86_400) * draw.uniform(0.1, 1)
        closes = {
            "unopened": draw.expovariate(1 / 172_800) + 60 + life,
            "open": life * draw.random() + 60,
            "closed": -age * draw.uniform(0.05, 0.6),
            "settled": settles - min(age / 4, draw.expovariate(1 / 7200)),
        }[phase]
        opens = closes - life if phase == "unopened" else max(closes - life, -0.95 * age)
        is_far = phase == "open" and draw.random() < 0.003
        return Times(
            created=self.now - int(age * SECOND),
            opens=self._second(opens),
            closes=FAR_FUTURE if is_far else self._second(closes),
            settles=self.now + int(settles * SECOND),
        )

    def _second(self, after: float) -> int:
        """The whole second so many seconds from now; what lies ahead, at a quarter of an hour."""
        unit = SECOND if after < 0 else QUARTER
        return -((-self.now - int(after * SECOND)) // unit) * unit


def _texts(number: int, closes: int, subject: Subject, offset: int) -> dict[str, str]:
    """What the formats of a family are filled with."""
    day = moment(closes)
    month = MONTHS[day.month - 1]
    return {
        "name": subject.name,
        "home": TOWNS[offset % len(TOWNS)],
        "away": TOWNS[(offset + STRIDE) % len(TOWNS)],
        "day": f"{month.capitalize()} {day.day}, {day.year}",
        "date": f"{day.year % 100}{month}{day.day:02}",
        "hour": f"{day.hour:02}",
        "year": f"{day.year % 100}",
        "number": f"{number:02}",
        "letters": _letters(number),
    }


def _letters(number: int) -> str:
    """Six letters that look like two teams' codes, different for every event."""
    scrambled = (number + 1) * 123_456_791 % 26**6  # odd and no multiple of 13, hence one to one
    return "".join(chr(ord("A") + scrambled // 26**power % 26) for power in range(6))
