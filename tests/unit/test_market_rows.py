from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_markets.columns import MARKET_COLUMNS, Table
from kalshi_markets.exchange import InvalidMarket, market_row
from kalshi_markets.exchange.column_values import json_text

MARKET = {"ticker": "KXTEST-26NOV24-T1", "event_ticker": "KXTEST-26NOV24", "yes_sub_title": "Above 1"}


def projected(**members: Any) -> dict[str, Any]:
    return market_row(MARKET | members)


def test_a_market_without_optional_members_has_nulls_never_zeros() -> None:
    row = market_row(MARKET)
    assert {name for name, value in row.items() if value is not None} == {
        *("ticker", "event_ticker", "yes_sub_title", "subtitle")
    }


def test_the_subtitle_is_the_exchanges_or_else_the_yes_sub_title() -> None:
    assert market_row(MARKET)["subtitle"] == "Above 1"
    assert projected(subtitle="Own")["subtitle"] == "Own"
    assert projected(subtitle="")["subtitle"] == "Above 1"


@pytest.mark.parametrize("member", ["functional_strike", "early_close_condition", "mve_collection_ticker"])
def test_an_optional_text_that_is_empty_is_absent(member: str) -> None:
    assert projected(**{member: ""})[member] is None
    assert projected(**{member: "x"})[member] == "x"


@pytest.mark.parametrize("member", ["result", "expiration_value", "rules_primary", "rules_secondary", "strike_type"])
def test_a_meaningful_empty_text_is_stored(member: str) -> None:
    assert projected(**{member: ""})[member] == ""


def test_members_are_renamed_as_the_columns_say() -> None:
    row = projected(volume_fp="215.82", settlement_value_dollars="0.5000", yes_bid_size_fp="3.00")
    assert (row["volume"], row["settlement_value"], row["yes_bid_size"]) == ("215.82", "0.5000", "3.00")


@pytest.mark.parametrize(
    ("bid", "bid_size", "ask", "ask_size", "cents"),
    [
        ("0.4200", "100.00", "0.4500", "10.00", "4750"),
        ("0.0000", "0.00", "1.0000", "0.00", "0"),
        ("0.5000", "0.01", "1.0000", "0.00", "0"),  # 0.5 cents is rounded to the even neighbor
        ("0.5000", "0.03", "1.0000", "0.00", "2"),  # and so is 1.5 cents
    ],
)
def test_liquidity_is_what_rests_at_the_best_prices_in_whole_cents(
    bid: str, bid_size: str, ask: str, ask_size: str, cents: str
) -> None:
    sides = {"yes_bid_dollars": bid, "yes_bid_size_fp": bid_size, "yes_ask_dollars": ask, "yes_ask_size_fp": ask_size}
    assert projected(**sides)["liquidity"] == cents


def test_liquidity_is_null_where_a_side_is_missing() -> None:
    assert projected(yes_bid_dollars="0.4", yes_bid_size_fp="1.00", yes_ask_dollars="0.5")["liquidity"] is None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20))
def test_no_digit_of_a_number_is_lost(number: Decimal) -> None:
    assert Decimal(projected(volume_fp=str(number))["volume"]) == number
    assert Decimal(projected(floor_strike=number)["floor_strike"]) == number


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("1.5e3", "1500"),
        ("1E5", "100000"),
        ("-2.50e-2", "-0.0250"),
        ("+5", "5"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("5.", "5"),
        ("007.10", "007.10"),
        (Decimal("1.5E+3"), "1500"),
        (3, "3"),
        ("", None),
    ],
)
@pytest.mark.parametrize("member", ["volume_fp", "settlement_value_dollars", "floor_strike"])
def test_numbers_are_read_exactly_however_they_are_spelled(member: str, sent: object, stored: str | None) -> None:
    name = {"volume_fp": "volume", "settlement_value_dollars": "settlement_value"}.get(member, member)
    assert projected(**{member: sent})[name] == stored


def test_one_quote_in_another_spelling_leaves_the_others_alone() -> None:
    quotes = {
        column.source_field: "0.5000"
        for column in MARKET_COLUMNS
        if column.table is Table.QUOTES and column.name != "liquidity"
    }
    plain, odd = projected(**quotes), projected(**quotes | {"volume_fp": "+1.5e3"})
    assert odd == plain | {"volume": "1500"}


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2026-07-02T21:31:13.7931Z", "2026-07-02T21:31:13.793100+00:00"),
        ("2026-07-02T21:31:13Z", "2026-07-02T21:31:13+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("2026-07-02T21:31:13-04:00", "2026-07-03T01:31:13+00:00"),
        ("2026-07-02t21:31:13z", "2026-07-02T21:31:13+00:00"),
        ("2026-07-02 21:31:13", "2026-07-02T21:31:13+00:00"),
        ("2026-07-02T24:00:00Z", "2026-07-03T00:00:00+00:00"),
        ("2026-12-31T24:00:00.000-05:00", "2027-01-01T05:00:00+00:00"),
        ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00+00:00"),
        ("2026-12-31t23:59:60.25z", "2027-01-01T00:00:00.250000+00:00"),
        (1783027873, "2026-07-02T21:31:13+00:00"),
        (Decimal("1783027873.5"), "2026-07-02T21:31:13.500000+00:00"),
        ("1783027873", "2026-07-02T21:31:13+00:00"),
        (0, "1970-01-01T00:00:00+00:00"),
        ("20260702", "2026-07-02T00:00:00+00:00"),
        ("", None),
        (None, None),
    ],
)
def test_times_become_utc_instants(sent: object, stored: str | None) -> None:
    assert projected(open_time=sent)["open_time"] == stored


def test_json_members_keep_their_numbers_digit_for_digit() -> None:
    strike = {"at": Decimal("0.10"), "name": "é", "all": [1, True, None]}
    assert projected(custom_strike=strike)["custom_strike"] == '{"at":0.10,"name":"é","all":[1,true,null]}'


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("title", "NUL \0 inside"),
        ("title", "lone \ud800 surrogate"),
        ("custom_strike", {"deep": "lone \udfff"}),
        ("custom_strike", {"\0": 1}),
        ("custom_strike", {"n": Decimal("1E+999999999")}),
        ("volume_fp", "NaN"),
        ("volume_fp", "1_000"),
        ("volume_fp", "1e31"),
        ("volume_fp", "1e-31"),
        ("volume_fp", "1e9999"),
        ("volume_fp", "."),
        ("volume_fp", "1e"),
        ("volume_fp", "٣"),
        ("volume_fp", "1\n2"),
        ("volume_fp", "1\n"),
        ("volume_fp", "0x10"),
        ("volume_fp", [1]),
        ("volume_fp", True),
        ("floor_strike", Decimal("1E+999999999")),
        ("settlement_timer_seconds", 2**40),
        ("settlement_timer_seconds", Decimal("1.5")),
        ("open_time", "yesterday"),
        ("open_time", True),
        ("open_time", 10**15),
        ("open_time", Decimal("1E+999999999")),
        ("open_time", ["2026-07-02T21:31:13Z"]),
        ("open_time", "2026-07-02T24:00:01Z"),
        ("open_time", "2026-07-02T23:61:60Z"),
        ("open_time", "9999-12-31T24:00:00Z"),
        ("open_time", "0001-01-01T00:00:00+14:00"),
        ("can_close_early", "yes"),
        ("ticker", ""),
        ("ticker", None),
    ],
)
def test_fields_that_postgresql_cannot_store_are_rejected_by_name(member: str, value: object) -> None:
    with pytest.raises(InvalidMarket, match=f"^{member}: "):
        projected(**{member: value})


def test_a_non_object_market_is_rejected() -> None:
    with pytest.raises(InvalidMarket, match="not an object"):
        market_row("KXTEST")  # type: ignore[arg-type]  # an invalid page may contain it


def test_a_string_field_that_became_a_number_is_stored_as_text() -> None:
    assert projected(expiration_value=Decimal("12.50"))["expiration_value"] == "12.50"


def test_absurd_nesting_is_rejected() -> None:
    value: Any = 1
    for _ in range(100):
        value = [value]
    with pytest.raises(ValueError, match="nested"):
        json_text(value)


def test_liquidity_of_absurd_sizes_keeps_every_digit() -> None:
    sides = {"yes_bid_dollars": "0.5", "yes_bid_size_fp": "9" * 29, "yes_ask_dollars": "1", "yes_ask_size_fp": "1"}
    assert market_row({"ticker": "A", **sides})["liquidity"] == str(int("9" * 29) * 50)
