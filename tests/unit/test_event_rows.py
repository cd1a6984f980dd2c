from decimal import Decimal
from typing import Any

import pytest

from kalshi_markets.event_columns import EVENT_COLUMNS, SERIES_COLUMNS
from kalshi_markets.exchange import event_row, series_row

EVENT: dict[str, Any] = {
    "event_ticker": "KXE-26",
    "series_ticker": "KXE",
    "title": "Highest temperature",
    "sub_title": "On 26 November",
    "mutually_exclusive": True,
    "strike_date": "2026-11-26T23:00:00Z",
    "collateral_return_type": "",
    "fee_multiplier_override": Decimal("0.35000000000000000001"),
    "last_updated_ts": "2026-11-20T12:00:00.123456Z",
    "settlement_sources": [{"name": "NWS", "url": "https://weather.gov"}],
    "product_metadata": {"scope": "City", "weight": Decimal("1.10")},
    "category": "Climate",
    "markets": [{}],
}
SERIES: dict[str, Any] = {
    "ticker": "KXE",
    "title": "Temperature",
    "category": "Climate",
    "categories": ["Climate", "Science"],
    "tags": ["daily", "New York"],
    "fee_multiplier": 1,
    "exchange_index": 0,
}


def test_every_column_has_the_value_that_was_sent() -> None:
    row = event_row(EVENT)
    assert row is not None
    assert [*row] == [column.name for column in EVENT_COLUMNS]
    assert {name: value for name, value in row.items() if value is not None} == {
        "event_ticker": "KXE-26",
        "series_ticker": "KXE",
        "title": "Highest temperature",
        "sub_title": "On 26 November",
        "mutually_exclusive": True,
        "strike_date": "2026-11-26T23:00:00+00:00",
        "collateral_return_type": "",
        "fee_multiplier_override": "0.35000000000000000001",
        "last_updated_ts": "2026-11-20T12:00:00.123456+00:00",
        "settlement_sources": '[{"name":"NWS","url":"https://weather.gov"}]',
        "product_metadata": '{"scope":"City","weight":1.10}',
    }
    series = series_row(SERIES)
    assert series is not None
    assert [*series] == [column.name for column in SERIES_COLUMNS]
    assert series["series_ticker"] == "KXE"
    assert series["categories"] == '["Climate","Science"]'
    assert (series["fee_multiplier"], series["exchange_index"]) == ("1", "0")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("title", ""),
        ("title", 5),
        ("title", "NUL\0"),
        ("strike_date", "soon"),
        ("strike_date", ""),
        ("mutually_exclusive", "yes"),
        ("fee_multiplier_override", "much"),
        ("settlement_sources", "NWS"),
        ("product_metadata", {"lone": "\ud800"}),
        ("product_metadata", None),
    ],
)
def test_a_member_that_is_invalid_or_empty_is_null_and_the_others_stay(member: str, value: object) -> None:
    valid_row, row = event_row(EVENT), event_row(EVENT | {member: value})
    assert valid_row is not None
    assert row == valid_row | {member: None}


@pytest.mark.parametrize("ticker", [None, "", 5, "NUL\0", "t" * 201, ["KXE"]])
def test_an_object_without_its_tickers_is_no_row(ticker: object) -> None:
    assert event_row(EVENT | {"event_ticker": ticker}) is None
    assert event_row(EVENT | {"series_ticker": ticker}) is None
    assert series_row(SERIES | {"ticker": ticker}) is None
    assert event_row(ticker) is series_row(ticker) is None
