"""Generated tables in a page of the documentation, between `<!-- name -->` and `<!-- end -->`."""

import re
from collections.abc import Iterable, Mapping


def replace_tables(text: str, tables: Mapping[str, Iterable[tuple[str, ...]]]) -> str:
    """Return the page with each table replaced. tables: rows by the name in the marker."""
    for name, rows in tables.items():
        before, marker, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        text = before + marker + _table(rows) + "\n" + end + after
    return text


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], re.sub("[^|]+", " --- ", lines[0]), *lines[1:]])
