import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_markets.exchange import AnswerUnreadable
from kalshi_markets.exchange.sent import page_of

FIRST = {"ticker": "A-1", "event_ticker": "A", "title": "One", "price_ranges": [{"start": "0"}, {"start": "1"}]}


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def page(*markets: Any, **more: Any) -> dict[str, Any]:
    return page_of(compact({"markets": [*markets], "cursor": "next", **more}))


def test_a_page_is_taken_apart_without_being_read() -> None:
    found = page(FIRST, FIRST | {"ticker": "A-2"})
    assert [one.ticker for one in found["markets"]] == ["A-1", "A-2"]
    assert [one.read() for one in found["markets"]] == [FIRST, FIRST | {"ticker": "A-2"}]
    assert found["cursor"] == "next"


def test_a_digest_is_that_of_the_text_alone() -> None:
    [one], [again] = page(FIRST)["markets"], page(FIRST, other=1)["markets"]
    assert one.digest == again.digest
    assert len(one.digest) == 32
    for name, value in (("title", "Two"), ("ticker", "A-2"), ("new", None)):
        assert page(FIRST | {name: value})["markets"][0].digest != one.digest


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
        found = page(*markets)["markets"]
        assert [one.read() for one in found] == markets
        assert [one.ticker for one in found] == [one.get("ticker") for one in markets]


@pytest.mark.parametrize("markets", [None, 5, {}, [], [5], ["text"], [None]], ids=str)
def test_other_things_than_lists_of_objects_stay_what_they_are(markets: Any) -> None:
    found = page_of(compact({"cursor": "", "markets": markets}))["markets"]
    assert ([one.read() for one in found] if isinstance(markets, list) else found) == markets


@pytest.mark.parametrize("odd", [5, "text", {}, {"title": "no ticker"}], ids=str)
def test_what_has_no_ticker_spoils_the_one_before_it_and_no_other(odd: Any) -> None:
    found = page(FIRST, FIRST, odd, FIRST)["markets"]
    readable = 0
    for one in found:
        try:
            assert one.read() in (FIRST, odd)
            readable += 1
        except AnswerUnreadable:
            pass
    assert readable >= 2


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[1]", b'{"markets":[{"ticker":"A"}]', b'{"markets":[{"ticker":"A"}],}', b'{"a":NaN}']
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(AnswerUnreadable):
        page_of(body)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_page_that_was_cut_off_is_refused(share: float) -> None:
    body = compact({"markets": [FIRST] * 20, "cursor": "next"})
    with pytest.raises(AnswerUnreadable):
        page_of(body[: int(len(body) * share)])


def test_spaces_or_another_order_only_cost_time() -> None:
    loose = json.dumps({"cursor": "c", "markets": [FIRST, FIRST]}, indent=1).encode()
    assert [one.read() for one in page_of(loose)["markets"]] == [FIRST, FIRST]
    first_last = dict(reversed(FIRST.items()))
    assert [one.read() for one in page(FIRST, first_last)["markets"]] == [FIRST, first_last]


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
    found = page_of(head.encode() + compact(markets) + tail.encode())
    assert [one.read() for one in found["markets"]] == markets
    assert found["cursor"] == "next"
    if head.count("markets") == 1:
        assert all(one.digest for one in found["markets"]), "parsed whole"


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
    found = page_of(body.encode())["markets"]
    assert [(one.ticker, one.read()) for one in found] == [(market.get("ticker"), market) for market in markets]


def test_brackets_and_escapes_within_texts_do_not_cost_the_digest() -> None:
    market = FIRST | {"rules_primary": 'a "quoted" \\ [note] {with}\n<b>é</b> }],"x":[{', "zz": "\\"}
    assert all(one.digest for one in page(market, market | {"ticker": "A-2"})["markets"])


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
    found = page_of(text.encode())
    assert [one.read() for one in found["markets"]] == markets
    assert [one.ticker for one in found["markets"]] == [
        market["ticker"] if isinstance(market["ticker"], str) else None for market in markets
    ]
