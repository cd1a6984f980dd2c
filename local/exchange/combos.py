"""Combos (multivariate markets): short-lived bets on several markets of the generated exchange at once."""

from random import Random

from local.exchange.catalogue import JsonObject
from local.exchange.clock import SECOND, rfc3339
from local.exchange.plan import World
from local.exchange.quotes import DECI_CENT, dollars

MINUTE = 60 * SECOND
SHARE = 0.03  # of the other markets
# Since 2026-08 there are series tickers with a hyphen (docs.kalshi.com, changelog).
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


# What all combos share. The book of one that nobody quotes is the wrong way round (observed on production, 2026-06).
COMMON: JsonObject = {
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
    "price_ranges": DECI_CENT.ranges,
    "settlement_timer_seconds": 5,
    "settlement_bounds_type": "default",
    "can_close_early": True,
    "rules_primary": "",
    "rules_secondary": "",
    "strike_type": "custom",
    "exchange_index": 1,
}


def combo_count(world: World) -> int:
    return round(world.size * SHARE)


def combo_event(world: World, index: int) -> JsonObject:
    """The Event object of a combo, which is its only market."""
    event_ticker = _event_ticker(index)
    return {
        "event_ticker": event_ticker,
        "series_ticker": _series_ticker(index),
        "title": TITLES[_series_ticker(index)],
        "sub_title": "",
        "category": "Exotics",
        "mutually_exclusive": False,
        "collateral_return_type": "",
        "strike_period": "",
        "settlement_sources": [],
        "available_on_brokers": False,
        "last_updated_ts": rfc3339(world.now - 20 * MINUTE),
    }


def combo(world: World, index: int) -> JsonObject:
    """The Market object of a combo: created lately, either settled already or open, where many were never traded."""
    draw = Random(f"{world.seed}/combo/{index}")
    event_ticker = _event_ticker(index)
    created = world.now - draw.randrange(MINUTE, 20 * MINUTE)
    is_settled = draw.random() < 0.5
    volume = draw.choice((0, 0, 1, 5, 30, 580))
    fields = {
        **COMMON,
        "ticker": f"{event_ticker}-{_hexadecimal(index, 0xB5297A4D3F1)}",
        "event_ticker": event_ticker,
        "created_time": rfc3339(created),
        "updated_time": rfc3339(created + SECOND // 7),
        "open_time": rfc3339(created // SECOND * SECOND),
        "volume_fp": f"{volume}.00",
        "volume_24h_fp": f"{volume}.00",
        "open_interest_fp": "0.00" if is_settled else f"{volume}.00",
        "last_price_dollars": dollars(draw.randrange(1, 400) if volume else 0),
        "mve_collection_ticker": f"{_series_ticker(index)}-R",
        **_legs(world, draw, event_ticker),
        **_end(world.now, created, is_settled=is_settled),
    }
    return fields | ({"is_provisional": True} if not volume and not is_settled else {})


def _end(now: int, created: int, *, is_settled: bool) -> JsonObject:
    closes = (created + (now - created) // 2 if is_settled else now + 360 * MINUTE) // SECOND * SECOND
    names = ("close_time", "expected_expiration_time", "expiration_time", "latest_expiration_time")
    times: JsonObject = dict.fromkeys(names, rfc3339(closes))
    if not is_settled:
        return times | {"status": "active", "result": ""}
    settlement = {"settlement_ts": rfc3339(closes + SECOND * 3 // 2), "settlement_value_dollars": "0.0000"}
    return times | settlement | {"status": "finalized", "result": "no"}


def _legs(world: World, draw: Random, event_ticker: str) -> JsonObject:
    """What it bets on, in all the places that say so."""
    count = min(world.size, draw.choice((2, 2, 2, 3, 3, 4, 5, 8, 16)))
    labelled = [_leg(world, index, draw) for index in draw.sample(range(world.size), count)]
    legs = [leg for leg, _ in labelled]
    title = ",".join(f"{leg['side']} {label}" for leg, label in labelled)
    return {
        **dict.fromkeys(("title", "yes_sub_title", "no_sub_title"), title),
        "mve_selected_legs": legs,
        "custom_strike": {
            "Associated Events": ",".join(leg["event_ticker"] for leg in legs),
            "Associated Markets": ",".join(leg["market_ticker"] for leg in legs),
            "Associated Market Sides": ",".join(leg["side"] for leg in legs),
            "Multivariate Event Ticker": event_ticker,
        },
    }


def _leg(world: World, index: int, draw: Random) -> tuple[dict[str, str], str]:
    """The member of mve_selected_legs, and the label of the market."""
    number, position = world.place(index)
    plan = world.event(number)
    contract = plan.board.contract(position)
    side = draw.choice(("yes", "yes", "no"))
    leg = {"event_ticker": plan.ticker, "market_ticker": plan.ticker + contract.suffix, "side": side}
    return leg, contract.label


def _series_ticker(index: int) -> str:
    return tuple(TITLES)[index % len(TITLES)]


def _event_ticker(index: int) -> str:
    return f"{_series_ticker(index)}-S2026{_hexadecimal(index, 0x9E3779B97F5)}"


def _hexadecimal(index: int, multiplier: int) -> str:
    """Eleven digits, different for every index since the multiplier is odd."""
    return f"{(index + 1) * multiplier % 16**11:011X}"
