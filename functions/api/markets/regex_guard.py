"""Which regular expressions are run, and how: PostgreSQL's, with some spellings of Python, Perl and JavaScript.

Most of what is dangerous elsewhere is harmless in PostgreSQL. Measured with PostgreSQL 18: a back-reference ran over
5 s on one value, and `(a{1,200}){1,200}` asked for 1.6 GB at once.

What means something else in PostgreSQL than elsewhere, and is no error there, is translated or rejected (tried with
PostgreSQL 18): a word's edge `\\b` is a backspace, `\\B` a backslash, `\\<` a plain <, `\\x41b` one character, `{,3}`
plain text. All else that differs is an error there: `\\h`, `\\p{L}`, named and atomic groups, possessive quantifiers,
options in the middle.
"""

import re
from typing import Final

MAX_LENGTH: Final = 200
MAX_REPETITIONS: Final = 1000

_TOKEN: Final = re.compile(
    r"""
    (?P<escape> \\(?P<escaped>c.|x[0-9A-Fa-f]*|.) )
  | (?P<set> \[\^?\]?(?: \[(?P<class>[:.=]).*?(?P=class)\] | \\. | [^\]] )*\] )
  | (?P<open> \( )
  | (?P<close> \) )
  | (?P<open_bound> \{,[0-9]+\} )
  | (?P<bound> \{(?P<least>[0-9]+)(?:,(?P<most>[0-9]*))?\} )
  | .
    """,
    re.VERBOSE | re.DOTALL,
)

_ESCAPES: Final = {"b": r"\y", "B": r"\Y", "z": r"\Z"}
"""Elsewhere's edge of a word, its opposite and the end of the text: PostgreSQL's escape."""
_LITERALS: Final = re.compile(r"[A-Za-z0-9 ,:;!@#%&='\"<>/_|-]+")
MAX_LITERALS: Final = 10


def literal_alternatives(pattern: str) -> list[str] | None:
    """The alternatives of a pattern of nothing but ASCII characters that stand for themselves; None for another."""
    alternatives = pattern.split("|")
    simple = _LITERALS.fullmatch(pattern) and all(alternatives) and len(alternatives) <= MAX_LITERALS
    return alternatives if simple else None


def translated(pattern: str) -> str:
    """Return PostgreSQL's spelling of a pattern without objection."""
    return "".join(_ESCAPES.get(token["escaped"] or "", token[0]) for token in _TOKEN.finditer(pattern))


def rejection_reason(pattern: str) -> str | None:
    """Why a pattern is refused; None when it may run (PostgreSQL may still find it malformed)."""
    if not pattern:
        return "is empty, which would match everything"
    if len(pattern) > MAX_LENGTH:
        return f"has over {MAX_LENGTH} characters"
    if "(?#" in pattern:
        return "has a comment, (?#…)"
    if pattern.startswith("***") or re.match(r"\(\?[A-Za-z]", pattern):
        return "begins with options (*** or (?…)); matching is always case-insensitive"
    if any(match["escaped"] in "123456789" for match in _TOKEN.finditer(pattern) if match["escape"]):
        return "has a back-reference, which can run for minutes"
    for token in _TOKEN.finditer(pattern):
        if reason := _misread(token):
            return reason
    if _max_nested_repetitions(pattern) > MAX_REPETITIONS:
        return f"repeats something over {MAX_REPETITIONS:,} times in nested bounds"
    return None


def _misread(token: re.Match[str]) -> str | None:
    """Return why a token would be matched as something that it does not say."""
    if token["escaped"] in ("<", ">"):
        return r"has \< or \>, a sign to some and the edge of a word to others: write < or \m, > or \M"
    if token["set"] and re.search(r"(?<!\\)(\\\\)*\\B", token[0]):
        return r"has \B in brackets: write \\ there for a backslash"
    if re.search(r"(?<!\\)(\\\\)*\\x(?![0-9A-Fa-f]{2}(?![0-9A-Fa-f]))", token[0]):
        return r"has \x without exactly two hexadecimal digits: write \u and four of them"
    if token["open_bound"]:
        return "has {,n}: write {0,n}"
    return None


def _max_nested_repetitions(pattern: str) -> int:
    """The largest product of the bounds that are nested in one another."""
    # By depth: the largest product so far at that depth, and that of the last item, which a bound would multiply.
    largest, last = [1], [1]
    for match in _TOKEN.finditer(pattern):
        if match["open"]:
            largest.append(1)
            last.append(1)
        elif match["close"] and len(largest) > 1:
            inner = largest.pop()
            last.pop()
            last[-1] = inner
        elif match["bound"]:
            last[-1] *= max(int(match["least"]), int(match["most"] or 0), 1)
        elif match[0] not in "*+?":
            last[-1] = 1
        largest[-1] = max(largest[-1], last[-1])
    return max(largest)
