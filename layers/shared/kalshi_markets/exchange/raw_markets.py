"""Unparsed markets: a page is split into the texts of its objects, because most of them are already stored.

If the digest of an object's text equals the digest stored with the row, the object is unchanged and is not parsed.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

from kalshi_markets.exchange.errors import InvalidResponse
from kalshi_markets.exchange.market_rows import PARSER_FINGERPRINT
from kalshi_markets.exchange.parsing import parse_json

_SAFE_TICKER: Final = re.compile(rb"[A-Za-z0-9 ._:%&#-]+")
_MARKETS_START: Final = re.compile(rb'"markets":\[(\{"[a-z_]+":)')
_DECODER: Final = json.JSONDecoder()
_NO_STRUCTURE: Final = bytes(set(range(256)) - set(b'{}[]"\\'))
_STRING: Final = re.compile(rb'"[^"]*"')
_ESCAPED_LETTER: Final = re.compile(rb"\\u00[67]")
"""Escaped letter, as in a member's name that is written "tick\\u0065r"."""


class RawMarket(NamedTuple):
    """Market as the exchange sent it.

    ticker: ticker of the market; None: missing or not a string.
    digest: hash of the JSON text, 32 hexadecimal digits; None if the page could not be split.
    text: JSON text; empty if the page could not be split.
    parsed: the object if the page could not be split, else None.
    """

    ticker: str | None
    digest: str | None
    text: bytes
    parsed: Any = None

    def parse(self) -> Any:
        """Return the object, with Decimals for non-integer numbers. Raises InvalidResponse."""
        return parse_json(self.text) if self.digest else self.parsed


def parse_page(body: bytes) -> dict[str, Any]:
    """Parse a response, with its member `markets` as a list of RawMarket. Raises InvalidResponse."""
    return _split_page(body) or _parse_whole_page(body)


def _split_page(body: bytes) -> dict[str, Any] | None:
    """Return the response without parsing its markets, or None if the result is not proven equal to parsing.

    The proof assumes that the body is JSON:
    1. The list is replaced by a placeholder, and the rest is parsed. The placeholder is the member `markets`, so the
       list begins there.
    2. Each text between two separators is one balanced object, so the texts are the elements of the list. The `]`
       after the last text ends the list.
    3. The ticker of an object is its last member with that name, at its first level.
    """
    opening = _MARKETS_START.search(body)
    if opening is None:
        return None
    start, first_member = opening.span(1)[0], opening[1]
    end = _end_of_object(body, max(start, body.rfind(b"}," + first_member) + 2))
    answer = _parse_around(body[: start - 1], body[end + 1 :]) if body[end : end + 1] == b"]" else None
    if answer is None:
        return None
    texts = body[start + 1 : end - 1].split(b"}," + first_member)
    texts[1:] = [first_member[1:] + text for text in texts[1:]]
    answer["markets"] = markets = [market for text in texts if (market := _raw_market(text))]
    return answer if len(markets) == len(texts) else None


def _end_of_object(body: bytes, start: int) -> int:
    """Return the end of the JSON object that begins at `start`, or 0 if there is none."""
    try:
        text = body[start:].decode()
        return start + len(text[: _DECODER.raw_decode(text)[1]].encode())
    except (ValueError, RecursionError):
        return 0


def _parse_around(head: bytes, tail: bytes) -> dict[str, Any] | None:
    """Parse a page without its list of markets. Return None unless the list is the only member `markets`."""
    gaps: list[object] = []

    def gap(_: str) -> object:
        gaps.append(object())
        return gaps[-1]

    try:
        # NaN is the placeholder of the list: it is not valid JSON.
        answer = json.loads(head + b"NaN" + tail, parse_float=Decimal, parse_constant=gap)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) and [answer.get("markets")] == gaps else None


def _raw_market(members: bytes) -> RawMarket | None:
    """Return a market, or None if its ticker or its end is not proven. members: JSON without the outer braces."""
    before, _, after = members.rpartition(b'"ticker"')  # of several members with one name, the last one counts
    colon, _, value = after.partition(b'"')
    ticker, _, rest = value.partition(b'"')
    if colon != b":" or not _SAFE_TICKER.fullmatch(ticker) or not _is_balanced(before) or not _is_balanced(rest):
        return None
    text = b"{" + members + b"}"
    return RawMarket(ticker.decode(), hashlib.blake2b(text, digest_size=16, key=PARSER_FINGERPRINT).hexdigest(), text)


def _is_balanced(text: bytes) -> bool:
    """Return whether all brackets outside strings match. A possible escaped name `ticker` returns False too."""
    shape = text.translate(None, _NO_STRUCTURE)
    if shape.find(b"\\") >= 0:  # takes a tenth of the time of `in`
        if _ESCAPED_LETTER.search(text):
            return False
        shape = text.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_STRUCTURE + b"\\")
    return _closes(shape)


@lru_cache(maxsize=10_000)
def _closes(shape: bytes) -> bool:
    """Return whether brackets outside quotes match. shape: text of brackets and unescaped quotes.

    It is cached, because pages have a few hundred shapes.
    """
    brackets, before = _STRING.sub(b"", shape), b""
    while brackets != before:
        before, brackets = brackets, brackets.replace(b"{}", b"").replace(b"[]", b"")
    return not brackets


def _parse_whole_page(body: bytes) -> dict[str, Any]:
    answer = parse_json(body)
    if not isinstance(answer, dict):
        raise InvalidResponse("the exchange returned no JSON object.")
    markets = answer.get("markets")
    if isinstance(markets, list):
        answer["markets"] = [RawMarket(_ticker(market), None, b"", market) for market in markets]
    return answer


def _ticker(market: object) -> str | None:
    ticker = market.get("ticker") if isinstance(market, Mapping) else None
    return ticker if isinstance(ticker, str) else None
