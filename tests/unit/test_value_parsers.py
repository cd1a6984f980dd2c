from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import value_parsers


@pytest.mark.parametrize(
    ("given_text", "instant"),
    [
        ("1795521600", "2026-11-24T12:00:00+00:00"),
        ("1795521600.000001", "2026-11-24T12:00:00.000001+00:00"),
        ("1795521600.123456", "2026-11-24T12:00:00.123456+00:00"),
        ("2026-11-24T12:00:00.123456Z", "2026-11-24T12:00:00.123456+00:00"),
        ("2026-11-24T12:00:00-05", "2026-11-24T17:00:00+00:00"),
        ("100000000000", "5138-11-16T09:46:40+00:00"),
        ("0", "1970-01-01T00:00:00+00:00"),
        ("0.0", "1970-01-01T00:00:00+00:00"),
        ("1000000000", "2001-09-09T01:46:40+00:00"),
        ("2026-11-24t12:00:00z", "2026-11-24T12:00:00+00:00"),
        ("2026-11-24T24:00:00Z", "2026-11-25T00:00:00+00:00"),
        ("2026-12-31T24:00", "2027-01-01T00:00:00+00:00"),
        ("2026-11-24T24:00:00.000-05:00", "2026-11-25T05:00:00+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250000+00:00"),
        ("2017-01-01T00:59:60+01:00", "2017-01-01T00:00:00+00:00"),
        ("0001-01-01T12:00+05:00", "0001-01-01T07:00:00+00:00"),
        ("2026-11-24T12:00:00Z", "2026-11-24T12:00:00+00:00"),
        ("2026-11-24T12:00:00", "2026-11-24T12:00:00+00:00"),
        ("2026-11-24 12:00", "2026-11-24T12:00:00+00:00"),
        ("2026-11-24", "2026-11-24T00:00:00+00:00"),
        ("2026-11-24T12:00:00.25-05:00", "2026-11-24T17:00:00.250000+00:00"),
        ("2026-11-24T12:00:00+0200", "2026-11-24T10:00:00+00:00"),
        ("2026-11-24T12:00:00 02:00", "2026-11-24T10:00:00+00:00"),  # an unescaped + in a URL
    ],
)
def test_times_are_unix_seconds_or_iso_8601(given_text: str, instant: str) -> None:
    assert value_parsers.parse_time(given_text) == instant


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "-5", "1e9", "+1795521600", "１７９５", "2026-13-01", "2026-02-30", "24.11.2026", "2026-W01-1"),
        *("2026-11-24T25:00", "2026-11-24T24:01", "2026-11-24T24:00:01", "2026-11-24T12:60", "2026-11-24T12:00:61"),
        *("9999-12-31T24:00:00", "0001-01-01T00:00+05:00", "2026-11-24T12:00+25:00"),
    ],
)
def test_other_times_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="must be ISO 8601"):
        value_parsers.parse_time(text)


def test_milliseconds_are_rejected_with_a_hint() -> None:
    with pytest.raises(ValueError, match="milliseconds"):
        value_parsers.parse_time("1795521600000")


@pytest.mark.parametrize("text", ["1", "0.5", "2026", "202601", "20260101", "999999999", "999999999.999999"])
def test_a_year_or_a_date_without_dashes_is_not_read_as_unix_seconds(text: str) -> None:
    with pytest.raises(ValueError, match="write a date as 2026-01-01"):
        value_parsers.parse_time(text)


@given(st.datetimes(datetime(2001, 9, 10), datetime(5000, 1, 1)))  # noqa: DTZ001  # the time zone is set below
def test_an_instant_means_the_same_in_both_spellings(instant: datetime) -> None:
    aware = instant.replace(tzinfo=UTC)
    micros = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)
    assert value_parsers.parse_time(f"{micros // 10**6}.{micros % 10**6:06}") == value_parsers.parse_time(
        aware.isoformat()
    )


@pytest.mark.parametrize("text", ["0", "-1", "12.50", "0" * 60])
def test_numbers_pass_digit_for_digit(text: str) -> None:
    assert value_parsers.parse_number(text) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        *(("1.5e3", "1500"), ("+5", "5"), (".5", "0.5"), ("5.", "5"), ("-.50", "-0.50"), ("1E-4", "0.0001")),
        *(("+1.230e+2", "123.0"), ("0e9", "0"), ("1e63", "1" + "0" * 63), ("-0.0e0", "-0.0")),
        ("1234567890.123456789e-9", "1.234567890123456789"),
    ],
)
def test_other_spellings_of_a_number_are_read_digit_for_digit(text: str, plain: str) -> None:
    assert value_parsers.parse_number(text) == plain
    assert Decimal(value_parsers.parse_number(text)) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "1e", "e5", "+", ".", "-.", "+-1", "1e5.5", "1_000", "NaN", "Infinity", "٣", "0x10", " 1", "1,5"),
        *("1" * 65, "1e64", "1e-63", "1e999", "1e9999", "-1e-999"),
    ],
)
def test_other_numbers_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number"):
        value_parsers.parse_number(text)


@pytest.mark.parametrize("text", ["1", "True", "yes", ""])
def test_booleans_are_true_or_false(text: str) -> None:
    assert value_parsers.parse_boolean("true") is True
    assert value_parsers.parse_boolean("false") is False
    with pytest.raises(ValueError, match="true or false"):
        value_parsers.parse_boolean(text)


@pytest.mark.parametrize("text", ["", "{", "NaN", "[" * 999])
def test_json_values_are_json(text: str) -> None:
    with pytest.raises(ValueError, match="must be JSON"):
        value_parsers.parse_json(text)
