"""Reports of the findings, as a table or as JSON."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import Final, NamedTuple

from local.probe.question import Finding, Question, Verdict

_HEAD: Final = ("verdict", "question", "the code assumes", "observed", "where")
_WIDTHS: Final = (14, 32, 34, 44, 52)


class Line(NamedTuple):
    """A question, its finding and the number of its requests, retries included."""

    question: Question
    finding: Finding
    requests: int


def format_table(lines: Sequence[Line]) -> str:
    """Return the table. Questions that differ come last."""
    ranks = list(Verdict)
    ordered = sorted(lines, key=lambda line: ranks.index(line.finding.verdict))
    rows = [_HEAD, tuple("-" * width for width in _WIDTHS), *map(_cells, ordered)]
    return "\n".join(text for row in rows for text in _wrapped(row))


def format_json(lines: Sequence[Line]) -> str:
    """Return a JSON array of objects, in the order of the questions."""
    names = [name.replace("the code ", "") for name in _HEAD]
    return json.dumps([dict(zip(names, _cells(line), strict=True)) for line in lines], indent=1, ensure_ascii=False)


def summarize(lines: Sequence[Line]) -> str:
    """Return the number of findings for each verdict."""
    counts = Counter(line.finding.verdict for line in lines)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict)


def _cells(line: Line) -> tuple[str, ...]:
    question, finding, _ = line
    return str(finding.verdict), question.name, question.assumes, finding.observed, question.where


def _wrapped(row: Sequence[str]) -> Iterator[str]:
    cells = (wrap(cell, width) for cell, width in zip(row, _WIDTHS, strict=True))
    for parts in zip_longest(*cells, fillvalue=""):
        yield "  ".join(part.ljust(width) for part, width in zip(parts, _WIDTHS, strict=True)).rstrip()
