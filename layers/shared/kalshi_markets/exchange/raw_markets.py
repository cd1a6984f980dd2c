"""Markets as they were sent: a page taken apart without being read, for a walk knows most of it already.

An object whose text has the digest that is stored beside its row is the one that the row was made of.
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
"""Of a name that is written with escapes, as "tick\\u0065r"."""


class RawMarket(NamedTuple):
    """A market as it was sent: its ticker, of plain letters; the digest of its JSON, 32 hexadecimal digits; that JSON.

    Of a page that could not be taken apart, there is the object instead of both.
    """

    ticker: str | None
    digest: str | None
    text: bytes
    parsed: Any = None

    def parse(self) -> Any:
        """The object; its non-integer numbers are Decimals. Raises InvalidResponse."""
        return parse_json(self.text) if self.digest else self.parsed


def parse_page(body: bytes) -> dict[str, Any]:
    """An answer with a list of `markets`, those as RawMarket. Raises InvalidResponse."""
    return _split_page(body) or _parse_whole_page(body)


def _split_page(body: bytes) -> dict[str, Any] | None:
    """Return the answer without parsing its markets; None where it is not proven to be what parsing returns.

    Given that the body is JSON, the proof is this. With the list replaced by a placeholder, the rest is parsed, and
    the placeholder is the member `markets`: so the list begins there. Each text between two separators is one
    balanced object, so the texts are the elements of that list, and the `]` after the last one is its end. An object's
    ticker is its only member of that name, at its first level.
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
    answer["markets"] = markets = [sent for text in texts if (sent := _raw_market(text))]
    return answer if len(markets) == len(texts) else None


def _end_of_object(body: bytes, start: int) -> int:
    """Return where the JSON object that begins at `start` ends; 0 where there is none."""
    try:
        text = body[start:].decode()
        return start + len(text[: _DECODER.raw_decode(text)[1]].encode())
    except (ValueError, RecursionError):
        return 0


def _parse_around(head: bytes, tail: bytes) -> dict[str, Any] | None:
    """Parse a page whose list of markets is left out; None unless that is its one member `markets`."""
    gaps: list[object] = []

    def gap(_: str) -> object:
        gaps.append(object())
        return gaps[-1]

    try:
        # NaN is the placeholder: no JSON has it.
        answer = json.loads(head + b"NaN" + tail, parse_float=Decimal, parse_constant=gap)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) and [answer.get("markets")] == gaps else None


def _raw_market(members: bytes) -> RawMarket | None:
    """Return a market, given its JSON without the outer braces; None where its ticker or its end are not proven."""
    before, _, behind = members.rpartition(b'"ticker"')  # of several members of a name, the last one counts
    colon, _, value = behind.partition(b'"')
    ticker, _, rest = value.partition(b'"')
    if colon != b":" or not _SAFE_TICKER.fullmatch(ticker) or not _is_balanced(before) or not _is_balanced(rest):
        return None
    text = b"{" + members + b"}"
    return RawMarket(ticker.decode(), hashlib.blake2b(text, digest_size=16, key=PARSER_FINGERPRINT).hexdigest(), text)


def _is_balanced(text: bytes) -> bool:
    """Return whether every bracket outside strings has its counterpart; no member's name may be `ticker` escaped."""
    shape = text.translate(None, _NO_STRUCTURE)
    if shape.find(b"\\") >= 0:  # a tenth of the time of `in`
        if _ESCAPED_LETTER.search(text):
            return False
        shape = text.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_STRUCTURE + b"\\")
    return _closes(shape)


@lru_cache(maxsize=10_000)
def _closes(shape: bytes) -> bool:
    """Return whether the brackets in a text of brackets and unescaped quotes match. Pages have a few hundred shapes."""
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
