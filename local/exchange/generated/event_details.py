"""Fields of the Event object that only some generated events have, and the text that edits add to its title."""

from local.exchange.catalogue import JsonObject
from local.exchange.clock import rfc3339
from local.exchange.generated.event_spec import EventSpec

CORRECTIONS = ("", " (corrected)", " (corrected again)")  # by the number of edits
DATED = ("hourly", "daily")  # frequencies of the series whose events have a strike date
PERIODS = {"monthly": "month", "quarterly": "quarter", "annual": "year"}
DIRECTIONAL_RATE = 4  # one event in this many, of those that are not exclusive, has directional netting
OVERRIDE_RATE = 32  # one event in this many has fees other than its series


def correction(event: EventSpec, now: int) -> str:
    """Return the end of the title. It changes only when `last_updated_ts` does."""
    updated = event.updated(now)
    return CORRECTIONS[sum(at <= updated for at in event.edits)]


def event_details(event: EventSpec) -> JsonObject:
    """Return the fields of an event that depend on its series or its number."""
    family = event.family
    details: JsonObject = {"exchange_index": family.exchange_index}
    if family.frequency in DATED:
        details["strike_date"] = rfc3339(event.schedule)
    else:
        details["strike_period"] = PERIODS.get(family.frequency, "")
    if not family.exclusive and event.number % DIRECTIONAL_RATE == 0:
        details["collateral_return_type"] = "DIRECNET"
    if family.category == "Sports":
        details["product_metadata"] = {"competition": event.subject.name, "competition_scope": "Game"}
    if event.number % OVERRIDE_RATE == 0:
        details |= {"fee_type_override": "quadratic_with_maker_fees", "fee_multiplier_override": 0.5}
    return details
