"""Cursors of the simulated exchange: round trips, and rejection of everything else."""

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.exchange.clock import parse, rfc3339
from local.exchange.cursor import Position, decode, encode

FIRST, LAST = parse("0001-01-01T00:00:00Z"), parse("9999-12-31T23:59:59.999999Z")
instants = st.integers(FIRST, LAST)


@given(instants, st.text(st.characters(codec="utf-8"), max_size=60))
def test_a_cursor_is_the_position_that_it_was_made_of(at: int, ticker: str) -> None:
    assert decode(encode(Position(at, ticker))) == Position(at, ticker)


@given(st.text(max_size=60))
def test_any_other_text_is_no_position_or_the_very_cursor_of_one(text: str) -> None:
    position = decode(text)
    assert position is None or encode(position) == text


@given(st.binary(max_size=40))
def test_any_other_message_is_no_position_or_the_very_cursor_of_one(message: bytes) -> None:
    text = urlsafe_b64encode(message).rstrip(b"=").decode()
    position = decode(text)
    assert position is None or encode(position) == text


def test_a_cursor_has_the_layout_that_production_s_have() -> None:
    timestamp = b"\x08\x01\x10\x80\xca\xb5\xee\x01"  # 1 second, 500,000,000 nanoseconds
    message = b"\x0a\x08" + timestamp + b"\x12\x06KX-A-B"
    assert encode(Position(1_500_000, "KX-A-B")) == urlsafe_b64encode(message).rstrip(b"=").decode()


def test_a_whole_second_leaves_its_nanoseconds_out() -> None:
    assert encode(Position(1_000_000, "A")) == urlsafe_b64encode(b"\x0a\x02\x08\x01\x12\x01A").rstrip(b"=").decode()


def test_no_cursor_is_no_position() -> None:
    assert decode(None) is None


@given(instants)
def test_times_survive_being_written_and_read(at: int) -> None:
    assert parse(rfc3339(at)) == at


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-07-02T21:31:13.793100Z", "2026-07-02T21:31:13.7931Z"),
        ("2026-07-02T21:31:13Z", "2026-07-02T21:31:13Z"),
        ("2026-07-02T21:31:10.000000Z", "2026-07-02T21:31:10Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_written_without_trailing_zeros_of_the_fraction(text: str, written: str) -> None:
    assert rfc3339(parse(text)) == written
