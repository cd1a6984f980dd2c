"""Search by words: a row matches if each word is in its searched text, in any order.

The trigram index of the searched text serves the conditions (migrator/indexes.py).
"""

import re
from collections.abc import Sequence
from typing import Final

from api.query_string import Parameter

MAX_LENGTH: Final = 200
"""Characters."""
MAX_WORDS: Final = 10
_WORD: Final = re.compile(r'"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+)|(?P<open>")')


def search_parameter(rows: str, columns: Sequence[str]) -> Parameter:
    """Return the parameter `search`. rows: noun for the rows. columns: names of the searched columns."""
    names = f"{', '.join(columns[:-1])} and {columns[-1]}"
    return Parameter(
        "search",
        parse_words,
        f"Only {rows} whose {names} contain every one of these words, in any order, case-insensitive. Words are"
        f' separated by spaces; a phrase is in quotation marks, such as "white house". At most {MAX_WORDS} words'
        f" and {MAX_LENGTH} characters.",
        "bitcoin price",
        {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH},
    )


def parse_words(text: str) -> tuple[str, ...]:
    """Return the words and the quoted phrases of a search, without duplicates. Raises ValueError."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"must have at most {MAX_LENGTH} characters")
    matches = list(_WORD.finditer(text))
    if any(match["open"] for match in matches):
        raise ValueError("must have a second quotation mark at the end of each phrase")
    words = tuple(dict.fromkeys(match["phrase"] or match["word"] or "" for match in matches))
    if not words or not all(map(str.strip, words)):
        raise ValueError('must be words or "quoted phrases", which must not be empty')
    if len(words) > MAX_WORDS:
        raise ValueError(f"must have at most {MAX_WORDS} words")
    return words
