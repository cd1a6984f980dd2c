"""Pages in every form that JSON permits, split by the crawler's parser and compared with a plain parse."""

import hashlib
import json
import random
from collections import Counter
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_markets.exchange.market_rows import PARSER_FINGERPRINT
from kalshi_markets.exchange.raw_markets import parse_page
from tests.properties.scale import TABLE_SEEDS, examples

NAMES: Final = ("ticker", "event_ticker", "markets", "cursor", "notices", "title", "id", "é", "")
HOSTILE: Final = (
    *(
        '"},{"ticker":"',
        '","ticker":"',
        '"ticker":"',
        '"markets":[{"ticker":"',
        '],"cursor":"',
        '}],"notices":[{"id":1',
    ),
    *(
        "}]",
        "[{",
        "{",
        "}",
        "]",
        "\\",
        '\\"',
        '"',
        "NaN",
        "\n",
        "ticker",
        'x"ticker',
        'x,"ticker',
        "\u2028",
        "\U0001f600",
    ),
)

Members = tuple[tuple[str, Any], ...]
"""Object as pairs, because a name may be repeated."""


class Written:
    """Value that is already JSON."""

    def __init__(self, text: str) -> None:
        self.text = text


class Writer:
    """Writer of values in one of the many forms that JSON permits.

    spaces: probability of white space between two tokens.
    escapes: probability that a character is escaped.
    """

    def __init__(self, seed: int, spaces: float, escapes: float) -> None:
        self._random = random.Random(seed)
        self._spaces, self._escapes = spaces, escapes

    def text(self, value: Any) -> str:
        """Return a value as JSON; a tuple is an object."""
        if isinstance(value, str):
            return self._string(value)
        if isinstance(value, tuple):
            return self._enclosed(
                "{}",
                [f"{self._string(name)}{self._space()}:{self._space()}{self.text(member)}" for name, member in value],
            )
        if isinstance(value, list):
            return self._enclosed("[]", [self.text(member) for member in value])
        return value.text if isinstance(value, Written) else json.dumps(value)

    def _string(self, text: str) -> str:
        if not self._escapes:
            return json.dumps(text, ensure_ascii=False)
        return '"' + "".join(map(self._character, text)) + '"'

    def _character(self, character: str) -> str:
        if ord(character) < 0x10000 and self._random.random() < self._escapes:
            return f"\\u{ord(character):04x}"
        return json.dumps(character, ensure_ascii=False)[1:-1]

    def _enclosed(self, brackets: str, parts: list[str]) -> str:
        inner = ",".join(f"{self._space()}{part}{self._space()}" for part in parts)
        return f"{brackets[0]}{inner or self._space()}{brackets[1]}"

    def _space(self) -> str:
        return self._random.choice(" \n\t\r") if self._random.random() < self._spaces else ""


TEXTS: Final = (*HOSTILE, "", "A", "A-1", "B.2")
SCALARS: Final = (None, True, 0, -7, Written("1.50"), Written("-0.1e3"), Written("74299.99"), *TEXTS)


def members_of(chance: random.Random, depth: int = 2) -> Members:
    """Return up to three fields, nested up to a depth."""
    names = (*NAMES, *HOSTILE)
    return tuple((chance.choice(names), value_of(chance, depth)) for _ in range(chance.randrange(4)))


def value_of(chance: random.Random, depth: int) -> Any:
    """Return a value, nested up to a depth."""
    kind = chance.randrange(6) if depth else 0
    if kind == 4:
        return [value_of(chance, depth - 1) for _ in range(chance.randrange(3))]
    return members_of(chance, depth - 1) if kind == 5 else chance.choice(SCALARS)


CONFUSING: Final = [
    Written(text)
    for text in (
        r'{"id":1,"ticker":"A","ticker":null}',
        r'{"id":1,"ticker":"A","ticker" :"B"}',
        r'{"id":1,"ticker":"A","tick\u0065r":"B"}',
        r'{"id":1,"x\"ticker":"A"}',
        r'{"id":1,"x":{"y":2,"ticker":"A"}}',
        r'{"id":1,"x":{"a":"}","ticker":"A","c":"{"}}',
        r'{"id":1,"x":["\\",{"a":"\\\"}","ticker":"A","c":"{\\\""}]}',
        r'{"id":1}',
        r'{"x":2,"ticker":"B"}',
        r'{"x":2}',
    )
]
"""Objects in which a text search finds the ticker or the end at the wrong position."""

_CHANCE: Final = random.Random(TABLE_SEEDS[0])
EXTRAS: Final = [members_of(_CHANCE) for _ in range(500)]
"""Fields for any position. They are drawn once, because they go into a hundred thousand pages."""
extras = st.sampled_from(EXTRAS)
orderly = st.sampled_from([extra for extra in EXTRAS if 'ticker"' not in Writer(0, 0, 0).text(extra)])
tickers = st.sampled_from(["A-1", "B.2", "KX-26", *TEXTS, None])


def orderly_market(first: str) -> st.SearchStrategy[Any]:
    """Return objects that begin with the same field and have one plain ticker, as the exchange's do."""
    ticker = st.sampled_from(["A-1", "B.2", "KX-26"])
    if first == "ticker":
        return st.tuples(ticker, orderly).map(lambda parts: (("ticker", parts[0]), *parts[1]))
    return st.tuples(orderly, ticker, orderly).map(
        lambda parts: ((first, None), *parts[0], ("ticker", parts[1]), *parts[2])
    )


def odd_market(first: str) -> st.SearchStrategy[Any]:
    """Return other values, and objects that may lack the first field or a plain ticker."""
    parts = st.tuples(extras, tickers, extras)
    return st.one_of(
        parts.map(lambda parts: ((first, None), *parts[0], ("ticker", parts[1]), *parts[2])),
        parts.map(lambda parts: (*parts[0], ("ticker", parts[1]), *parts[2])),
        extras,
        st.sampled_from(CONFUSING),
        st.sampled_from(SCALARS),
    )


ORDERLY: Final = [(first, orderly_market(first)) for first in ("ticker", "can_close_early", "id")]
ODD: Final = [st.one_of(market, odd_market(first)) for first, market in ORDERLY]
lists = st.one_of(*(st.lists(market, max_size=3) for market in (*(market for _, market in ORDERLY), *ODD)))


@st.composite
def pages(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """Return a page, and the text of each item in its list of markets."""
    spaces, escapes = draw(st.sampled_from([(0, 0)] * 9 + [(0.1, 0), (0, 0.3), (0.1, 0.3)]))
    writer = Writer(draw(st.integers(0, 99)), spaces, escapes)
    listed = [writer.text(market) for market in draw(lists)]
    page = [*draw(extras), ("markets", [Written(text) for text in listed]), *draw(extras)]
    page.insert(draw(st.integers(0, len(page))), ("cursor", draw(tickers)))
    return writer.text(tuple(page)).encode(), listed


def test_a_third_of_the_pages_or_more_is_split() -> None:
    """Few split pages would make the property below meaningless."""
    ways: Counter[bool] = Counter()

    @examples(500, 500)
    @given(pages())
    def look(page: tuple[bytes, list[str]]) -> None:
        body, listed = page
        parsed = parse_page(body)["markets"]
        if isinstance(parsed, list) and len(listed) > 1:
            ways[all(sent.digest for sent in parsed)] += 1

    look()
    assert ways[True] > ways[False] / 2 > 0


@pytest.mark.timeout(3600)  # for a hundred thousand pages
@examples(2_000, 100_000)
@given(pages())
def test_a_page_has_what_a_plain_parse_finds_in_it(page: tuple[bytes, list[str]]) -> None:
    body, listed = page
    expected = json.loads(body, parse_float=Decimal)
    parsed = parse_page(body)
    assert {name: value for name, value in parsed.items() if name != "markets"} == {
        name: value for name, value in expected.items() if name != "markets"
    }
    if not isinstance(expected["markets"], list):
        assert parsed["markets"] == expected["markets"]
        return
    assert [market.parse() for market in parsed["markets"]] == expected["markets"]
    assert [sent.ticker for sent in parsed["markets"]] == [ticker_of(market) for market in expected["markets"]]
    split = [sent for sent in parsed["markets"] if sent.digest]
    assert len(split) in (0, len(parsed["markets"]))
    for sent in split:
        assert sent.digest == hashlib.blake2b(sent.text, digest_size=16, key=PARSER_FINGERPRINT).hexdigest()
    if split and expected["markets"] == json.loads(f"[{','.join(listed)}]", parse_float=Decimal):
        assert [sent.text.decode() for sent in split] == listed


def ticker_of(market: Any) -> str | None:
    """Return a market's ticker, if it is a string."""
    ticker = market.get("ticker") if isinstance(market, dict) else None
    return ticker if isinstance(ticker, str) else None
