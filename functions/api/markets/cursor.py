"""Cursors: where a page ended. A position and nothing else, so that there is nothing to gain by forging one.

The text is base64url of JSON: version, a digest of each of the query's parameters, the value that the last row was
ordered by, its ticker. Both values are read as strictly as a filter's. Clients must not look inside.
"""

import base64
import hashlib
import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, Final

from api import value_parsers
from kalshi_markets.columns import Kind

VERSION: Final = 1
MAX_LENGTH: Final = 20_000
INVALID_CURSOR: Final = "is not one of ours: take next_cursor of an answer, whole and unchanged"
_DIGEST_BYTES: Final = 6


@dataclass(frozen=True)
class Position:
    """The last row of a page: the value it was ordered by, as text (None when it had none), and its ticker."""

    key: str | None
    ticker: str


def encode(position: Position, parameters: Mapping[str, str]) -> str:
    """The cursor that goes on after a position, bound to the parameters of its query."""
    digests = {name: _digest(value) for name, value in parameters.items()}
    text = json.dumps([VERSION, digests, position.key, position.ticker], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode(cursor: str, parameters: Mapping[str, str], kind: Kind, known_parameters: Container[str]) -> Position:
    """Raises ValueError with the rest of a sentence that begins with "cursor".

    kind: of the values that the query orders by. names: of every parameter there is; no other is ever told.
    """
    version, digests, key, ticker = _parse(cursor)
    if any(name not in known_parameters for name in digests):
        raise ValueError(INVALID_CURSOR)
    if version != VERSION:
        raise ValueError("is of another version of this service: begin anew without it")
    if difference := _differences(digests, parameters):
        raise ValueError(f"belongs to another query: {difference}")
    return Position(None if key is None else str(value_parsers.PARSERS[kind](key)), value_parsers.parse_text(ticker))


def _parse(cursor: str) -> tuple[int, dict[str, str], str | None, str]:
    """The four parts, each of its type."""
    try:
        if len(cursor) > MAX_LENGTH or not cursor.isascii():
            raise ValueError(cursor)
        padded = cursor + "=" * (-len(cursor) % 4)
        match json.loads(base64.b64decode(padded, altchars=b"-_", validate=True)):
            case [int(version), dict(digests), str() | None as key, str(ticker)] if value_parsers.is_storable(
                (key or "") + ticker
            ):
                return version, digests, key, ticker
    except (ValueError, RecursionError):
        pass
    raise ValueError(INVALID_CURSOR)


def _differences(digests: Mapping[str, Any], parameters: Mapping[str, str]) -> str:
    """What differs between the query that a cursor came from and the present one; empty when nothing does."""
    differences = [f"it had no {name}" for name in parameters if name not in digests]
    differences += [
        f"its {name} was another"
        for name, value in parameters.items()
        if name in digests and digests[name] != _digest(value)
    ]
    differences += [f"{name} is missing now" for name in digests if name not in parameters]
    return ", ".join(differences[:5])[:300]


def _digest(value: str) -> str:
    return hashlib.blake2b(value.encode(), digest_size=_DIGEST_BYTES).hexdigest()
