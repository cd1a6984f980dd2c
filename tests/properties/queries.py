"""Random queries, each as the model's query and as URL parameters."""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from typing import Any, Final

from hypothesis import strategies as st

from api.markets.parameters import SORT_ORDERS
from kalshi_markets.columns import COLUMNS, COLUMNS_BY_NAME, Column, Kind
from tests.properties import tables
from tests.properties.model import Condition, Json, Question, Row, cases, names, pattern, plain
from tests.support.api_client import escaped

OPERATORS: Final = {
    Kind.STRING: ("", "__ne", "__in", "__isnull", "__icontains", "__startswith", "_regex"),
    Kind.NUMBER: ("", "__eq", "__lt", "__lte", "__gt", "__gte", "__ne", "__in", "__isnull"),
    Kind.TIME: ("", "__eq", "__lt", "__lte", "__gt", "__gte", "__ne", "__in", "__isnull"),
    Kind.BOOLEAN: ("", "__isnull"),
    Kind.JSON: ("", "__isnull"),
}
MAX_NUMBER_LENGTH: Final = 60


@dataclass(frozen=True)
class RenderedQuery:
    """Query of the model with its URL parameters."""

    question: Question
    parameters: dict[str, str]

    def url(self, **more: str) -> str:
        """Return the URL of GET /markets."""
        return f"/markets?{escaped(**self.parameters | more)}"


@st.composite
def random_query(draw: st.DrawFn, rows: Sequence[Row], *, paged: bool = True) -> RenderedQuery:
    """Generate a query. paged: with a limit and an offset; otherwise one page has all matching rows."""
    conditions, parameters = [], {}
    for column in draw(st.lists(st.sampled_from(COLUMNS), max_size=3, unique=True)):
        for operator in draw(st.lists(st.sampled_from(OPERATORS[column.kind]), min_size=1, max_size=2, unique=True)):
            condition, spelled = draw(_condition(column, operator, rows))
            conditions.append(condition)
            parameters[column.name + operator] = spelled
    question, more = draw(_shape(Question(conditions), rows, paged=paged))
    question, bounds = draw(_durations(question, rows))
    everything = parameters | more | bounds
    order = draw(st.permutations(list(everything)))
    return RenderedQuery(question, {name: everything[name] for name in order})


@st.composite
def _shape(draw: st.DrawFn, question: Question, rows: Sequence[Row], *, paged: bool) -> tuple[Question, dict[str, str]]:
    fields = draw(st.sampled_from(("", "all", "default,all", "ticker", "volume,default,volume", "*")))
    if fields == "*":
        fields = ",".join(draw(st.lists(st.sampled_from([*COLUMNS_BY_NAME]), min_size=1, max_size=6)))
    parameters = {"fields": fields} if fields else {}
    question = replace(question, fields=names(fields or "default"), limit=10_000)
    parameters["limit"] = "10000"
    if draw(st.booleans()):
        order, descending = draw(st.sampled_from([*SORT_ORDERS])), draw(st.booleans())
        question = replace(question, order_by=order, descending=descending)
        parameters |= {"order_by": order, "order_direction": "desc" if descending else "asc"}
    elif draw(st.booleans()):
        since = draw(st.integers(0, int(max(row["change_number"] for row in rows))))
        question = replace(question, changed_since=since)
        parameters["changed_since"] = str(since)
    if paged and draw(st.booleans()):
        limit, offset = draw(st.integers(1, 50)), draw(st.sampled_from((0, 1, 7, 50, 299, 1_000_000_000)))
        question = replace(question, limit=limit, offset=offset)
        parameters |= {"limit": str(limit), "offset": str(offset)}
    return question, parameters


@st.composite
def _durations(draw: st.DrawFn, question: Question, rows: Sequence[Row]) -> tuple[Question, dict[str, str]]:
    has_minimum, has_maximum = draw(
        st.sampled_from(((False, False), (False, False), (True, False), (False, True), (True, True)))
    )
    minutes = sorted(
        draw(st.lists(_minutes(rows), min_size=has_minimum + has_maximum, max_size=has_minimum + has_maximum))
    )
    chosen = dict(
        zip([name for name, is_set in (("min", has_minimum), ("max", has_maximum)) if is_set], minutes, strict=True)
    )
    question = replace(question, min_minutes=chosen.get("min"), max_minutes=chosen.get("max"))
    return question, {f"{name}_duration_minutes": format(value, "f") for name, value in chosen.items()}


@st.composite
def _minutes(draw: st.DrawFn, rows: Sequence[Row]) -> Decimal:
    row = draw(
        st.sampled_from(
            [candidate for candidate in rows if None not in (candidate["open_time"], candidate["close_time"])]
        )
    )
    microseconds = (row["close_time"] - row["open_time"]) // timedelta(microseconds=1)
    exact = str(microseconds * 10**10 // 6 * 10**6)  # minutes with 23 decimals, truncated
    sign, digits = ("-", exact[1:]) if exact.startswith("-") else ("", exact)
    near = Decimal(f"{sign}{digits[:-23] or 0}.{digits[-23:].zfill(23)}")
    beside = st.sampled_from(
        [f"{sign_text}0.{'0' * zeros}1" for sign_text in ("", "-") for zeros in (0, 6, 10, 22, 45)]
    )
    if draw(st.booleans()):
        return _sum(near, Decimal(draw(beside)))
    ends = st.sampled_from((-1, 1)).map(lambda direction: direction * Decimal(10) ** 15)
    return draw(st.one_of(st.just(near), st.integers(-200, 200).map(Decimal), ends))


def _sum(value: Decimal, other: Decimal) -> Decimal:
    with localcontext(prec=200):
        return value + other


@st.composite
def _condition(draw: st.DrawFn, column: Column, operator: str, rows: Sequence[Row]) -> tuple[Condition, str]:
    if operator == "__isnull":
        flag = draw(st.booleans())
        return Condition(column.name, operator, flag), str(flag).lower()
    if operator == "_regex":
        expression, meant = draw(_patterns())
        return Condition(column.name, operator, pattern(meant)), expression
    stored = [row[column.name] for row in rows if row[column.name] is not None] or [None]
    if operator == "__in":
        operands = draw(st.lists(_operand(column, stored), min_size=1, max_size=5))
        spelled = [draw(_spelled(column, operand)) for operand in operands]
        return Condition(column.name, operator, operands), _csv_line(spelled, quote_all=draw(st.booleans()))
    operand = draw(_operand(column, stored))
    if operator in ("__icontains", "__startswith"):
        start = draw(st.integers(0, len(operand))) if operator == "__icontains" else 0
        operand = operand[start:][: draw(st.integers(1, 4))] or draw(st.sampled_from(tables.ALPHABET))
        operand = draw(st.sampled_from((operand, operand.swapcase()))) if operator == "__icontains" else operand
        return Condition(column.name, operator, operand), operand
    return Condition(column.name, operator, operand), draw(_spelled(column, operand))


def _csv_line(fields: Sequence[str], *, quote_all: bool) -> str:
    # Before Python 3.13 the csv writer does not quote line ends other than its own.
    has_line_end = any("\r" in field or "\n" in field for field in fields)
    line = io.StringIO()
    writer = csv.writer(
        line, lineterminator="", quoting=csv.QUOTE_ALL if quote_all or has_line_end else csv.QUOTE_MINIMAL
    )
    writer.writerow(fields)
    return line.getvalue()


def _operand(column: Column, stored: Sequence[Any]) -> st.SearchStrategy[Any]:
    if column.allowed_values:
        return st.sampled_from(column.allowed_values)
    others: st.SearchStrategy[Any]
    match column.kind:
        case Kind.STRING:
            others = st.text(tables.ALPHABET, max_size=4)
        case Kind.NUMBER:
            stored = [value for value in stored if value is None or len(plain(value)) <= MAX_NUMBER_LENGTH] or [None]
            others = st.decimals(-1000, 1000, places=4) | st.integers(-(10**40), 10**40).map(Decimal)
        case Kind.TIME:
            others = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
        case Kind.BOOLEAN:
            others = st.booleans()
        case Kind.JSON:
            others = st.sampled_from(tables.JSONS).map(Json)
    return others if stored[0] is None else st.sampled_from(stored) | others


@st.composite
def _spelled(draw: st.DrawFn, column: Column, operand: Any) -> str:
    match column.kind:
        case Kind.NUMBER:
            text = format(operand, "f")
            more = (
                draw(st.sampled_from(("", ".0", ".000"))) if "." not in text else draw(st.sampled_from(("", "0", "00")))
            )
            return text + more if len(text + more) <= MAX_NUMBER_LENGTH else plain(operand)
        case Kind.TIME:
            return draw(st.sampled_from(_spellings(operand)))
        case Kind.BOOLEAN:
            return str(operand).lower()
        case Kind.JSON:
            return _json(operand.value, draw(st.booleans()))
    return str(operand)


def _spellings(instant: datetime) -> list[str]:
    naive = instant.replace(tzinfo=None)
    spellings = [f"{naive.isoformat()}Z", naive.isoformat(), naive.isoformat(" "), f"{naive.isoformat()}+00:00"]
    spellings.append(f"{naive.isoformat(timespec='microseconds')}-00:00")
    if 2 < naive.year < 9998:
        east = instant.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
        spellings += [east, east.replace("+05:30", "+0530"), east.replace("+05:30", " 05:30")]
    if naive.time() == datetime.min.time():
        spellings.append(date.isoformat(naive.date()))
    since = (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if 0 <= since <= 10**17:
        seconds, fraction = divmod(since, 10**6)
        spellings += [f"{seconds}.{fraction:06}"] + [str(seconds)] * (not fraction)
    return spellings


def _json(value: Any, spaced: bool) -> str:
    """Format a JSON value with the digits of its Decimals and its fields in reverse order."""
    gap = " " if spaced else ""
    if isinstance(value, dict):
        return (
            "{" + f",{gap}".join(f"{json.dumps(k)}:{gap}{_json(v, spaced)}" for k, v in reversed(value.items())) + "}"
        )
    if isinstance(value, list):
        return "[" + f",{gap}".join(_json(member, spaced) for member in value) + "]"
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return format(value, "f" if isinstance(value, Decimal) else "") + (
            ".0" if spaced and isinstance(value, int) else ""
        )
    return json.dumps(value, ensure_ascii=spaced)


def _character(character: str) -> tuple[str, str]:
    """Return a character as a case-insensitive pattern for PostgreSQL and for Python."""
    # The API rejects \< and \>: other dialects use them as word boundaries.
    is_bare = character.isalnum() or character in "_<>" or not character.isascii()
    theirs = character if is_bare else f"\\{character}"
    return theirs, "[" + "".join(re.escape(case) for case in sorted(cases(character))) + "]"


def _set(characters: Sequence[str]) -> tuple[str, str]:
    return "[" + "".join(characters) + "]", "[" + "".join(
        _character(character)[1][1:-1] for character in characters
    ) + "]"


_ATOMS: Final = st.one_of(
    st.sampled_from(tables.ALPHABET).map(_character),
    st.sampled_from((".", r"\d", "[0-9]", "(?=a)", "(?!a)")).map(
        lambda same: (same, same.replace(r"\d", "[0-9]").replace("a)", "[aA])"))
    ),
    st.lists(st.sampled_from("aAbBéñ%_0'"), min_size=1, max_size=3).map(_set),
    st.sampled_from((("^", r"\A"), ("$", r"\Z"), ("[^a]", "[^aA]"), ("[a-c]", "[a-cA-C]"))),
)
_TIMES: Final = ("", "", "", "*", "+", "?", "{0,2}", "{2}", "{1,}")


@st.composite
def _patterns(draw: st.DrawFn) -> tuple[str, str]:
    """Generate a pattern for PostgreSQL and its equivalent for Python."""
    if draw(st.booleans()):
        word = draw(st.text("aAbBzZ09 ,:;!@#%&='\"<>/_-", min_size=1, max_size=3))
        return word, "".join(_character(character)[1] for character in word)
    branches = draw(st.lists(st.lists(_ATOMS, min_size=1, max_size=3), min_size=1, max_size=2))
    pieces = [[_repeated(atom, draw(st.sampled_from(_TIMES))) for atom in branch] for branch in branches]
    expression, meant = ("|".join("".join(atom[dialect] for atom in branch) for branch in pieces) for dialect in (0, 1))
    return (
        (f"({expression})", f"(?:{meant})")
        if draw(st.booleans()) or expression.startswith("(?")
        else (expression, meant)
    )


def _repeated(atom: tuple[str, str], times: str) -> tuple[str, str]:
    if atom[0] in "^$" or atom[0].startswith("(?"):
        return atom
    return atom[0] + times, atom[1] + times
