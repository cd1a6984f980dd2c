"""Combos (multivariate markets): short-lived bets on several markets of the generated exchange.

Each is the only market of its event. Most are never traded and are deleted when they settle.
"""

from collections.abc import Callable
from dataclasses import dataclass

from local.exchange.catalogue import JsonObject, to_json
from local.exchange.clock import DAY, SECOND, rfc3339
from local.exchange.generated.cohorts import Cohort
from local.exchange.generated.event_spec import COHORT_SLOTS, LAST_EDIT_DELAY, EventSpec, creation_time, draws
from local.exchange.generated.quotes import DECI_CENT, DOLLARS, format_contracts
from local.exchange.tape import Tape

# Some series tickers have a hyphen since 2026-08 (docs.kalshi.com, changelog).
TITLES = {
    "KXMVECROSSCATEGORY-SHARD1": "Combo across categories",
    "KXMVESPORTSMULTIGAME": "Combo of several games",
}
COMBO_SERIES: list[JsonObject] = [
    {
        "ticker": ticker,
        "title": title,
        "category": "Exotics",
        "categories": ["Exotics"],
        "tags": None,
        "frequency": "custom",
        "settlement_sources": [],
        "contract_url": "https://contracts.example/filings/COMBO.pdf",
        "contract_terms_url": "https://contracts.example/terms/COMBO.pdf",
        "fee_type": "quadratic_with_combo_maker_fees",
        "fee_multiplier": 1,
        "additional_prohibitions": None,
        "exchange_index": 1,
    }
    for ticker, title in TITLES.items()
]

# Fields with the same value in all combos. Without quotes, the `yes` prices are 0 and the `no` prices are 1 (observed
# on production, 2026-06).
COMMON = to_json(
    {
        "market_type": "binary",
        "expiration_value": "",
        "yes_bid_dollars": "0.0000",
        "yes_bid_size_fp": "0.00",
        "yes_ask_dollars": "0.0000",
        "yes_ask_size_fp": "0.00",
        "no_bid_dollars": "1.0000",
        "no_ask_dollars": "1.0000",
        "previous_price_dollars": "0.0000",
        "previous_yes_bid_dollars": "0.0000",
        "previous_yes_ask_dollars": "0.0000",
        "notional_value_dollars": "1.0000",
        "price_level_structure": DECI_CENT.name,
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}],
        "settlement_timer_seconds": 5,
        "settlement_bounds_type": "default",
        "can_close_early": True,
        "rules_primary": "",
        "rules_secondary": "",
        "strike_type": "custom",
        "exchange_index": 1,
    }
)
DIGITS = 16**11
EVENT_FACTOR, MARKET_FACTOR = 0x9E3779B97F5, 0xB5297A4D3F1  # odd, hence one-to-one modulo 16^11
LEG_COUNTS = (2, 2, 2, 3, 3, 4, 5, 8, 16)
VOLUMES = (1, 1, 5, 30, 580)

DrawLeg = Callable[[int, int], tuple[EventSpec, int]]  # (instant, draw) to an event and the position of a market in it


@dataclass(frozen=True, slots=True, eq=False)
class ComboSpec:
    """A combo and its event, which are open from `created` to `ends`."""

    cohort: Cohort
    number: int
    draw: tuple[int, ...]
    event_ticker: str
    ticker: str
    series_ticker: str
    created: int
    ends: int
    settled: int
    tape: Tape

    def updated(self, now: int) -> int:
        """Return the instant of the last change of the metadata."""
        return self.settled + LAST_EDIT_DELAY if now >= self.settled + LAST_EDIT_DELAY else self.created

    def status(self, now: int) -> str:
        if now < self.ends:
            return "active"
        return "finalized" if now >= self.settled else "closed"


def make_combo(seed: int, cohort: Cohort, number: int) -> ComboSpec:
    """Return the combo with a number."""
    draw = draws(f"{seed}/{cohort.index}/{number}")
    created = creation_time(cohort, number, draw[0])
    code = number * COHORT_SLOTS + cohort.index
    series = tuple(TITLES)[code % len(TITLES)]
    event_ticker = f"{series}-S2026{_hexadecimal(code * EVENT_FACTOR)}"
    ends = (created + cohort.ends) // SECOND * SECOND
    total = 0 if cohort.is_provisional else VOLUMES[draw[1] % len(VOLUMES)] * 100
    return ComboSpec(
        cohort=cohort,
        number=number,
        draw=draw,
        event_ticker=event_ticker,
        ticker=f"{event_ticker}-{_hexadecimal((code + 1) * MARKET_FACTOR)}",
        series_ticker=series,
        created=created,
        ends=ends,
        settled=ends + SECOND * 3 // 2,
        tape=_tape(draw, created, ends, total),
    )


def decode_combo_ticker(event_ticker: str) -> tuple[int, int] | None:
    """Return the cohort index and the number of a combo's event, or None for other texts."""
    series, _, digits = event_ticker.rpartition("-S2026")
    if series not in TITLES or len(digits) != 11:
        return None
    try:
        code = int(digits, 16) * pow(EVENT_FACTOR, -1, DIGITS) % DIGITS
    except ValueError:
        return None
    return code % COHORT_SLOTS, code // COHORT_SLOTS


def _tape(draw: tuple[int, ...], opens: int, ends: int, total: int) -> Tape:
    """Return the tape of a combo: up to three trades soon after the opening, and no quotes."""
    return Tape(
        key=draw[2] << 16 | draw[3],
        opens=opens,
        ends=min(ends, opens + 1200 * SECOND),
        total=total,
        trades=min(3, total // 200) or 1 if total else 0,
        lot=100,
        middle=20 + draw[4] % 380,
        swing=10,
        tick=DECI_CENT.tick,
        no_quote_share=256,
    )


def render_combo(spec: ComboSpec, now: int, choose_leg: DrawLeg) -> bytes:
    """Return the Market object of a combo as JSON text."""
    count = spec.tape.count(now)
    volume, earlier = spec.tape.volume(count), spec.tape.volume(spec.tape.count(now - DAY))
    is_settled = now >= spec.settled
    fields: JsonObject = {
        "ticker": spec.ticker,
        "event_ticker": spec.event_ticker,
        "created_time": rfc3339(spec.created),
        "updated_time": rfc3339(spec.updated(now)),
        "open_time": rfc3339(spec.created // SECOND * SECOND),
        **dict.fromkeys(
            ("close_time", "expected_expiration_time", "expiration_time", "latest_expiration_time"), rfc3339(spec.ends)
        ),
        "status": spec.status(now),
        "result": "no" if is_settled else "",
        "volume_fp": format_contracts(volume),
        "volume_24h_fp": format_contracts(volume - earlier),
        "open_interest_fp": format_contracts(0 if is_settled else volume),
        "last_price_dollars": DOLLARS[spec.tape.price(count - 1) if count else 0],
        "mve_collection_ticker": f"{spec.series_ticker}-R",
        **_leg_fields(spec, choose_leg),
    }
    if is_settled:
        fields |= {"settlement_ts": rfc3339(spec.settled), "settlement_value_dollars": "0.0000"}
    elif spec.cohort.is_provisional:
        fields["is_provisional"] = True
    return COMMON[:-1] + b"," + to_json(fields)[1:]


def _leg_fields(spec: ComboSpec, choose_leg: DrawLeg) -> JsonObject:
    """Return the fields of a combo that describe its legs."""
    legs, labels = [], []
    for number in range(LEG_COUNTS[spec.draw[5] % len(LEG_COUNTS)]):
        dice = spec.draw[6 + number % 9] * (number + 1)  # nine draws for up to 16 legs
        event, position = choose_leg(spec.created, dice)
        contract = event.contracts[position]
        side = "no" if dice % 3 == 0 else "yes"
        legs.append(
            {"event_ticker": event.event_ticker, "market_ticker": event.event_ticker + contract.suffix, "side": side}
        )
        labels.append(f"{side} {contract.label}")
    return {
        **dict.fromkeys(("title", "yes_sub_title", "no_sub_title"), ",".join(labels)),
        "mve_selected_legs": legs,
        "custom_strike": {
            "Associated Events": ",".join(leg["event_ticker"] for leg in legs),
            "Associated Markets": ",".join(leg["market_ticker"] for leg in legs),
            "Associated Market Sides": ",".join(leg["side"] for leg in legs),
            "Multivariate Event Ticker": spec.event_ticker,
        },
    }


def make_combo_event_object(spec: ComboSpec) -> JsonObject:
    """Return the Event object of a combo."""
    return {
        "event_ticker": spec.event_ticker,
        "series_ticker": spec.series_ticker,
        "title": TITLES[spec.series_ticker],
        "sub_title": "",
        "category": "Exotics",
        "mutually_exclusive": False,
        "collateral_return_type": "",
        "strike_period": "",
        "settlement_sources": [],
        "available_on_brokers": False,
        "last_updated_ts": rfc3339(spec.created),
    }


def _hexadecimal(code: int) -> str:
    return f"{code % DIGITS:011X}"
