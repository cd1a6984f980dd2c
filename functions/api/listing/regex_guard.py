"""Guard for regular expressions: rejects expensive ones and translates spellings of Python, Perl and JavaScript.

PostgreSQL evaluates the patterns. Most patterns that are expensive in other engines are cheap in PostgreSQL. There are
two exceptions (measured with PostgreSQL 18): a back-reference ran for more than 5 s on one value, and
`(a{1,200}){1,200}` allocated 1.6 GB at once.

Some escapes are valid in PostgreSQL with another meaning than in other engines. They are translated or rejected (tested
with PostgreSQL 18): `\\b` is a backspace there, not a word boundary; `\\B` is a backslash; `\\<` is a literal <;
`\\x41b` is one character; `{,3}` is literal text. All other differences are errors in PostgreSQL: `\\h`, `\\p{L}`,
named and atomic groups, possessive quantifiers, options in the middle.
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
  | (?P<bound> \{(?P<minimum>[0-9]+)(?:,(?P<maximum>[0-9]*))?\} )
  | .
    """,
    re.VERBOSE | re.DOTALL,
)

_ESCAPES: Final = {"b": r"\y", "B": r"\Y", "z": r"\Z"}
"""Escapes of other engines for a word boundary, its negation and the end of the text, and PostgreSQL's equivalents."""
_LITERALS: Final = re.compile(r"[A-Za-z0-9 ,:;!@#%&='\"<>/_|-]+")
MAX_LITERALS: Final = 10


def literal_alternatives(pattern: str) -> list[str] | None:
    """Return the alternatives of a pattern that has only literal ASCII characters and |; None for other patterns."""
    alternatives = pattern.split("|")
    simple = _LITERALS.fullmatch(pattern) and all(alternatives) and len(alternatives) <= MAX_LITERALS
    return alternatives if simple else None


def translated(pattern: str) -> str:
    """Return the pattern in PostgreSQL's syntax. It must have no rejection_reason."""
    return "".join(_ESCAPES.get(token["escaped"] or "", token[0]) for token in _TOKEN.finditer(pattern))


def rejection_reason(pattern: str) -> str | None:
    """Return the reason why a pattern is rejected; None if it may run. PostgreSQL may still report invalid syntax."""
    if not pattern:
        return "must not be empty, which matches every value"
    if len(pattern) > MAX_LENGTH:
        return f"must have at most {MAX_LENGTH} characters"
    if "(?#" in pattern:
        return "must not contain a comment, (?#…)"
    if pattern.startswith("***") or re.match(r"\(\?[A-Za-z]", pattern):
        return "must not begin with options (*** or (?…)); matching is always case-insensitive"
    if any(match["escaped"] in "123456789" for match in _TOKEN.finditer(pattern) if match["escape"]):
        return "must not contain a back-reference, which can run for minutes"
    for token in _TOKEN.finditer(pattern):
        if reason := _misread(token):
            return reason
    if _max_nested_repetitions(pattern) > MAX_REPETITIONS:
        return f"repeats an item more than {MAX_REPETITIONS:,} times in nested bounds; use smaller bounds"
    return None


def _misread(token: re.Match[str]) -> str | None:
    """Return the reason why PostgreSQL would interpret a token differently from other engines; None if it would not."""
    if token["escaped"] in ("<", ">"):
        return r"contains \< or \>, whose meaning depends on the dialect: write < or \m, > or \M"
    if token["set"] and re.search(r"(?<!\\)(\\\\)*\\B", token[0]):
        return r"contains \B in brackets: write \\ for a backslash"
    if re.search(r"(?<!\\)(\\\\)*\\x(?![0-9A-Fa-f]{2}(?![0-9A-Fa-f]))", token[0]):
        return r"contains \x without exactly two hexadecimal digits: write \u and four digits"
    if token["open_bound"]:
        return "contains {,n}: write {0,n}"
    return None


def _max_nested_repetitions(pattern: str) -> int:
    """Return the largest product of nested repetition bounds."""
    # Both lists are indexed by depth. largest: the largest product so far. last: the product of the last item, which a
    # following bound multiplies.
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
            last[-1] *= max(int(match["minimum"]), int(match["maximum"] or 0), 1)
        elif match[0] not in "*+?":
            last[-1] = 1
        largest[-1] = max(largest[-1], last[-1])
    return max(largest)
