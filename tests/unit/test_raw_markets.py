import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_markets.exchange import InvalidResponse
from kalshi_markets.exchange.raw_markets import parse_page

FIRST = {"ticker": "A-1", "event_ticker": "A", "title": "One", "price_ranges": [{"start": "0"}, {"start": "1"}]}


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def page(*markets: Any, **more: Any) -> dict[str, Any]:
    return parse_page(compact({"markets": [*markets], "cursor": "next", **more}))


def test_a_page_is_taken_apart_without_being_read() -> None:
    parsed = page(FIRST, FIRST | {"ticker": "A-2"})
    assert [market.ticker for market in parsed["markets"]] == ["A-1", "A-2"]
    assert [market.parse() for market in parsed["markets"]] == [FIRST, FIRST | {"ticker": "A-2"}]
    assert parsed["cursor"] == "next"


def test_a_digest_is_that_of_the_text_alone() -> None:
    [first], [second] = page(FIRST)["markets"], page(FIRST, other=1)["markets"]
    assert first.digest == second.digest
    assert len(first.digest) == 32
    for name, value in (("title", "Two"), ("ticker", "A-2"), ("new", None)):
        assert page(FIRST | {name: value})["markets"][0].digest != first.digest


ODD = [
    {"ticker": "A", "custom_strike": {"ticker": "B"}},
    {"custom_strike": {"x": 1, "ticker": "B"}, "ticker": "A"},
    {"ticker": 'quoted " },{"ticker":"', "title": '}],"cursor":"'},
    {"ticker": "é", "legs": [{"ticker": "B"}, {"ticker": "C"}]},
    {"ticker": "\0"},
    {"ticker": None},
]


@pytest.mark.parametrize("market", ODD, ids=str)
def test_odd_objects_are_read_as_they_are(market: dict[str, Any]) -> None:
    for markets in ([market], [market, market], [FIRST, market], [market, FIRST]):
        parsed = page(*markets)["markets"]
        assert [raw.parse() for raw in parsed] == markets
        assert [raw.ticker for raw in parsed] == [raw.get("ticker") for raw in markets]


@pytest.mark.parametrize("markets", [None, 5, {}, [], [5], ["text"], [None]], ids=str)
def test_values_other_than_lists_of_objects_stay_unchanged(markets: Any) -> None:
    parsed = parse_page(compact({"cursor": "", "markets": markets}))["markets"]
    assert ([market.parse() for market in parsed] if isinstance(markets, list) else parsed) == markets


@pytest.mark.parametrize("odd", [5, "text", {}, {"title": "no ticker"}], ids=str)
def test_an_object_without_a_ticker_affects_only_the_market_before_it(odd: Any) -> None:
    parsed = page(FIRST, FIRST, odd, FIRST)["markets"]
    readable = 0
    for market in parsed:
        try:
            assert market.parse() in (FIRST, odd)
            readable += 1
        except InvalidResponse:
            pass
    assert readable >= 2


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[1]", b'{"markets":[{"ticker":"A"}]', b'{"markets":[{"ticker":"A"}],}', b'{"a":NaN}']
)
def test_an_invalid_page_is_rejected(body: bytes) -> None:
    with pytest.raises(InvalidResponse):
        parse_page(body)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_page_is_rejected(share: float) -> None:
    body = compact({"markets": [FIRST] * 20, "cursor": "next"})
    with pytest.raises(InvalidResponse):
        parse_page(body[: int(len(body) * share)])


def test_spaces_or_another_order_only_cost_time() -> None:
    loose = json.dumps({"cursor": "c", "markets": [FIRST, FIRST]}, indent=1).encode()
    assert [market.parse() for market in parse_page(loose)["markets"]] == [FIRST, FIRST]
    first_last = dict(reversed(FIRST.items()))
    assert [market.parse() for market in page(FIRST, first_last)["markets"]] == [FIRST, first_last]


AROUND = [
    ('{"markets":', ',"cursor":"next","notices":[{"id":1}]}'),
    ('{"cursor":"next","markets":', ',"notices":[{"id":1},{"id":2}],"more":{"list":[{"ticker":"A-1"}]}}'),
    ('{"cursor":"next","markets":', ',"notices":null}'),
    ('{"notices":[{"id":1}],"markets":', ',"cursor":"next"}'),
    ('{"notices":{"markets":[]},"cursor":"first","markets":', ',"cursor":"next"}'),
    ('\ufeff{"cursor":"next","markets":', ',"note":"}],\\"markets\\":[{\\"ticker\\":\\"C\\"}]"}'),
    ('{"markets":[{"ticker":"lost"}],"cursor":"next","markets":', "}"),
]


@pytest.mark.parametrize(("head", "tail"), AROUND)
def test_members_around_the_list_cost_neither_a_market_nor_the_cursor(head: str, tail: str) -> None:
    markets = [FIRST, FIRST | {"ticker": "A-2"}]
    parsed = parse_page(head.encode() + compact(markets) + tail.encode())
    assert [raw.parse() for raw in parsed["markets"]] == markets
    assert parsed["cursor"] == "next"
    if head.count("markets") == 1:
        assert all(raw.digest for raw in parsed["markets"]), "parsed whole"


PLAIN = '{"id":1,"ticker":"A"}'
CONFUSING = [
    r'{"id":1,"ticker":"A","ticker":null}',
    r'{"id":1,"ticker":"A","ticker" :"B"}',
    r'{"id":1,"ticker":"A","tick\u0065r":"B"}',
    r'{"id":1,"x\"ticker":"A"}',
    r'{"id":1,"x":{"y":2,"ticker":"A"}}',
    r'{"id":1,"x":{"a":"}","ticker":"A","c":"{"}}',
    r'{"id":1},{"x":2,"ticker":"B"}',
    r'{"x":2,"ticker":"B"}',
    r'{"id":1,"ticker":"A"},{"x":2}',
    r'{"id":1,"x":"\\","y":{"a":"\\","b":"}","ticker":"A","c":"{","d":"\\"}}',
    r'{"id":1,"x":{"a":"\\\"}","ticker":"A","c":"{\\\""}}',
]


@pytest.mark.parametrize("confusing", CONFUSING)
@pytest.mark.parametrize("listed", ["{0}", "{1},{0}", "{0},{1}"])
def test_no_object_is_taken_for_another(confusing: str, listed: str) -> None:
    body = f'{{"markets":[{listed.format(confusing, PLAIN)}],"cursor":""}}'
    markets = json.loads(body)["markets"]
    parsed = parse_page(body.encode())["markets"]
    assert [(raw.ticker, raw.parse()) for raw in parsed] == [(market.get("ticker"), market) for market in markets]


def test_brackets_and_escapes_within_texts_do_not_cost_the_digest() -> None:
    market = FIRST | {"rules_primary": 'a "quoted" \\ [note] {with}\n<b>é</b> }],"x":[{', "zz": "\\"}
    assert all(raw.digest for raw in page(market, market | {"ticker": "A-2"})["markets"])


texts = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ['"},{"ticker":"', "}]", "\\", '","ticker":"']
)
values = (
    st.none() | st.integers(0, 9) | texts | st.lists(texts, max_size=2) | st.lists(st.just({"start": "0"}), max_size=3)
)
members = st.dictionaries(st.sampled_from(["title", "a"]) | texts, values, max_size=5)
tickers = st.text('AB-."é\0', min_size=1, max_size=4)
objects = st.tuples(members, tickers, members).map(lambda parts: {**parts[0], "ticker": parts[1], **parts[2]})


@given(st.lists(objects, max_size=4), st.booleans())
def test_any_page_holds_what_was_sent(markets: list[dict[str, Any]], ascii_only: bool) -> None:
    text = json.dumps({"cursor": "c", "markets": markets}, separators=(",", ":"), ensure_ascii=ascii_only)
    parsed = parse_page(text.encode())
    assert [raw.parse() for raw in parsed["markets"]] == markets
    assert [raw.ticker for raw in parsed["markets"]] == [
        market["ticker"] if isinstance(market["ticker"], str) else None for market in markets
    ]
