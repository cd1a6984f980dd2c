"""Rendering of generated markets, events and series as the objects of the API.

The presence and frequency of fields, lengths, volumes and anomalies imitate production in 2026-05 to 2026-10 (schema
3.34.0). A missing field is left out, never null.
"""

from functools import lru_cache
from json.encoder import encode_basestring

from local.exchange import clock
from local.exchange.catalogue import JsonObject
from local.exchange.clock import DAY, HOUR, parse
from local.exchange.generated.event_details import correction, event_details
from local.exchange.generated.event_spec import EventSpec
from local.exchange.generated.families import Family
from local.exchange.generated.quotes import DOLLARS, STRUCTURES, format_contracts
from local.exchange.generated.rulebook import VARIANTS, secondary_rules
from local.exchange.generated.vocabulary import Subject
from local.exchange.tape import NO_QUOTES, Tape

INDEXED = parse("2026-08-01T00:00:00Z")  # markets created later have an exchange_index
TIMERS = (5, 30, 60, 300, 300, 1800, 3600)
CONDITION = ',"early_close_condition":"This market will close early when the outcome is known."'
rfc3339 = lru_cache(maxsize=8192)(clock.rfc3339)  # the markets of an event share most of their times
rules_text = lru_cache(maxsize=VARIANTS)(lambda variant: encode_basestring(secondary_rules(variant)))


def render_market(event: EventSpec, position: int, now: int, status: str, draw: tuple[int, ...], tape: Tape) -> str:
    """Return the Market object as JSON text."""
    contract = event.contracts[position]
    title, rule = event.rendered or _render(event)
    label, strike = contract.label, contract.strike_text
    result = event.result(position, now) if now >= event.determined else ""
    return (
        f'{{"ticker":"{event.event_ticker}{contract.suffix}","event_ticker":"{event.event_ticker}","market_type":"binary",'
        f'"title":"{title.replace("{label}", label).replace("{strike}", strike)}",'
        f'"yes_sub_title":"{label}","no_sub_title":"{label}",'
        f"{_times(event, created_at(event, position), now)},"
        f'"status":"{status}","result":"{result}","expiration_value":"",{_trading(tape, now, status)},'
        f'"notional_value_dollars":"1.0000",{STRUCTURES[tape.tick]},'
        f'"settlement_timer_seconds":{TIMERS[draw[13] % 7]},"settlement_bounds_type":"default",'
        f'"can_close_early":{"false" if draw[13] < 1500 else "true"},'
        f'"rules_primary":"{rule.replace("{label}", label).replace("{strike}", strike)}{_clarified(event, now)}",'
        f'"rules_secondary":{rules_text(draw[14] % VARIANTS)}{contract.strike}'
        f"{_settlement(event, now, result)}{_extras(event, now, label, draw)}}}"
    )


def _render(event: EventSpec) -> tuple[str, str]:
    """Return the title and the rule of all markets of an event, with placeholders for label and strike."""
    texts = event.texts | {"label": "{label}", "strike": "{strike}"}
    question, rule = event.family.question.format_map(texts), event.family.rule.format_map(texts)
    event.rendered = encode_basestring(question)[1:-1], encode_basestring(rule)[1:-1]
    return event.rendered


def created_at(event: EventSpec, position: int) -> int:
    """Return the reported creation time, with 6 fractional digits or sometimes fewer."""
    return (event.created + position * event.creation_spacing) // event.time_resolution * event.time_resolution


def _times(event: EventSpec, created: int, now: int) -> str:
    opens, closes = event.opens, event.closes(now)
    if event.cohort.quirk == "inverted":
        opens = event.ends
    latest = rfc3339(event.schedule + 7 * DAY if event.cohort.quirk != "far" else event.schedule)
    return (
        f'"created_time":"{clock.rfc3339(created)}","updated_time":"{rfc3339(event.updated(now))}",'
        f'"open_time":"{rfc3339(opens)}","close_time":"{rfc3339(closes)}",'
        f'"expected_expiration_time":"{rfc3339(expected_outcome_time(event) + 3 * HOUR)}",'
        f'"expiration_time":"{latest}","latest_expiration_time":"{latest}"'
    )


def expected_outcome_time(event: EventSpec) -> int:
    """Return the instant when the outcome is expected, mostly before the scheduled close."""
    return event.ends // HOUR * HOUR


def _clarified(event: EventSpec, now: int) -> str:
    """Return the text that edits of the metadata add to the rules."""
    return "".join(f" Clarified on {rfc3339(at)[:10]}." for at in event.edits if at <= now)


def _trading(tape: Tape, now: int, status: str) -> str:
    """Return the fields for prices, volumes and open interest. Only active markets have quotes."""
    before = now - DAY
    quotes = tape.quotes(tape.quote_number(now)) if status == "active" else NO_QUOTES
    former = tape.quotes(tape.quote_number(before)) if tape.opens <= before < tape.ends else NO_QUOTES
    count, earlier = tape.count(now), tape.count(before)
    volume = tape.volume(count)
    open_interest = 0 if status == "finalized" else tape.open_interest(volume)
    return (
        f'"yes_bid_dollars":"{DOLLARS[quotes.bid]}","yes_bid_size_fp":"{format_contracts(quotes.bid_size)}",'
        f'"yes_ask_dollars":"{DOLLARS[quotes.ask]}","yes_ask_size_fp":"{format_contracts(quotes.ask_size)}",'
        f'"no_bid_dollars":"{DOLLARS[1000 - quotes.ask]}","no_ask_dollars":"{DOLLARS[1000 - quotes.bid]}",'
        f'"last_price_dollars":"{DOLLARS[tape.price(count - 1) if count else 0]}",'
        f'"previous_price_dollars":"{DOLLARS[tape.price(earlier - 1) if earlier else 0]}",'
        f'"previous_yes_bid_dollars":"{DOLLARS[former.bid]}",'
        f'"previous_yes_ask_dollars":"{DOLLARS[former.ask % 1000]}",'
        f'"volume_fp":"{format_contracts(volume)}","volume_24h_fp":"{format_contracts(volume - tape.volume(earlier))}",'
        f'"open_interest_fp":"{format_contracts(open_interest)}"'
    )


def _settlement(event: EventSpec, now: int, result: str) -> str:
    if now < event.settled:
        return ""
    value = {"yes": "1.0000", "no": "0.0000"}.get(result) or f"{1 / (1 + len(event.contracts)):.4f}"
    return f',"settlement_ts":"{rfc3339(event.settled)}","settlement_value_dollars":"{value}"'


def _extras(event: EventSpec, now: int, label: str, draw: tuple[int, ...]) -> str:
    """Return the fields that only some markets have."""
    dice = draw[15]
    text = ""
    if dice % 50:
        text += f',"occurrence_datetime":"{rfc3339(expected_outcome_time(event))}"'
    else:
        text += f',"subtitle":"{label}"'
    if event.ends != event.schedule or dice % 8 == 0:
        text += CONDITION
    if dice % 101 == 0:
        text += f',"fee_waiver_expiration_time":"{rfc3339(event.ends)}"'
    if event.family.strike == "structured" and dice % 10 < 3:
        text += f',"primary_participant_key":"{event.family.strike_key}"'
    if event.cohort.is_provisional and now < event.settled:
        text += ',"is_provisional":true'
    if event.created > INDEXED:
        text += f',"exchange_index":{event.family.exchange_index}'
    return text


def make_event_object(event: EventSpec, now: int) -> JsonObject:
    """Return the Event object of a generated event, as of the instant `now`."""
    family, texts = event.family, event.texts
    return {
        "event_ticker": event.event_ticker,
        "series_ticker": event.series_ticker,
        "title": family.event_title.format_map(texts) + correction(event, now),
        "sub_title": f"On {texts['day']}",
        "category": family.category,
        "mutually_exclusive": family.exclusive,
        "collateral_return_type": "MECNET" if family.exclusive else "",
        "strike_period": "",
        "settlement_sources": settlement_sources(event.subject),
        "available_on_brokers": event.number % 8 != 0,
        "last_updated_ts": rfc3339(event.updated(now)),
        **event_details(event),
    }


def make_series_object(family: Family, subject: Subject) -> JsonObject:
    """Return the Series object of a family and a subject."""
    ticker = family.ticker.format(code=subject.code)
    return {
        "ticker": ticker,
        "title": family.title.format(name=subject.name),
        "category": family.category,
        "categories": [family.category],
        "tags": None if family.category == "World" else [family.category.split()[0], subject.name],
        "frequency": family.frequency,
        "settlement_sources": settlement_sources(subject),
        "contract_url": f"https://contracts.example/filings/{ticker}.pdf",
        "contract_terms_url": f"https://contracts.example/terms/{ticker}.pdf",
        "fee_type": "quadratic",
        "fee_multiplier": 1,
        "additional_prohibitions": None,
        "exchange_index": family.exchange_index,
    }


def settlement_sources(subject: Subject) -> list[dict[str, str]]:
    """Return the settlement sources of a subject."""
    return [{"name": f"Bulletin of {subject.name}", "url": f"https://sources.example/{subject.code.lower()}"}]
