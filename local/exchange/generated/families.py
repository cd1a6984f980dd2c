"""Families of series of the generated exchange, each with one series per subject. All are fictional.

Their texts are format strings over the subject (name), the event (home, away, day, hour, year) and the market (label,
strike).
"""

from dataclasses import dataclass

from local.exchange.generated.vocabulary import (
    CITIES,
    COINS,
    COMPANIES,
    COUNTRIES,
    LEAGUES,
    PERSON_NAMES,
    RAIN,
    SPEAKERS,
    TOWNS,
    WORDS,
    Subject,
)


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """A family of series.

    `subjects`: one series for each.
    `event_code`: end of the event ticker, a format string over date, hour, year, number and letters.
    `sizes`: numbers of markets that an event can have.
    `strike`: strike type, or None for markets without a strike.
    `hours`: typical hours from open to close.
    `choices`: outcomes of the markets, if the family has no ladder.
    `strike_key`: key of the custom strike.
    `exclusive`: whether only one market of an event can resolve to yes.
    """

    ticker: str
    title: str
    category: str
    frequency: str
    subjects: tuple[Subject, ...]
    event_code: str
    event_title: str
    question: str
    rule: str
    sizes: range
    strike: str | None
    hours: float
    choices: tuple[str, ...] = ()
    strike_key: str = ""
    label: str = "{strike} or above"
    exclusive: bool = True
    exchange_index: int = 0


FAMILIES = (
    Family(
        ticker="KX{code}D",
        title="{name} price today",
        category="Crypto",
        frequency="hourly",
        subjects=COINS,
        event_code="{date}{hour}{number}",
        event_title="{name} price on {day} at {hour}:00?",
        question="{name} price on {day} at {hour}:00 UTC?",
        rule="If the average of the last sixty index values of {name} before {hour}:00 UTC on {day} is above "
        "{strike}, then the market resolves to Yes.",
        sizes=range(10, 61),
        strike="greater",
        hours=24,
        label="${strike} or above",
        exclusive=False,
        exchange_index=2,
    ),
    Family(
        ticker="KX{code}",
        title="{name} price range",
        category="Crypto",
        frequency="hourly",
        subjects=COINS,
        event_code="{date}{hour}{number}",
        event_title="{name} price range on {day}?",
        question="{name} price range on {day}?",
        rule="If the average of the last sixty index values of {name} before {hour}:00 UTC on {day} is {label}, "
        "then the market resolves to Yes.",
        sizes=range(3, 41),
        strike="between",
        hours=1,
        exchange_index=2,
    ),
    Family(
        ticker="KXHIGH{code}",
        title="Highest temperature in {name}",
        category="Climate and Weather",
        frequency="daily",
        subjects=CITIES,
        event_code="{date}{letters}",
        event_title="Highest temperature in {name} on {day}?",
        question="Will the **high temp in {name}** be {label} on {day}?",
        rule="If the highest temperature recorded at the weather station of {name} for {day} is {label} according "
        "to its daily climate report, then the market resolves to Yes.",
        sizes=range(6, 25),
        strike="greater",
        hours=30,
        label="{strike}° or above",
        exclusive=False,
    ),
    Family(
        ticker="KXRAIN-{code}",
        title="Rain in {name} this month",
        category="Climate and Weather",
        frequency="monthly",
        subjects=RAIN,
        event_code="{date}{letters}",
        event_title="Rain in {name} this month?",
        question="Will it rain at least {strike} inches in {name} this month?",
        rule="If the precipitation recorded in {name} in the month of {day} is at least {strike} inches, the "
        "market resolves to Yes.",
        sizes=range(5, 13),
        strike="greater_or_equal",
        hours=700,
        label="At least {strike} inches",
        exclusive=False,
    ),
    Family(
        ticker="KXCPI{code}",
        title="Inflation in {name}",
        category="Economics",
        frequency="monthly",
        subjects=COUNTRIES,
        event_code="{date}{letters}",
        event_title="Inflation in {name} in the month of {day}?",
        question="Will consumer prices in {name} rise at least {strike}%?",
        rule="If the statistics office of {name} publishes a twelve-month change of the consumer price index of "
        "at least {strike}% for the month of {day}, then the market resolves to Yes.",
        sizes=range(8, 30),
        strike="greater_or_equal",
        hours=1400,
        label="At least {strike}%",
        exclusive=False,
    ),
    Family(
        ticker="KXRATE{code}",
        title="Policy rate of {name}",
        category="Economics",
        frequency="custom",
        subjects=COUNTRIES,
        event_code="{date}{letters}",
        event_title="Policy rate of {name} after the meeting of {day}?",
        question="Will the policy rate of {name} be at most {strike}%?",
        rule="If the upper bound of the policy rate of {name} is at most {strike}% after the meeting of {day}, "
        "the market resolves to Yes.",
        sizes=range(6, 7),
        strike="less_or_equal",
        hours=2200,
        label="At most {strike}%",
        exclusive=False,
    ),
    Family(
        ticker="KX{code}GAME",
        title="{name} game",
        category="Sports",
        frequency="custom",
        subjects=LEAGUES,
        event_code="{date}{letters}",
        event_title="{home} vs {away}",
        question="{home} vs {away} Winner?",
        rule="If {label} wins the {home} vs {away} {name} game originally scheduled for {day}, then the market "
        "resolves to Yes.",
        sizes=range(2, 4),
        strike="structured",
        hours=400,
        choices=TOWNS,
        strike_key="team",
        exchange_index=3,
    ),
    Family(
        ticker="KX{code}FIRST",
        title="{name} first scorer",
        category="Sports",
        frequency="custom",
        subjects=LEAGUES,
        event_code="{date}{letters}",
        event_title="{home} vs {away}: First scorer",
        question="{label}: first to score?",
        rule="If {label} scores first in the {home} vs {away} {name} game originally scheduled for {day}, "
        "excluding own goals, then the market resolves to Yes.",
        sizes=range(4, 21),
        strike="structured",
        hours=90,
        choices=PERSON_NAMES,
        strike_key="player",
        exchange_index=3,
    ),
    Family(
        ticker="KX{code}TOP",
        title="{name} season award",
        category="Sports",
        frequency="annual",
        subjects=LEAGUES,
        event_code="{year}{letters}",
        event_title="{name}: most valuable player",
        question="Will {label} be the most valuable player of the {name}?",
        rule="If {label} is named the most valuable player of the {name} season that ends in 20{year}, then the "
        "market resolves to Yes.",
        sizes=range(5, 61),
        strike="structured",
        hours=5000,
        choices=PERSON_NAMES,
        strike_key="player",
        exchange_index=3,
    ),
    Family(
        ticker="KX{code}TOTAL",
        title="{name} total points",
        category="Sports",
        frequency="custom",
        subjects=LEAGUES,
        event_code="{date}{letters}",
        event_title="{home} vs {away}: Total Points",
        question="{home} vs {away}: Total Points?",
        rule="If {home} and {away} collectively score more than {strike} points in their {name} game originally "
        "scheduled for {day}, then the market resolves to Yes.",
        sizes=range(5, 31),
        strike="greater",
        hours=60,
        label="Over {strike} points scored",
        exclusive=False,
        exchange_index=3,
    ),
    Family(
        ticker="KXSAY{code}",
        title="What will {name} say?",
        category="Mentions",
        frequency="custom",
        subjects=SPEAKERS,
        event_code="{date}{letters}",
        event_title="What will {name} say on {day}?",
        question="What will {name} say during the next address?",
        rule="If {name} says {label} as part of the address of {day}, including plural and possessive forms, then "
        "the market resolves to Yes.",
        sizes=range(4, 31),
        strike="custom",
        hours=200,
        choices=WORDS,
        strike_key="Word",
        exclusive=False,
    ),
    Family(
        ticker="KXNEXT{code}",
        title="Next head of government of {name}",
        category="Politics",
        frequency="custom",
        subjects=COUNTRIES,
        event_code="{year}{letters}",
        event_title="Who will be the next head of government of {name}?",
        question="Will {label} be the next head of government of {name}?",
        rule="If {label} is the next person to be formally sworn in as head of government of {name} before Jan 1, "
        "20{year}, then the market resolves to Yes.",
        sizes=range(3, 31),
        strike="custom",
        hours=20000,
        choices=PERSON_NAMES,
        strike_key="Candidate",
    ),
    Family(
        ticker="KXDO{code}",
        title="{name} milestones",
        category="Companies",
        frequency="one_off",
        subjects=COMPANIES,
        event_code="{year}{letters}",
        event_title="Will {name} be sold?",
        question="Will {name} be sold by the end of 20{year}?",
        rule="If a definitive agreement for the acquisition of {name} is announced by Dec 31, 20{year}, the "
        "market resolves to Yes.",
        sizes=range(1, 2),
        strike=None,
        hours=9000,
        label="By the end of 20{year}",
    ),
    Family(
        ticker="KXDELIVER{code}",
        title="{name} deliveries",
        category="Science and Technology",
        frequency="quarterly",
        subjects=COMPANIES,
        event_code="{date}{letters}",
        event_title="How many will {name} deliver?",
        question="Will {name} deliver more than {strike} this quarter?",
        rule="If {name} reports more than {strike} deliveries for the quarter of {day}, then the market resolves "
        "to Yes.",
        sizes=range(1, 12),
        strike="greater",
        hours=1900,
        label="More than {strike}",
        exclusive=False,
    ),
    Family(
        ticker="KXTEMPO{code}",
        title="Pace of change in {name}",
        category="World",
        frequency="annual",
        subjects=COUNTRIES,
        event_code="{year}{letters}",
        event_title="Which referendums will pass in {name}?",
        question="Will a referendum on {label} pass in {name}?",
        rule="If a nationwide referendum on {label} passes in {name} by Dec 31, 20{year}, "
        "then the market resolves to Yes.",
        sizes=range(1, 4),
        strike=None,
        hours=12000,
        choices=WORDS,
        exclusive=False,
    ),
)
