"""Texts from outside: limits of the database, and excerpts for messages."""

import re
from typing import Final, TypeGuard

MAX_TICKER_LENGTH: Final = 200
"""Maximum of characters; the longest observed ticker has 57. An index entry has at most 2,700 bytes."""
# PostgreSQL's type text accepts any Unicode character except NUL. A lone surrogate is not a character.
_NOT_TEXT: Final = re.compile("[\x00\ud800-\udfff]")


def is_valid_pg_text(text: object) -> TypeGuard[str]:
    """Return whether the value is a text that PostgreSQL can store."""
    return isinstance(text, str) and not _NOT_TEXT.search(text)


def excerpt(text: str, max_length: int) -> str:
    """Return the start of a text, escaped to printable ASCII for messages, logs and the database.

    max_length: maximum of characters before they are escaped.
    """
    return text[:max_length].encode("unicode_escape").decode("ascii")
