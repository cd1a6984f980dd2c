import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.listing.cursor import Position, decode, encode
from api.value_parsers import PARSERS
from kalshi_markets.columns import Kind

PARAMETERS = {"order_by": "volume", "status": "active"}
NAMES = {*PARAMETERS, "title"}
text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50)
numbers = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12)


def made(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@given(st.none() | numbers.map(lambda n: f"{n:f}"), text)
def test_a_position_comes_back_as_it_went(key: str | None, ticker: str) -> None:
    position = Position(key, ticker)
    assert decode(encode(position, PARAMETERS), PARAMETERS, PARSERS[Kind.NUMBER], NAMES) == position


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ({"order_by": "volume"}, "status was removed"),
        ({**PARAMETERS, "title": "x"}, "title was added"),
        ({"order_by": "volume", "status": "closed"}, "status changed"),
        ({"order_by": "ticker", "status": "active"}, "order_by changed"),
    ],
)
def test_a_cursor_of_another_query_is_rejected_with_the_differences(now: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode(encode(Position("1", "A"), PARAMETERS), now, PARSERS[Kind.NUMBER], NAMES)


@pytest.mark.parametrize(
    "content",
    [
        *([], {}, 1, None, "text", [1, {}, "1"], [1, {}, 1, "A"], [1, {}, "1", None], [1, [], "1", "A"]),
        *([1, {"\ud800": "x"}, "1", "A"], [1, {"s3cret": "x"}, "1", "A"]),
        *([1, {}, "1", "A\0"], [1, {}, "1", "\ud800"], [1, {}, "\ud800", "A"], [[[[]]], {}, "1", "A"]),
    ],
)
def test_an_invalid_cursor_position_is_rejected(content: Any) -> None:
    with pytest.raises(ValueError, match="is invalid: use next_cursor"):
        decode(made(content), {}, PARSERS[Kind.NUMBER], NAMES)


@pytest.mark.parametrize("key", ["1; DROP TABLE", "NaN", "1e999", "Infinity", "", " 1", "٣"])
def test_a_forged_value_is_read_as_strictly_as_a_filters(key: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        decode(made([1, {}, key, "A"]), {}, PARSERS[Kind.NUMBER], NAMES)
    with pytest.raises(ValueError, match="must be"):
        decode(made([1, {}, key or "x", "A"]), {}, PARSERS[Kind.TIME], NAMES)


def test_a_cursor_of_another_version_says_so() -> None:
    with pytest.raises(ValueError, match="another version"):
        decode(made([2, {}, "1", "A"]), {}, PARSERS[Kind.NUMBER], NAMES)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: base64.urlsafe_b64encode(b).decode()))
def test_any_text_is_either_a_valid_cursor_or_rejected(cursor: str) -> None:
    with suppress(ValueError):
        assert isinstance(decode(cursor, {}, PARSERS[Kind.STRING], NAMES), Position)
