"""Which regular expressions are run.

Most of what is dangerous elsewhere is harmless in PostgreSQL. Measured with PostgreSQL 18: a back-reference ran over
5 s on one value, and `(a{1,200}){1,200}` asked for 1.6 GB at once.
"""

import re
from typing import Final

LONGEST: Final = 200
MOST_REPETITIONS: Final = 1000

_TOKEN: Final = re.compile(
    r"""
    (?P<escape> \\(?P<escaped>c.|.) )
  | (?P<set> \[\^?\]?(?: \[(?P<class>[:.=]).*?(?P=class)\] | \\. | [^\]] )*\] )
  | (?P<open> \( )
  | (?P<close> \) )
  | (?P<bound> \{(?P<least>[0-9]+)(?:,(?P<most>[0-9]*))?\} )
  | .
    """,
    re.VERBOSE | re.DOTALL,
)


_LITERALS: Final = re.compile(r"[A-Za-z0-9 ,:;!@#%&='\"<>/_|-]+")
MOST_LITERALS: Final = 10


def literals(pattern: str) -> list[str] | None:
    """The alternatives of a pattern of nothing but ASCII characters that stand for themselves; None for another."""
    alternatives = pattern.split("|")
    simple = _LITERALS.fullmatch(pattern) and all(alternatives) and len(alternatives) <= MOST_LITERALS
    return alternatives if simple else None


def objection(pattern: str) -> str | None:
    """Why a pattern is refused; None when it may run (PostgreSQL may still find it malformed)."""
    if not pattern:
        return "is empty, which would match everything"
    if len(pattern) > LONGEST:
        return f"has over {LONGEST} characters"
    if "(?#" in pattern:
        return "has a comment, (?#…)"
    if pattern.startswith("***") or re.match(r"\(\?[A-Za-z]", pattern):
        return "begins with options (*** or (?…)); matching is always case-insensitive"
    if any(match["escaped"] in "123456789" for match in _TOKEN.finditer(pattern) if match["escape"]):
        return "has a back-reference, which can run for minutes"
    if _repetitions(pattern) > MOST_REPETITIONS:
        return f"repeats something over {MOST_REPETITIONS:,} times in nested bounds"
    return None


def _repetitions(pattern: str) -> int:
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
