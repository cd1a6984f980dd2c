"""Filter values picked from the data: rare and common ones, and percentiles of ordered columns."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from api.value_parsers import MAX_TEXT_LENGTH
from kalshi_markets.columns import COLUMNS, Column, Kind, Table
from tests.bench.server import TABLE, Connection
from tests.bench.table import run

SAMPLED: Final = 200_000
TEXTS: Final = 20_000
NONE: Final = {
    Kind.STRING: "none",
    Kind.NUMBER: "1",
    Kind.TIME: "2026-11-25T00:00:00Z",
    Kind.BOOLEAN: "true",
    Kind.JSON: "{}",
}
"""Values for a column that is empty."""


@dataclass(frozen=True)
class Sample:
    """Values of a column as the API parses them. rare, common: two of each. low, middle, high: 0.1 %, 50 %, 99.9 %."""

    rare: Sequence[str]
    common: Sequence[str]
    low: str = ""
    middle: str = ""
    high: str = ""
    rare_word: str = ""
    common_word: str = ""

    def of(self, suffix: str) -> tuple[str, str]:
        """Return a selective and an unselective value for an operator. Raises KeyError for an unknown operator."""
        if suffix in ("_regex", "__icontains"):
            return self.rare_word, self.common_word
        return {
            "": (self.rare[0], self.common[0]),
            "__eq": (self.rare[0], self.common[0]),
            "__ne": (self.rare[0], self.common[0]),
            "__in": (_csv(self.rare), _csv(self.common)),
            "__lt": (self.low, self.middle),
            "__lte": (self.low, self.middle),
            "__gt": (self.high, self.middle),
            "__gte": (self.high, self.middle),
            "__isnull": ("true", "false"),
            "__startswith": (self.rare[0][:14] or "none", self.common[0][:4] or "none"),
        }[suffix]


def samples(connection: Connection, rows: int) -> dict[str, Sample]:
    """Return a sample for each column."""
    return {column.name: _sample(connection, column, rows) for column in COLUMNS}


def words(texts: Sequence[str], min_length: int = 1) -> tuple[str, str]:
    """Return the word that is in the fewest of the texts, and the one that is in most of them."""
    counts = Counter(word for text in texts for word in set(re.findall(rf"[a-z]{{{min_length},}}", text.lower())))
    if not counts:
        return "none", "none"
    ordered = sorted(counts, key=lambda word: (counts[word], word))
    return ordered[0], ordered[-1]


def texts(connection: Connection, column: str, rows: int) -> list[str]:
    """Return a sample of a text column."""
    sql = f"SELECT {column} FROM {TABLE}_details {_tablesample(TEXTS, rows)} WHERE {column} IS NOT NULL"
    return [text for (text,) in run(connection, sql)]


def _sample(connection: Connection, column: Column, rows: int) -> Sample:
    rare, common = _frequent(connection, column, rows)
    if column.kind in (Kind.NUMBER, Kind.TIME):
        return Sample(rare, common, *_quantiles(connection, column, rows))
    if column.kind is Kind.STRING:
        # In a column of few distinct words a sample would miss the rarest one.
        sample = texts(connection, column.name, rows) + list(rare)
        rare_word, common_word = words(sample, min_length=3)
        return Sample(rare, common, rare_word=rare_word, common_word=common_word)
    return Sample(rare, common)


def _frequent(connection: Connection, column: Column, rows: int) -> tuple[list[str], list[str]]:
    sample = "" if column.allowed_values else _tablesample(SAMPLED, rows)
    # The API rejects longer ones.
    short = f"length({column.name}::text) < {MAX_TEXT_LENGTH // 2}"
    selected = f"SELECT {column.name} AS v, count(*) AS n FROM {_table(column)} {sample} WHERE {short}"
    counted = run(
        connection,
        f"WITH f AS MATERIALIZED ({selected} GROUP BY 1)"
        " (SELECT to_json(v) #>> '{}', 0 FROM f ORDER BY n, v DESC LIMIT 2) UNION ALL"
        " (SELECT to_json(v) #>> '{}', 1 FROM f ORDER BY n DESC, v LIMIT 2)",
    )
    rare, common = ([_query_value(column, value) for value, side in counted if side == wanted] for wanted in (0, 1))
    return rare or [NONE[column.kind]], common or [NONE[column.kind]]


def _quantiles(connection: Connection, column: Column, rows: int) -> list[str]:
    quantiles = f"percentile_disc(ARRAY[0.001, 0.5, 0.999]) WITHIN GROUP (ORDER BY {column.name})"
    [(values,)] = run(connection, f"SELECT {quantiles} FROM {_table(column)} {_tablesample(SAMPLED, rows)}")
    return [_written(value) for value in values] if values else [NONE[column.kind]] * 3


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _query_value(column: Column, value: str) -> str:
    return value.replace("+00:00", "Z") if column.kind is Kind.TIME else value


def _csv(values: Sequence[str]) -> str:
    return ",".join('"' + value.replace('"', '""') + '"' for value in values)


def _table(column: Column) -> str:
    return f"{TABLE}_{Table.DETAILS if column.table is Table.BOTH else column.table}"


def _tablesample(wanted: int, rows: int) -> str:
    return f"TABLESAMPLE SYSTEM ({min(100.0, 100 * wanted / rows):.4f}) REPEATABLE (1)"
