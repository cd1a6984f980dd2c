"""Markets as they were sent: a page taken apart without being read, for a walk knows most of it already.

An object whose text has the digest that is stored beside its row is the one that the row was made of.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple, NoReturn

from kalshi_markets.exchange.errors import AnswerUnreadable
from kalshi_markets.exchange.projection import READ_BY

_PLAIN: Final = re.compile(rb"[A-Za-z0-9 ._:%&#-]+")
_OPENING: Final = re.compile(rb'"markets":\[\{("[a-z_]+":)')
_TICKER: Final = b'"ticker":"'


class Sent(NamedTuple):
    """A market as it was sent: its ticker, of plain letters; the digest of its JSON, 32 hexadecimal digits; that JSON.

    Of a page that could not be taken apart, there is the object instead of both.
    """

    ticker: str | None
    digest: str | None
    text: bytes
    market: Any = None

    def read(self) -> Any:
        """The object; its non-integer numbers are Decimals. Raises AnswerUnreadable."""
        return read_json(self.text) if self.digest else self.market


def read_json(text: str | bytes, *, real: Callable[[str], object] = Decimal) -> Any:
    """JSON. real: what becomes of its non-integer numbers. Raises AnswerUnreadable."""
    try:
        return json.loads(text, parse_float=real, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise AnswerUnreadable("the exchange's answer is not JSON.") from error


def page_of(body: bytes) -> dict[str, Any]:
    """An answer with a list of `markets`, those as Sent. Raises AnswerUnreadable."""
    return _apart(body) or _whole(body)


def _apart(body: bytes) -> dict[str, Any] | None:
    """None where the text is not as the exchange usually writes it: compact, the members of all objects in one order.

    Unescaped quotes do not occur within a text, so that what parts the objects is nothing else; but an object whose
    first member is another one is not parted from the one before, which then has two tickers or, once read, is no JSON.
    """
    opening, end = _OPENING.search(body), body.rfind(b"}]")
    if opening is None or end < opening.end():
        return None
    first = opening.start() + len(b'"markets":[')
    answer = read_json(body[:first] + body[end + 1 :])
    texts = body[first + 1 : end].split(b"},{" + opening[1])
    texts[1:] = [opening[1] + text for text in texts[1:]]
    tickers = [text.partition(_TICKER)[2].partition(b'"')[0] for text in texts]
    if not all(map(_PLAIN.fullmatch, tickers)) or any(text.count(_TICKER) != 1 for text in texts):
        return None
    answer["markets"] = [_sent(*one) for one in zip(tickers, texts, strict=True)]
    return answer if isinstance(answer, dict) else None


def _sent(ticker: bytes, text: bytes) -> Sent:
    text = b"{" + text + b"}"
    return Sent(ticker.decode(), hashlib.blake2b(text, digest_size=16, key=READ_BY).hexdigest(), text)


def _whole(body: bytes) -> dict[str, Any]:
    answer = read_json(body)
    if not isinstance(answer, dict):
        raise AnswerUnreadable("the exchange's answer is not a JSON object.")
    markets = answer.get("markets")
    if isinstance(markets, list):
        answer["markets"] = [Sent(_ticker(market), None, b"", market) for market in markets]
    return answer


def _ticker(market: object) -> str | None:
    ticker = market.get("ticker") if isinstance(market, Mapping) else None
    return ticker if isinstance(ticker, str) else None


def _not_json(constant: str) -> NoReturn:
    raise ValueError(constant)
