"""Events that the generated exchange does not have: long ladders, hostile texts, removed and settled markets."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from local.exchange.catalogue import Series, to_json
from local.exchange.clock import DAY, HOUR, rfc3339
from local.exchange.recording import RecordedEvent, RecordedMarket

HOSTILE_TEXTS: Final = {
    "SCRIPT": "<script>document.title='script ran'</script><img src=x onerror=\"document.title='image ran'\">",
    "ENTITIES": "&lt;b&gt;bold&lt;/b&gt; &amp; &#x3C;i&#x3E; \" ' ` ${1+1} {{1+1}} </main></template>-->",
    "BIDI": "Will \u202eexe.txt live\u202c or \u2066isolated\u2069 text win?",
    "RTL": "هل سيفوز الفريق الأول في المباراة؟ שאלה בעברית",
    "EMOJI": f"🏆👩‍👩‍👧‍👦🇵🇹 Which 🐙 wins? {'👍🏽' * 40}",
    "LONG": "W" * 500,
}
"""Titles and rules by the end of a market's ticker."""
OUTCOMES: Final = 200
LADDER_EVENT: Final = "KXLADDER-1"
HOSTILE_EVENT: Final = "KXHOSTILE-1"
WEATHER_EVENT: Final = "KXTESTHIGH-1"
SETTLED_MARKET: Final = "KXCOMET-1-A"
REMOVED_MARKET: Final = "KXMATCH-1-A"
IDLE_MARKET: Final = "KXMATCH-1-B"
"""Market with quotes and without a trade."""
_SERIES_TITLES: Final = {
    "KXLADDER": "A ladder of many strikes",
    "KXHOSTILE": "<b>Texts</b> & markup",
    "KXMATCH": "Matches that may be called off",
    "KXCOMET": "Comets",
    "KXTESTHIGH": "Highest temperature in Testville",
}
CENT: Final = Decimal("0.01")
_COMMON: Final = {
    "market_type": "binary",
    "status": "active",
    "result": "",
    "expiration_value": "",
    "rules_primary": "If this happens by the close, then the market resolves to Yes.",
    "rules_secondary": "",
    "yes_bid_size_fp": "120.00",
    "yes_ask_size_fp": "80.00",
    "liquidity_dollars": "0.0000",
    "notional_value_dollars": "1.0000",
    "price_level_structure": "linear_cent",
    "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    "settlement_bounds_type": "default",
    "settlement_timer_seconds": 300,
    "can_close_early": True,
}
"""Members that all prepared markets share."""


@dataclass(frozen=True)
class PreparedEvent(RecordedEvent):
    """Event of prepared markets. title: its own title."""

    title: str

    @property
    def json(self) -> bytes:
        """Event object of a response."""
        return to_json(json.loads(super().json) | {"title": self.title})


def prepared_events(now: int) -> Iterator[PreparedEvent]:
    """Yield the events at an instant."""
    yield _event(LADDER_EVENT, "Where will the index close?", _ladder_markets(now))
    yield _event(HOSTILE_EVENT, HOSTILE_TEXTS["SCRIPT"], _hostile_markets(now))
    yield _event(WEATHER_EVENT, "Highest temperature in Testville today?", _weather_markets(now))
    match = "Will the match take place?"
    idle = _market(IDLE_MARKET, match, "It is moved", now) | {"volume_fp": "0.00", "last_price_dollars": "0.0000"}
    yield _event("KXMATCH-1", match, [_market(REMOVED_MARKET, match, "It takes place", now), idle])
    comet = "Will the comet be seen?"
    yield _event("KXCOMET-1", comet, [_market(SETTLED_MARKET, comet, "It is seen", now) | _settlement(now)])


def prepared_series(now: int) -> Iterator[Series]:
    """Yield the series of the events at an instant."""
    for ticker, title in _SERIES_TITLES.items():
        fields: dict[str, Any] = {
            "ticker": ticker,
            "title": title,
            "category": "World",
            "categories": ["World"],
            "tags": None,
        }
        fields |= {"frequency": "custom", "settlement_sources": [], "contract_url": "", "contract_terms_url": ""}
        fields |= {"fee_type": "quadratic", "fee_multiplier": 1, "additional_prohibitions": None}
        yield Series.from_object(fields | {"last_updated_ts": rfc3339(now - DAY)})


def _event(ticker: str, title: str, markets: Sequence[dict[str, Any]]) -> PreparedEvent:
    return PreparedEvent(ticker, [RecordedMarket.from_object(market, to_json(market)) for market in markets], title)


def _ladder_markets(now: int) -> list[dict[str, Any]]:
    title, markets = "Where will the index close?", []
    for rung in range(OUTCOMES):
        strike = 1_000 + 25 * rung
        cents, volume = max(1, 99 - rung // 2), rung * 7_919 % 5_000
        market = _market(f"{LADDER_EVENT}-T{strike}", title, f"{strike:,} or above", now, cents=cents, volume=volume)
        markets.append(market | {"strike_type": "greater", "floor_strike": strike})
    return markets


def _hostile_markets(now: int) -> list[dict[str, Any]]:
    return [
        _market(f"{HOSTILE_EVENT}-{name}", text, text, now)
        | {"rules_primary": text, "rules_secondary": f"{text}\n{text}"}
        for name, text in HOSTILE_TEXTS.items()
    ]


def _weather_markets(now: int) -> list[dict[str, Any]]:
    markets = []
    for rung, degrees in enumerate(range(48, 60, 2)):
        title, outcome = f"Will the **high temp in Testville** be >{degrees}°?", f"{degrees}° or above"
        market = _market(f"{WEATHER_EVENT}-T{degrees}", title, outcome, now, cents=85 - 15 * rung)
        markets.append(market | {"strike_type": "greater", "floor_strike": degrees})
    return markets


def _settlement(now: int) -> dict[str, Any]:
    settled = rfc3339(now - 2 * HOUR)
    texts = {"status": "finalized", "result": "yes", "expiration_value": "seen", "settlement_value_dollars": "1.0000"}
    return texts | {"close_time": rfc3339(now - 3 * HOUR), "settlement_ts": settled, "updated_time": settled}


def _market(ticker: str, title: str, outcome: str, now: int, *, cents: int = 41, volume: int = 1_355) -> dict[str, Any]:
    """Return the Market object of an open market that closes in ten days."""
    price = Decimal(cents) / 100
    bid, ask = max(price - CENT, Decimal(0)), min(price + CENT, Decimal(1))
    prices = {"last_price": price, "previous_price": max(price - 3 * CENT, Decimal(0)), "yes_bid": bid, "yes_ask": ask}
    prices |= {"previous_yes_bid": bid, "previous_yes_ask": ask, "no_bid": 1 - ask, "no_ask": 1 - bid}
    counts = {"volume": volume, "volume_24h": volume // 3, "open_interest": volume // 2}
    times = {
        "created": -4 * DAY,
        "open": -3 * DAY,
        "updated": -HOUR,
        "close": 10 * DAY,
        "expected_expiration": 10 * DAY,
    }
    times |= {"expiration": 17 * DAY, "latest_expiration": 17 * DAY}
    return {
        **_COMMON,
        "ticker": ticker,
        "event_ticker": ticker.rpartition("-")[0],
        "title": title,
        "yes_sub_title": outcome,
        "no_sub_title": outcome,
        **{f"{name}_time": rfc3339(now + offset) for name, offset in times.items()},
        **{f"{name}_dollars": f"{dollars:.4f}" for name, dollars in prices.items()},
        **{f"{name}_fp": f"{count}.00" for name, count in counts.items()},
    }
