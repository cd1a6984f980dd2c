import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_markets.exchange.members import parse_members

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4) | st.sampled_from(['"series":[', "]}", "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["series", "cursor", "a"]), inner),
    max_leaves=8,
)


def parsed(text: str) -> dict[str, Any]:
    return parse_members(text, "series", lambda element: (element,))


def parsed_plainly(text: str) -> dict[str, Any]:
    answer = json.loads(text)
    if isinstance(answer.get("series"), list):
        answer["series"] = [(element,) for element in answer["series"]]
    return dict(answer)


@given(
    st.dictionaries(st.sampled_from(["cursor", "series", "a", "b"]), json_values, max_size=4),
    st.sampled_from([None, 1, "\t\r"]),
)
def test_an_object_is_what_a_plain_parse_returns(answer: dict[str, Any], indent: Any) -> None:
    text = json.dumps(answer, indent=indent)
    assert parsed(text) == parsed_plainly(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"cursor":"c","series":[1,2]}',
        ' { "series" : [ 1 , 2 ] , "cursor" : "c" } ',
        '{"series":[1],"series":[2]}',
        '{"series":[1],"series":null}',
        '{"s\\u0065ries":[1],"cursor":null}',
    ],
)
def test_members_come_in_any_order_and_spelling(text: str) -> None:
    assert parsed(text) == parsed_plainly(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"series"}',
        '{"series":[1',
        '{"series":[1}',
        '{"series":[1,]}',
        '{"a":1,}',
        "{5:1}",
        "{}x",
        '{"series":[1] "a":2}',
        '{"series":[1 2]}',
        '{"series":[,1]}',
        '{,"a":1}',
        '{"a" 1}',
        '{"series":[x]}',
    ],
)
def test_a_non_object_body_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(text)


def test_items_converted_to_none_are_omitted() -> None:
    assert parse_members('{"series":[1,2,3]}', "series", lambda n: n if n > 1 else None) == {"series": [2, 3]}
