"""The query string of GET /markets -> a typed query, or everything that is wrong with it."""

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

from api import values
from api.errors import Code, Problem, refusal
from api.filters import FILTERS, Filter
from kalshi_markets.columns import COLUMNS, Column, Kind

MOST_ITEMS: Final = 10_000
MOST_OFFSET: Final = 1_000_000_000
MOST_PARAMETERS: Final = 100
MOST_PROBLEMS: Final = 10
LONGEST_NAME: Final = 100
ORDERS: Final = ("recent", *(column.name for column in COLUMNS if column.orderable))

T = TypeVar("T")


@dataclass(frozen=True)
class Condition:
    """A filter and the value it compares with."""

    filter: Filter
    value: values.SqlValue


@dataclass
class Query:
    """What GET /markets asks for. Durations are minutes, as decimal text."""

    conditions: list[Condition] = field(default_factory=list)
    min_duration_minutes: str | None = None
    max_duration_minutes: str | None = None
    order_by: str = "recent"
    order_direction: str = "desc"
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True)
class Setting:
    """One query parameter that is no filter. name: also the field of Query that it sets; usual: its default."""

    name: str
    read: Callable[[str], Any]
    about: str
    hint: str
    schema: dict[str, Any]


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            near = difflib.get_close_matches(value, words, 1)
            raise ValueError(f"must be one of {', '.join(words)}" + (f"; did you mean {near[0]}?" if near else ""))
        return value

    return read


SETTINGS: Final = {
    setting.name: setting
    for setting in (
        Setting(
            "limit",
            lambda value: values.whole(value, 1, MOST_ITEMS),
            "How many markets at most.",
            "limit=100",
            {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS, "default": 100},
        ),
        Setting(
            "offset",
            lambda value: values.whole(value, 0, MOST_OFFSET),
            "How many markets to pass over first.",
            "offset=0",
            {"type": "integer", "minimum": 0, "maximum": MOST_OFFSET, "default": 0},
        ),
        Setting(
            "order_by",
            _one_of(ORDERS),
            "What to order by; `recent` is close_time, else open_time. Markets without a value come last either way.",
            "order_by=recent",
            {"type": "string", "enum": list(ORDERS), "default": "recent"},
        ),
        Setting(
            "order_direction",
            _one_of(("desc", "asc")),
            "Which way; markets with equal values go by ticker in the same direction.",
            "order_direction=desc",
            {"type": "string", "enum": ["desc", "asc"], "default": "desc"},
        ),
        Setting(
            "min_duration_minutes",
            values.number,
            "close_time is at least so many minutes after open_time; fractions count.",
            "min_duration_minutes=15",
            {"type": "number"},
        ),
        Setting(
            "max_duration_minutes",
            values.number,
            "close_time is at most so many minutes after open_time; fractions count.",
            "max_duration_minutes=60",
            {"type": "number"},
        ),
    )
}


def parse(query_string: bytes) -> Query:
    """Raises ApiError, a 422 that names every parameter that is wrong, up to MOST_PROBLEMS."""
    query, problems = Query(), []
    seen = set()
    for raw_name, raw_value in _pairs(query_string):
        try:
            name, value = _decoded(raw_name), _decoded(raw_value)
        except ValueError as error:
            problems.append(_problem(_printable(raw_name), str(error), "Escape it as UTF-8, such as %C3%A9 for é."))
            continue
        problem = _repeated(name) if name in seen else _take(query, name, value)
        seen.add(name)
        if problem:
            problems.append(problem)
        if len(problems) == MOST_PROBLEMS:
            break
    if not problems and (problem := _contradiction(query)):
        problems.append(problem)
    if problems:
        raise refusal(problems)
    return query


def refuse_parameters(query_string: bytes) -> None:
    """For the endpoints that take none. Raises ApiError."""
    problems = [
        Problem(
            Code.UNKNOWN_PARAMETER, ("query", _printable(name)), "this endpoint takes no parameters", "Leave it out."
        )
        for name, _ in _pairs(query_string)
    ]
    if problems:
        raise refusal(problems)


def _pairs(query_string: bytes) -> Iterator[tuple[bytes, bytes]]:
    fields = [field for field in query_string.split(b"&") if field]
    if len(fields) > MOST_PARAMETERS:
        message = f"there are {len(fields):,} parameters; {MOST_PARAMETERS} are the most"
        raise refusal([Problem(Code.INVALID_PARAMETER, ("query",), message, "Leave some out.")])
    for pair in fields:
        name, _, value = pair.partition(b"=")
        yield name, value


def _decoded(raw: bytes) -> str:
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    if "\0" in text:
        raise ValueError("holds a NUL character")
    return text


def _printable(raw: bytes) -> str:
    return unquote_to_bytes(raw).decode("utf-8", "backslashreplace")[:LONGEST_NAME]


def _take(query: Query, name: str, value: str) -> Problem | None:
    """Puts one parameter into the query."""
    try:
        if setting := SETTINGS.get(name):
            setattr(query, name, setting.read(value))
        elif narrowing := FILTERS.get(name):
            query.conditions.append(Condition(narrowing, narrowing.read(value)))
        else:
            return _unknown(name)
    except ValueError as error:
        return _problem(name, str(error), _hint(name))
    return None


def _unknown(name: str) -> Problem:
    name = name[:LONGEST_NAME]
    near = difflib.get_close_matches(name, [*SETTINGS, *FILTERS], 1, cutoff=0.5)
    hint = f"Try {_hint(near[0])}" if near else "GET /docs lists every parameter."
    message = f"{name} is not a parameter" + (f"; did you mean {near[0]}?" if near else "")
    return Problem(Code.UNKNOWN_PARAMETER, ("query", name), message, hint)


def _repeated(name: str) -> Problem:
    return _problem(name, "is given twice", "Give it once.")


def _problem(name: str, message: str, hint: str) -> Problem:
    name = name[:LONGEST_NAME]
    return Problem(Code.INVALID_PARAMETER, ("query", name), f"{name} {message}", hint)


EXAMPLES: Final = {
    Kind.STRING: "Bitcoin",
    Kind.NUMBER: "100",
    Kind.TIME: "2026-11-24T12:00:00Z",
    Kind.BOOLEAN: "true",
    Kind.JSON: "{}",
}


def _hint(name: str) -> str:
    if name in SETTINGS:
        return SETTINGS[name].hint
    column = FILTERS[name].column
    words = [word for word in column.values if word]
    example = words[0] if words and not FILTERS[name].is_pattern else EXAMPLES[column.kind]
    return f"{name}={example}"


def _contradiction(query: Query) -> Problem | None:
    least, most = query.min_duration_minutes, query.max_duration_minutes
    if least is None or most is None or Decimal(least) <= Decimal(most):
        return None
    message = f"{least} is more than max_duration_minutes, {most}: no market can be both"
    return Problem(Code.INVALID_PARAMETER, ("query", "min_duration_minutes"), message, "Swap the two.")


def describe(column: Column) -> dict[str, Any]:
    """A column for programs, with every parameter that filters by it."""
    return {
        "name": column.name,
        "kind": column.kind.value,
        "default": column.default,
        "orderable": column.orderable,
        "values": list(column.values) or None,
        "filters": [name for name, narrowing in FILTERS.items() if narrowing.column is column],
        "about": column.about,
    }


def openapi_parameters() -> list[dict[str, Any]]:
    """Every parameter of GET /markets, as OpenAPI describes them."""
    settings = [_openapi(name, setting.about, setting.schema) for name, setting in SETTINGS.items()]
    return settings + [_openapi(name, _about(narrowing), _schema(narrowing)) for name, narrowing in FILTERS.items()]


def _openapi(name: str, about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": about, "schema": schema}


def _about(narrowing: Filter) -> str:
    return f"Markets whose {narrowing.column.name} {narrowing.operator.about}. {narrowing.column.about}"


def _schema(narrowing: Filter) -> dict[str, Any]:
    if narrowing.column.values and not narrowing.is_pattern:
        return {"type": "string", "enum": list(narrowing.column.values)}
    kinds = {Kind.NUMBER: "number", Kind.BOOLEAN: "boolean"}
    schema: dict[str, Any] = {"type": kinds.get(narrowing.column.kind, "string")}
    if narrowing.column.kind is Kind.TIME:
        schema["examples"] = ["2026-11-24T12:00:00Z", "1795521600"]
    return schema
