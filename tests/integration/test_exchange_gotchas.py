"""Reported surprises of the exchange's API, each reproduced by the simulated exchange.

Users reported them in public issues and code of 2026; docs/exchange.md lists them with their tests.
"""

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import ValidationError

from local.exchange.clock import DAY, SECOND, Clock, parse
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.server import ExchangeServer
from tests.support.listings import fetch_all

NOW = parse("2026-11-24T12:00:00Z")
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
LIMITS = "/account/limits"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def server() -> Iterator[ExchangeServer]:
    with ExchangeServer(generate(2, 3000, Clock(NOW, 0), archived=800), {"me": KEY.public_key()}) as server:
        yield server


@pytest.fixture
def api(server: ExchangeServer) -> Iterator[httpx.Client]:
    """Yield a client of the exchange without faults at its default time."""
    server.exchange.clock.set(NOW)
    with httpx.Client(base_url=server.url) as client:
        yield client
        client.delete(f"{server.root}/admin/faults")


def strike(api: httpx.Client, **rule: object) -> None:
    api.post(str(api.base_url.copy_with(path="/admin/faults")), json=[rule]).raise_for_status()


def signed(at: int | str, signature: bytes) -> dict[str, str]:
    return {
        "KALSHI-ACCESS-KEY": "me",
        "KALSHI-ACCESS-TIMESTAMP": str(at),
        "KALSHI-ACCESS-SIGNATURE": b64encode(signature).decode(),
    }


def pss(message: str, salt: int = 32) -> bytes:
    return KEY.sign(message.encode(), padding.PSS(padding.MGF1(SHA256()), salt), SHA256())


def test_a_signature_over_the_query_or_without_the_prefix_or_with_other_padding_is_incorrect(api: httpx.Client) -> None:
    at = NOW // 1000
    right = f"{at}GET/trade-api/v2{LIMITS}"
    wrong = [
        pss(f"{right}?x=1"),
        pss(f"{at}GET{LIMITS}"),
        KEY.sign(right.encode(), padding.PKCS1v15(), SHA256()),
        pss(right, padding.calculate_max_pss_salt_length(KEY, SHA256())),
    ]
    for signature in wrong:
        response = api.get(LIMITS, params={"x": 1}, headers=signed(at, signature))
        assert response.json()["error"]["details"] == "INCORRECT_API_KEY_SIGNATURE"
    assert api.get(LIMITS, params={"x": 1}, headers=signed(at, pss(right))).status_code == 200


def test_a_timestamp_in_seconds_is_rejected(api: httpx.Client) -> None:
    at = NOW // SECOND
    assert api.get(LIMITS, headers=signed(at, pss(f"{at}GET/trade-api/v2{LIMITS}"))).status_code == 401


def test_after_a_sleep_an_old_signature_has_expired_and_a_fresh_one_is_taken(
    server: ExchangeServer, api: httpx.Client
) -> None:
    at = NOW // 1000
    old = signed(at, pss(f"{at}GET/trade-api/v2{LIMITS}"))
    server.exchange.clock.set(NOW + 60 * SECOND)
    assert api.get(LIMITS, headers=old).json()["error"]["code"] == "header_timestamp_expired"
    fresh = signed(at + 60_000, pss(f"{at + 60_000}GET/trade-api/v2{LIMITS}"))
    assert api.get(LIMITS, headers=fresh).status_code == 200


@pytest.mark.parametrize(
    "damage", [lambda cursor: "invalid", lambda cursor: cursor[:-3], lambda cursor: cursor + "%3D"]
)
def test_a_damaged_cursor_silently_starts_again(api: httpx.Client, damage: Any) -> None:
    first = api.get("/markets").json()
    second = api.get("/markets", params={"cursor": damage(first["cursor"])})
    assert (second.status_code, second.json()) == (200, first)


def test_a_client_that_ignores_the_cursor_stays_on_the_first_page(api: httpx.Client) -> None:
    first = api.get("/markets").json()
    assert api.get("/markets").json() == first
    assert api.get("/markets", params={"cursor": first["cursor"]}).json() != first


def test_without_mve_filter_the_open_listing_begins_with_combos(api: httpx.Client) -> None:
    first = api.get("/markets", params={"status": "open", "limit": 20}).json()["markets"]
    combos = [row for row in first if row["ticker"].startswith("KXMVE")]
    assert len(combos) > 10
    assert all("mve_collection_ticker" in row and row["rules_primary"] == "" for row in combos)
    assert not [row for row in fetch_all(api, mve_filter="exclude") if row["ticker"].startswith("KXMVE")]


def test_a_page_can_be_empty_and_yet_lead_on(api: httpx.Client) -> None:
    strike(api, kind="empty_page")
    empty = api.get("/markets").json()
    assert empty["markets"] == []
    following = api.get("/markets", params={"cursor": empty["cursor"]}).json()
    api.delete(str(api.base_url.copy_with(path="/admin/faults")))
    assert following == api.get("/markets").json()


@pytest.mark.parametrize(("path", "maximum"), [("/events", 200), ("/markets", 1000), ("/historical/markets", 1000)])
def test_too_large_a_limit_is_rejected_not_capped(api: httpx.Client, path: str, maximum: int) -> None:
    assert api.get(path, params={"limit": maximum}).status_code == 200
    response = api.get(path, params={"limit": maximum + 1})
    assert (response.status_code, list(response.json())) == (400, ["msg"])


def test_a_backfill_without_pacing_is_mostly_rate_limited() -> None:
    limited = ExchangeServer(generate(2, 5, Clock(NOW, 0)), options=ServerOptions(tier="basic"))
    with limited, httpx.Client(base_url=limited.url) as api:
        statuses = Counter(api.get("/markets").status_code for _ in range(65))
    assert statuses == {200: 10, 429: 55}


@pytest.mark.sdk
@pytest.mark.parametrize(("member", "change"), [("volume_fp", "removed"), ("status", "type_changed")])
def test_a_member_that_vanishes_or_changes_breaks_strict_models(api: httpx.Client, member: str, change: str) -> None:
    from kalshi_python_sync.models.market import Market

    Market.model_validate(api.get("/markets?mve_filter=exclude").json()["markets"][0])
    strike(api, kind="field_drift", member=member, change=change)
    drifted = api.get("/markets?mve_filter=exclude").json()["markets"][0]
    with pytest.raises(ValidationError, match=member):
        Market.model_validate(drifted)


def test_removed_members_are_not_sent(api: httpx.Client) -> None:
    removed = {"liquidity", "liquidity_dollars", "yes_bid", "last_price", "volume", "open_interest", "settlement_value"}
    removed |= {"category", "risk_limit_cents", "tick_size", "response_price_units", "fractional_trading_enabled"}
    assert not [row for row in fetch_all(api) if removed & row.keys()]


def test_closing_expiring_and_settling_are_three_times(api: httpx.Client) -> None:
    settled = fetch_all(api, status="settled", mve_filter="exclude")
    apart = [
        row for row in settled if len({row["close_time"], row["latest_expiration_time"], row["settlement_ts"]}) == 3
    ]
    assert len(apart) > 0.9 * len(settled) > 0
    live = fetch_all(api, status="open", mve_filter="exclude")
    assert [row for row in live if parse(row["expected_expiration_time"]) < parse(row["close_time"])]


def test_times_have_up_to_six_digits_and_are_left_out_where_unset(api: httpx.Client) -> None:
    rows = fetch_all(api, mve_filter="exclude")
    digits = Counter(len(re.sub(r"^[^.]*\.?|Z$", "", row["created_time"])) for row in rows)
    assert {0, 5, 6} <= set(digits) <= set(range(7))
    assert not [row for row in rows if None in row.values()]
    assert {"settlement_ts" in row for row in rows if row["status"] == "active"} == {False}
    assert {"occurrence_datetime" in row for row in rows} == {True, False}


def test_numbers_are_strings_but_for_a_few(api: httpx.Client) -> None:
    numbers: set[str] = set()
    for row in fetch_all(api, mve_filter="exclude"):
        numbers |= {name for name, value in row.items() if type(value) in (int, float)}
        assert all(Decimal(row[name]) >= 0 for name in row if name.endswith(("_dollars", "_fp")))
    assert numbers == {"floor_strike", "cap_strike", "settlement_timer_seconds", "exchange_index"}


def test_candles_have_other_names_in_the_archive_and_no_prices_where_nothing_traded(api: httpx.Client) -> None:
    live = _candles(api, fetch_all(api, status="settled", mve_filter="exclude"), "/series/ANY/markets/{}/candlesticks")
    old = _candles(
        api, fetch_all(api, "/historical/markets", mve_filter="exclude"), "/historical/markets/{}/candlesticks"
    )
    assert {frozenset(candle["yes_bid"]) for candle in live} == {
        frozenset({"open_dollars", "low_dollars", "high_dollars", "close_dollars"})
    }
    assert {frozenset(candle["yes_bid"]) for candle in old} == {frozenset({"open", "low", "high", "close"})}
    assert all(("close_dollars" in candle["price"]) == (Decimal(candle["volume_fp"]) > 0) for candle in live)
    assert all((candle["price"]["close"] is not None) == (Decimal(candle["volume"]) > 0) for candle in old)


def _candles(api: httpx.Client, rows: list[Row], path: str) -> list[Row]:
    """Return hourly candles of the last week of the most traded markets."""
    candles = []
    for row in sorted(rows, key=lambda row: Decimal(row["volume_fp"]))[-10:]:
        end = parse(row["close_time"]) // SECOND + 3600
        query = {"start_ts": end - 7 * 86_400, "end_ts": end, "period_interval": 60}
        candles += api.get(path.format(row["ticker"]), params=query).json()["candlesticks"]
    assert candles
    return candles


def test_an_empty_book_has_the_prices_zero_and_one(api: httpx.Client) -> None:
    rows = fetch_all(api, status="open", mve_filter="exclude")
    empty = [row for row in rows if Decimal(row["yes_bid_size_fp"]) == 0 and Decimal(row["yes_ask_size_fp"]) == 0]
    assert {(row["yes_bid_dollars"], row["yes_ask_dollars"]) for row in empty} == {("0.0000", "1.0000")}


def test_old_settlements_are_not_in_the_settled_listing_but_in_the_archive(api: httpx.Client) -> None:
    cutoff = parse(api.get("/historical/cutoff").json()["market_settled_ts"]) // SECOND
    window = {"min_settled_ts": cutoff - 200 * 86_400, "max_settled_ts": cutoff - 20 * 86_400}
    assert api.get("/markets?status=settled", params=window).json() == {"markets": [], "cursor": ""}
    archived = fetch_all(api, "/historical/markets", mve_filter="exclude")
    assert min(parse(row["settlement_ts"]) // SECOND for row in archived) < cutoff - 20 * 86_400
    assert api.get(f"/markets/{archived[-1]['ticker']}").status_code == 404


def test_the_archive_silently_ignores_filters_of_time_and_status(api: httpx.Client) -> None:
    plain = api.get("/historical/markets").json()
    assert api.get("/historical/markets", params={"status": "open", "min_close_ts": 2**31}).json() == plain


def test_a_response_is_cached_for_fifteen_seconds(server: ExchangeServer, api: httpx.Client) -> None:
    strike(api, kind="stale_cache")

    def ask(second: int, **more: str) -> tuple[str, str]:
        server.exchange.clock.set(parse("2026-11-24T23:59:50Z") + second * SECOND)
        response = api.get("/historical/cutoff", params=more)  # changes at midnight
        assert response.headers["cache-control"] == "public, max-age=15"
        return response.json()["market_settled_ts"], response.headers["x-kalshi-cache-hits"]

    before, _ = ask(0)
    assert ask(14) == (before, "1")
    assert ask(14, buster="1")[0] > before
    assert ask(15)[0] > before


def test_a_market_does_not_tell_its_series(api: httpx.Client) -> None:
    rows = fetch_all(api, mve_filter="exclude")
    assert not [row for row in rows if "series_ticker" in row]
    events = api.get("/events").json()["events"]
    assert [event for event in events if event["event_ticker"].partition("-")[0] != event["series_ticker"]]


def test_a_listed_market_can_be_missing_afterwards(server: ExchangeServer, api: httpx.Client) -> None:
    listed = fetch_all(api, status="open", mve_filter="only")
    server.exchange.clock.set(NOW + DAY)
    provisional = [row["ticker"] for row in listed if row.get("is_provisional")]
    statuses = {(_status(api, "", ticker), _status(api, "/historical", ticker)) for ticker in provisional}
    assert (404, 404) in statuses


def _status(api: httpx.Client, tier: str, ticker: str) -> int:
    return api.get(f"{tier}/markets/{ticker}").status_code


def test_all_series_come_at_once_whatever_the_limit(api: httpx.Client) -> None:
    everything = api.get("/series").json()
    assert list(everything) == ["series"]
    assert api.get("/series", params={"limit": 1, "cursor": "x"}).json() == everything
