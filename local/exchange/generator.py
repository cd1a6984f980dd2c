"""A made-up exchange: each market, event and series written out as the object that the API would send.

Which members are there and how often, lengths, volumes and oddities imitate what production answered in 2026-05 to
2026-10 (schema 3.34.0). An absent member is left out, never null.
"""

from collections.abc import Iterator
from itertools import chain
from random import Random

from local.exchange.catalogue import Event, Exchange, JsonObject, Market, Series
from local.exchange.clock import DAY, SECOND, Clock, rfc3339
from local.exchange.combos import COMBO_SERIES, combo, combo_count, combo_event
from local.exchange.families import FAMILIES, Family
from local.exchange.plan import EventPlan, World
from local.exchange.quotes import DECI_CENT, LINEAR_CENT, book, trading
from local.exchange.rulebook import secondary_rules
from local.exchange.vocabulary import Subject

YEAR_1 = "0001-01-01T00:00:00Z"
INACTIVE = 0.022  # of the markets in open events
CLOSED_STATUSES = ("closed",) * 14 + ("determined",) * 4 + ("disputed", "amended")
NEW = 90 * DAY  # markets younger than this have an exchange_index


def generate(seed: int, size: int, clock: Clock) -> Exchange:
    """The exchange of a seed with `size` markets, and combos besides, as it is when the clock starts."""
    world = World(seed, size, clock.start)
    combos = range(combo_count(world))
    markets = chain((market(world, index) for index in range(size)), (combo(world, index) for index in combos))
    events = chain(
        (event(world, number) for number in range(world.event_count)), (combo_event(world, index) for index in combos)
    )
    return Exchange(
        clock=clock,
        cutoff=world.cutoff,
        markets=map(Market.of, markets),
        events=map(Event.of, events),
        series=map(Series.of, chain(_all_series(), COMBO_SERIES)),
    )


def market(world: World, index: int) -> JsonObject:
    """The Market object with this index."""
    number, position = world.place(index)
    plan = world.event(number)
    contract = plan.board.contract(position)
    draw = Random(f"{world.seed}/{index}")
    status = _status(draw, plan)
    structure = DECI_CENT if draw.random() < 0.03 else LINEAR_CENT
    fair = min(0.99, max(0.01, plan.chance(position) * draw.uniform(0.7, 1.3)))
    opened, over = plan.phase != "unopened", plan.phase == "settled"
    texts = {**plan.texts, "label": contract.label, "strike": contract.strike_text}
    return {
        "ticker": plan.ticker + contract.suffix,
        "event_ticker": plan.ticker,
        "market_type": "binary",
        "title": plan.family.question.format_map(texts),
        "yes_sub_title": contract.label,
        "no_sub_title": contract.label,
        **_times(world, draw, plan, position),
        "status": status,
        "result": plan.result(position) if over or status == "determined" else "",
        "expiration_value": "",
        **book(draw, structure, fair, quoted=status == "active"),
        **trading(draw, structure, fair, opened=opened, over=over),
        "notional_value_dollars": "1.0000",
        "price_level_structure": structure.name,
        "price_ranges": structure.ranges,
        "settlement_timer_seconds": draw.choice((5, 30, 60, 300, 300, 1800, 3600)),
        "settlement_bounds_type": "default",
        "can_close_early": draw.random() < 0.97,
        "rules_primary": plan.family.rule.format_map(texts),
        "rules_secondary": secondary_rules(draw),
        **contract.strike,
        **_settlement(plan, draw, position),
        **_extras(world, draw, plan, contract.label),
    }


def _status(draw: Random, plan: EventPlan) -> str:
    if plan.phase == "open":
        return "inactive" if draw.random() < INACTIVE else "active"
    if plan.phase == "closed":
        return draw.choice(CLOSED_STATUSES)
    return "initialized" if plan.phase == "unopened" else "finalized"


def _times(world: World, draw: Random, plan: EventPlan, position: int) -> JsonObject:
    """The event's times, a little apart from market to market, and the oddities that production has."""
    times = plan.times
    created = times.created + (position * 37 + draw.randrange(37)) * 1000
    opens, closes = times.opens, times.closes
    updated = min(times.settles + SECOND, world.now) if plan.phase == "settled" else draw.randint(created, world.now)
    is_game_ahead = plan.family.category == "Sports" and closes > world.now
    expected = closes - 3 * DAY if is_game_ahead else closes + 300 * SECOND
    if draw.random() < 0.003:
        opens, closes = closes, opens
    latest = rfc3339(closes + 7 * DAY)
    return {
        "created_time": YEAR_1 if draw.random() < 0.003 else rfc3339(_coarse(draw, created)),
        "updated_time": YEAR_1 if draw.random() < 0.003 else rfc3339(_coarse(draw, updated)),
        "open_time": rfc3339(opens),
        "close_time": rfc3339(closes),
        "expected_expiration_time": rfc3339(expected),
        "expiration_time": latest,
        "latest_expiration_time": latest,
    }


def _coarse(draw: Random, at: int) -> int:
    """The instant with 6 fractional digits, now and then fewer."""
    unit = 10 ** draw.choice((0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6))
    return at // unit * unit


def _settlement(plan: EventPlan, draw: Random, position: int) -> JsonObject:
    if plan.phase != "settled":
        return {}
    values = {"yes": "1.0000", "no": "0.0000", "scalar": f"{1 / (1 + plan.board.size):.4f}"}
    return {
        "settlement_ts": rfc3339(_coarse(draw, plan.times.settles)),
        "settlement_value_dollars": values[plan.result(position)],
    }


def _extras(world: World, draw: Random, plan: EventPlan, label: str) -> JsonObject:
    """The members that only some markets have."""
    family = plan.family
    chances = {
        "occurrence_datetime": (0.98, rfc3339(plan.times.closes)),
        "early_close_condition": (0.34, "This market will close early when the outcome is known."),
        "subtitle": (0.02, label),
        "fee_waiver_expiration_time": (0.01, rfc3339(plan.times.closes)),
        "primary_participant_key": (0.3 if family.strike == "structured" else 0, family.strike_key),
        "is_provisional": (0.002 if plan.phase in ("open", "unopened") else 0, True),
        "exchange_index": (plan.times.created > world.now - NEW, family.exchange_index),
    }
    return {name: value for name, (chance, value) in chances.items() if draw.random() < chance}


def event(world: World, number: int) -> JsonObject:
    """The Event object with this number."""
    plan = world.event(number)
    family, texts = plan.family, plan.texts
    return {
        "event_ticker": plan.ticker,
        "series_ticker": plan.series_ticker,
        "title": family.event_title.format_map(texts),
        "sub_title": f"On {texts['day']}",
        "category": family.category,
        "mutually_exclusive": family.exclusive,
        "collateral_return_type": "MECNET" if family.exclusive else "",
        "strike_period": "",
        "settlement_sources": _sources(plan.board.subject),
        "available_on_brokers": number % 8 != 0,
        "last_updated_ts": rfc3339(plan.times.created),
    }


def _all_series() -> Iterator[JsonObject]:
    """Every series there can be, also those without an event."""
    return (_series(family, subject) for family in FAMILIES for subject in family.subjects)


def _series(family: Family, subject: Subject) -> JsonObject:
    ticker = family.ticker.format(code=subject.code)
    return {
        "ticker": ticker,
        "title": family.title.format(name=subject.name),
        "category": family.category,
        "categories": [family.category],
        "tags": None if family.category == "World" else [family.category.split()[0], subject.name],
        "frequency": family.frequency,
        "settlement_sources": _sources(subject),
        "contract_url": f"https://contracts.example/filings/{ticker}.pdf",
        "contract_terms_url": f"https://contracts.example/terms/{ticker}.pdf",
        "fee_type": "quadratic",
        "fee_multiplier": 1,
        "additional_prohibitions": None,
        "exchange_index": family.exchange_index,
    }


def _sources(subject: Subject) -> list[dict[str, str]]:
    return [{"name": f"Bulletin of {subject.name}", "url": f"https://sources.example/{subject.code.lower()}"}]
