"""Generated event: a function of (seed, cohort index, number), from which its state at any instant follows."""

from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct

from local.exchange.clock import HOUR, SECOND, moment, parse
from local.exchange.generated.cohorts import QUARTER_HOUR, Cohort
from local.exchange.generated.contracts import STRIDE, Contract, make_contracts
from local.exchange.generated.families import Family
from local.exchange.generated.vocabulary import TOWNS, Subject

YEAR_1 = parse("0001-01-01T00:00:00Z")
FAR_FUTURE = parse("2099-12-31T15:00:00Z")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
LAST_EDIT_DELAY = 46_000  # microseconds from the settlement to the last edit (observed, 2026-05)
_DRAWS = Struct("<16H")

CHOICES = 16  # number of start positions in the list of a family's choices
COHORT_SLOTS = 64  # more than there are cohorts; an event's code encodes its cohort index and its number
LETTERS = 7
CODES = 26**LETTERS
MULTIPLIER = 123_456_791  # odd and no multiple of 13, hence one-to-one among the codes
INVERSE = pow(MULTIPLIER, -1, CODES)


def draws(key: str) -> tuple[int, ...]:
    """Return sixteen pseudorandom numbers below 2^16 for a key."""
    return _DRAWS.unpack(blake2b(key.encode(), digest_size=32).digest())


def encode_code(cohort_index: int, number: int) -> str:
    """Return seven letters that look like the codes of two teams and are unique to the event."""
    scrambled = (number * COHORT_SLOTS + cohort_index) * MULTIPLIER % CODES
    return "".join(chr(ord("A") + scrambled // 26**power % 26) for power in range(LETTERS))


def decode_code(code: str) -> tuple[int, int] | None:
    """Return the cohort index and the number for letters of encode_code or for the digits that other events have.

    Return None for other texts.
    """
    if len(code) == LETTERS and code.isascii() and code.isalpha() and code.isupper():
        scrambled = sum((ord(letter) - ord("A")) * 26**power for power, letter in enumerate(code))
        number, cohort_index = divmod(scrambled * INVERSE % CODES, COHORT_SLOTS)
        return cohort_index, number
    if code.isascii() and code.isdecimal() and len(code) < 20:
        number, cohort_index = divmod(int(code), COHORT_SLOTS)
        return cohort_index, number
    return None


@dataclass(slots=True, eq=False)
class EventSpec:
    """A generated event. Times are instants.

    `winner`: position of the market that resolves to yes, or -1 for none. On a ladder lower positions resolve to yes
    too, or higher ones if the strike is `less_or_equal`.
    `determined_winner`: the same before the amendment; it differs from `winner` if the amendment changes the results.
    `created_from`: creation of the first market; the next ones follow at intervals of `creation_spacing` microseconds.
    `created`: reported creation time.
    `time_resolution`: unit in microseconds to which some of the times are rounded down.
    """

    cohort: Cohort
    number: int
    key: str
    event_ticker: str
    series_ticker: str
    family: Family
    subject: Subject
    contracts: tuple[Contract, ...]
    winner: int
    determined_winner: int
    is_scalar: bool
    is_disputed: bool
    is_paused: bool
    edits: tuple[int, ...]
    created_from: int
    created: int
    creation_spacing: int
    time_resolution: int
    opens: int
    schedule: int
    ends: int
    determined: int
    settled: int
    texts: dict[str, str]
    rendered: "tuple[str, ...] | None" = None

    def closes(self, now: int) -> int:
        """Return the announced close. The real close is announced only after it has passed."""
        if self.cohort.quirk == "inverted":
            return self.opens
        return self.ends if now >= self.ends else self.schedule

    def updated(self, now: int) -> int:
        """Return the instant of the last change of the markets' metadata."""
        if self.cohort.quirk == "year 1":
            return YEAR_1
        if now >= self.settled + LAST_EDIT_DELAY:
            return self.settled + LAST_EDIT_DELAY
        if self.ends != self.schedule and now >= self.ends:
            return self.ends
        return max((at for at in self.edits if at <= now), default=self.created)

    def status(self, now: int) -> str:
        """Return the status of the event's markets that are not paused.

        The results of a disputed event are disputed from a quarter, and amended from half, of the time between
        determination and settlement.
        """
        if now < self.ends:
            return "active" if now >= self.opens else "initialized"
        if now >= self.settled:
            return "finalized"
        if now < self.determined:
            return "closed"
        if self.is_disputed and now >= self.determined + (self.settled - self.determined) // 4:
            return "amended" if self.is_amended(now) else "disputed"
        return "determined"

    def is_amended(self, now: int) -> bool:
        """Return whether the results have been amended. They stay so after the settlement."""
        return self.is_disputed and now >= self.determined + (self.settled - self.determined) // 2

    @property
    def pause(self) -> tuple[int, int]:
        """Start and end of the pause that some of the markets have."""
        length = self.ends - self.opens
        return self.opens + length * 55 // 100, self.opens + length * 67 // 100

    def result(self, position: int, now: int) -> str:
        """Return the result of a market after its determination. An amendment may change it."""
        winner = self.winner if self.is_amended(now) else self.determined_winner
        if self.is_scalar and winner == self.winner:
            return "scalar"
        if self.family.exclusive:
            return "yes" if position == winner else "no"
        reached = position >= winner if self.family.strike == "less_or_equal" else position <= winner
        return "yes" if reached else "no"

    def chance(self, position: int) -> int:
        """Return the traders' estimate of the probability of yes, in thousandths."""
        size = len(self.contracts)
        if self.family.exclusive:
            return 500 if position == self.winner else 500 // size
        distance = (position - self.winner) * 1000 // (300 + size * 170)
        falling = max(20, min(980, 500 - distance * 160))
        return 1000 - falling if self.family.strike == "less_or_equal" else falling


def make_event(seed: int, cohort: Cohort, number: int) -> EventSpec:
    """Return the event with a number of a cohort without combos."""
    key = f"{seed}/{cohort.index}/{number}"
    draw = draws(key)
    family, subject, size = cohort.template_cycle[number % len(cohort.template_cycle)]
    created_from = creation_time(cohort, number, draw[0])
    time_resolution = min(10 ** (draw[1] % 12 % 7), cohort.interval // 8)
    schedule = (created_from + cohort.schedule) // QUARTER_HOUR * QUARTER_HOUR
    ends = schedule if cohort.ends == cohort.schedule else (created_from + cohort.ends) // SECOND * SECOND
    grid = QUARTER_HOUR if cohort.schedule - cohort.opens <= HOUR else SECOND
    texts = _texts(schedule, subject, draw[3])
    texts["letters"] = encode_code(cohort.index, number)
    texts["number"] = str(number * COHORT_SLOTS + cohort.index)
    series = family.ticker.format(code=subject.code)
    is_far = cohort.quirk == "far"
    winner, is_disputed = draw[4] % (size + 1) - 1, draw[6] % 5 == 0
    return EventSpec(
        cohort=cohort,
        number=number,
        key=key,
        event_ticker=f"{series}-{family.event_code.format_map(texts)}",
        series_ticker=series,
        family=family,
        subject=subject,
        contracts=_contracts_of(family, subject, size, draw[2], texts["year"]),
        winner=winner,
        determined_winner=(winner + 2) % (size + 1) - 1 if is_disputed and draw[10] % 2 else winner,
        is_scalar=draw[5] % 25 == 0,
        is_disputed=is_disputed,
        is_paused=draw[7] % 2 == 0,
        edits=tuple(created_from + age for age, dice in zip(cohort.edits, draw[8:10], strict=True) if dice % 3 == 0),
        created_from=created_from,
        created=YEAR_1 if cohort.quirk == "year 1" else created_from,
        creation_spacing=min(10_007, cohort.interval // (8 * size)),
        time_resolution=time_resolution,
        opens=(created_from + cohort.opens) // grid * grid,
        schedule=FAR_FUTURE if is_far else schedule,
        ends=ends,
        determined=created_from + cohort.determined,
        settled=(created_from + cohort.settled) // time_resolution * time_resolution,
        texts=texts,
    )


def _contracts_of(family: Family, subject: Subject, size: int, draw: int, year: str) -> tuple[Contract, ...]:
    """Return the contracts of an event.

    The arguments vary as little as the family permits, because make_contracts is cached.
    """
    if family.choices:
        return make_contracts(family, family.subjects[0], size, draw % CHOICES * STRIDE, "")
    return make_contracts(family, subject, size, 0, year)


def creation_time(cohort: Cohort, number: int, draw: int) -> int:
    """Return the creation time of an event, which is in the second or third quarter of its interval."""
    interval = cohort.interval
    return cohort.origin + number * interval + interval // 4 + (interval // 2 * draw >> 16)


def _texts(closes: int, subject: Subject, draw: int) -> dict[str, str]:
    """Return the values for the format strings of a family."""
    day = moment(closes)
    month = MONTHS[day.month - 1]
    return {
        "name": subject.name,
        "home": TOWNS[draw % len(TOWNS)],
        "away": TOWNS[(draw + STRIDE) % len(TOWNS)],
        "day": f"{month.capitalize()} {day.day}, {day.year}",
        "date": f"{day.year % 100}{month}{day.day:02}",
        "hour": f"{day.hour:02}",
        "year": f"{day.year % 100}",
    }
