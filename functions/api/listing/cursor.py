"""Pagination cursors: the position of the last row of a page. A forged cursor gives access to nothing more.

A cursor is base64url of a JSON array: version, digests of the query's parameters by name, sort value of the last row,
ID of the last row. The sort value and the ID are validated like the values of filters. The format is opaque to
clients.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Container, Mapping
from typing import Any, Final, NamedTuple

from api import value_parsers
from kalshi_markets.text import is_valid_pg_text

VERSION: Final = 1
MAX_LENGTH: Final = 20_000
INVALID_CURSOR: Final = "is invalid: use next_cursor exactly as returned"
MAX_DIFFERENCES: Final = 5
MAX_DIFFERENCES_LENGTH: Final = 300
"""Maximum of characters of all differences in an error message."""
_DIGEST_BYTES: Final = 6


class Position(NamedTuple):
    """Position of the last row of a page.

    key: the sort value as text; None if it is NULL.
    row_id: the value of the column that identifies a row, such as the ticker. It breaks ties.
    """

    key: str | None
    row_id: str


def encode(position: Position, parameters: Mapping[str, str]) -> str:
    """Return the cursor that continues after a position. It is valid only with the same parameters."""
    digests = {name: _digest(value) for name, value in parameters.items()}
    text = json.dumps([VERSION, digests, position.key, position.row_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode(
    cursor: str,
    parameters: Mapping[str, str],
    parse_key: Callable[[str], value_parsers.SqlValue],
    known_parameters: Container[str],
) -> Position:
    """Return the position that a cursor contains.

    parse_key: parser of the sort value. Raises ValueError.
    known_parameters: the names of all parameters. A cursor with any other name is invalid, so that the error message
    contains no text of the client.
    Raises ValueError. Its message continues a sentence that begins with "cursor".
    """
    version, digests, key, row_id = _parse(cursor)
    if any(name not in known_parameters for name in digests):
        raise ValueError(INVALID_CURSOR)
    if version != VERSION:
        raise ValueError("was issued by another version of this service: restart without a cursor")
    if difference := _differences(digests, parameters):
        raise ValueError(f"belongs to another query: {difference}")
    return Position(None if key is None else str(parse_key(key)), value_parsers.parse_text(row_id))


def _parse(cursor: str) -> tuple[int, dict[str, str], str | None, str]:
    """Return version, digests, key and row ID, with their types checked. Raises ValueError."""
    try:
        if len(cursor) > MAX_LENGTH or not cursor.isascii():
            raise ValueError(cursor)
        padded = cursor + "=" * (-len(cursor) % 4)
        match json.loads(base64.b64decode(padded, altchars=b"-_", validate=True)):
            case [int(version), dict(digests), str() | None as key, str(row_id)] if is_valid_pg_text(
                (key or "") + row_id
            ):
                return version, digests, key, row_id
    except (ValueError, RecursionError):
        pass
    raise ValueError(INVALID_CURSOR)


def _differences(digests: Mapping[str, Any], parameters: Mapping[str, str]) -> str:
    """Describe the differences between the cursor's query and the current one; empty if there are none."""
    differences = [f"{name} was added" for name in parameters if name not in digests]
    differences += [
        f"{name} changed" for name, value in parameters.items() if name in digests and digests[name] != _digest(value)
    ]
    differences += [f"{name} was removed" for name in digests if name not in parameters]
    return ", ".join(differences[:MAX_DIFFERENCES])[:MAX_DIFFERENCES_LENGTH]


def _digest(value: str) -> str:
    return hashlib.blake2b(value.encode(), digest_size=_DIGEST_BYTES).hexdigest()
