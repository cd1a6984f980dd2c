"""Model of the listings and facets in plain Python over rows in memory, written from docs/api.md, not from the code."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final
from unicodedata import normalize

from kalshi_markets.columns import MARKETS, Entity, Kind

Row = Mapping[str, Any]
"""Row of values by column: str, Decimal, datetime, bool, Json; None for a missing value."""


@dataclass(frozen=True)
class Json:
    """Stored JSON value, which may be a string, a number or a list."""

    value: Any


@dataclass(frozen=True)
class Condition:
    """Filter of a column.

    operand: a value of the column's type. It is a list of values for __in, a bool for __isnull and a compiled pattern
        for _regex.
    """

    column: str
    operator: str
    operand: Any


@dataclass(frozen=True)
class Question:
    """Parsed query of a listing. search: words and phrases."""

    entity: Entity = field(default=MARKETS, repr=False)
    conditions: Sequence[Condition] = ()
    search: Sequence[str] = ()
    min_minutes: Decimal | None = None
    max_minutes: Decimal | None = None
    order_by: str = "recent"
    descending: bool = True
    limit: int = 100
    offset: int = 0
    fields: Sequence[str] = ()
    changed_since: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", self.fields or names("default", self.entity))


def matching(rows: Iterable[Row], question: Question) -> list[Row]:
    """Return every row that matches the query in its order, without limit and offset."""
    matches = [row for row in rows if _matches(row, question)]
    if question.changed_since is not None:
        return sorted(matches, key=lambda row: int(row["change_number"]))
    key = question.entity.key
    matches.sort(key=lambda row: code_points(row[key]), reverse=question.descending)
    present = [row for row in matches if _sort_value(row, question) is not None]
    present.sort(key=lambda row: _sort_value(row, question), reverse=question.descending)
    return present + [row for row in matches if _sort_value(row, question) is None]


def page(rows: Iterable[Row], question: Question) -> list[Row]:
    """Return the rows of the query's page."""
    return matching(rows, question)[question.offset :][: question.limit]


def code_points(text: str) -> list[int]:
    """Return the sort key of a string."""
    return [ord(character) for character in text]


def _sort_value(row: Row, question: Question) -> Any:
    if question.order_by == "recent":
        return row["open_time"] if row["close_time"] is None else row["close_time"]
    if question.order_by == "strike":
        return _strikes(row)
    value = row[question.order_by]
    return code_points(value) if isinstance(value, str) else value


def _strikes(row: Row) -> tuple[Decimal, Decimal] | None:
    floor, cap = row["floor_strike"], row["cap_strike"]
    if floor is None and cap is None:
        return None
    return Decimal("-Infinity") if floor is None else floor, Decimal("Infinity") if cap is None else cap


def _matches(row: Row, question: Question) -> bool:
    since = question.changed_since
    return (
        all(meets(row, condition) for condition in question.conditions)
        and all(_contains(_searched_text(row, question.entity), word) for word in question.search)
        and (since is None or row["change_number"] > since)
        and _lasts(row, question)
    )


def _lasts(row: Row, question: Question) -> bool:
    if question.min_minutes is None and question.max_minutes is None:
        return True
    if row["open_time"] is None or row["close_time"] is None:
        return False
    minutes = Fraction((row["close_time"] - row["open_time"]) // timedelta(microseconds=1), 60_000_000)
    minimum, maximum = question.min_minutes, question.max_minutes
    return (minimum is None or minutes >= Fraction(minimum)) and (maximum is None or minutes <= Fraction(maximum))


def meets(row: Row, condition: Condition) -> bool:
    """Return True if a row meets a condition. An equal secondary category is enough."""
    values = [row[condition.column]]
    if condition.column == "category" and condition.operator in ("", "__in") and row["categories"] is not None:
        values += row["categories"].value
    return any(holds(value, condition) for value in values)


def _searched_text(row: Row, entity: Entity) -> str:
    return " ".join(row[name] or "" for name in entity.searched)


def _contains(text: str, word: str) -> bool:
    spellings = (word, *(normalize(normal_form, word) for normal_form in ("NFC", "NFD")))
    return any(lowered(spelling) in lowered(text) for spelling in spellings)


def holds(value: Any, condition: Condition) -> bool:
    """Return True if a value meets a condition."""
    operand = condition.operand
    if condition.operator == "__isnull":
        return (value is None) is bool(operand)
    if condition.operator == "__ne":
        return bool(value is None or value != operand)
    if value is None:
        return False
    if isinstance(value, Json):
        return bool(canonical(value.value) == canonical(operand.value))
    return bool(_COMPARISONS[condition.operator](value, operand))


_COMPARISONS: Final[Mapping[str, Any]] = {
    "": lambda value, operand: value == operand,
    "__eq": lambda value, operand: value == operand,
    "__lt": lambda value, operand: value < operand,
    "__lte": lambda value, operand: value <= operand,
    "__gt": lambda value, operand: value > operand,
    "__gte": lambda value, operand: value >= operand,
    "__in": lambda value, operand: value in operand,
    "__icontains": _contains,
    "__startswith": lambda value, operand: value.startswith(operand),
    "_regex": lambda value, operand: operand.search(value) is not None,
}


def lowered(text: str) -> str:
    """Convert to lower case by single characters, as the locale C.UTF-8 does: no character becomes two."""
    return "".join(_single_character(character, character.lower()) for character in text)


def cases(character: str) -> set[str]:
    """Return the characters that a pattern's character matches, case-insensitive."""
    return {character, _single_character(character, character.lower()), _single_character(character, character.upper())}


def _single_character(character: str, changed: str) -> str:
    return changed if len(changed) == 1 else character


def pattern(expression: str) -> re.Pattern[str]:
    """Compile a pattern in which every case of each character is written out."""
    return re.compile(expression, re.DOTALL)


def canonical(value: Any) -> Any:
    """Convert a JSON value to a form with PostgreSQL's equality: 1 equals 1.0 but neither true nor "1"."""
    if isinstance(value, Mapping):
        return {"object": {key: canonical(member) for key, member in value.items()}}
    if isinstance(value, list):
        return [canonical(member) for member in value]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return ("number", Decimal(value))
    return (type(value).__name__, value)


def facet(rows: Iterable[Row], question: Question, column: str) -> list[tuple[str | None, int]]:
    """Return the values of a column with the numbers of matching rows, the largest first, then by value."""
    counts = Counter(row[column] for row in matching(rows, question))
    order = [(-count, value is None, code_points(value or ""), value) for value, count in counts.items()]
    return [(value, -count) for count, _, _, value in sorted(order, key=lambda item: item[:3])]


def names(fields: str, entity: Entity = MARKETS) -> list[str]:
    """Return the columns of a `fields` parameter without duplicates."""
    groups = {
        "default": [column.name for column in entity.default_columns],
        "all": [column.name for column in entity.columns],
    }
    return list(dict.fromkeys(name for word in fields.split(",") for name in groups.get(word, [word])))


@dataclass(frozen=True)
class Digits:
    """Number with its exact digits in the response."""

    text: str


def written(row: Row, fields: Sequence[str], entity: Entity = MARKETS) -> list[tuple[str, Any]]:
    """Return the expected fields of an item, with numbers as Digits, also within Json."""
    return [(name, _written(entity.by_name[name].kind, row[name])) for name in fields]


def _written(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    match kind:
        case Kind.NUMBER:
            return Digits(plain(value))
        case Kind.TIME:
            return rfc_3339(value)
        case Kind.JSON:
            return Json(digits(value.value))
    return value


def digits(value: Any) -> Any:
    """Convert the numbers of a JSON value to Digits, which preserve trailing zeros."""
    if isinstance(value, Mapping):
        return {key: digits(member) for key, member in value.items()}
    if isinstance(value, list):
        return [digits(member) for member in value]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Digits(format(abs(value) if value == 0 else value, "f" if isinstance(value, Decimal) else ""))
    return value


def plain(number: Decimal) -> str:
    """Format a number without exponent, trailing zeros and negative zero."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def rfc_3339(instant: datetime) -> str:
    """Format an instant in UTC, without a fraction if it is zero."""
    text = instant.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"
