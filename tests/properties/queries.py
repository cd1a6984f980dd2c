"""Random queries, each as the model's query and as URL parameters."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from typing import Any, Final

from hypothesis import strategies as st

from api.listing.sorting import SortOrder
from api.markets.parameters import SORT_ORDERS
from kalshi_markets.columns import MARKETS, STATUSES, Column, Entity, Kind
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
UNSETTLED: Final = [status for status in STATUSES if status != "finalized"]


@dataclass(frozen=True)
class RenderedQuery:
    """Query of the model with its URL parameters. path: the path of the listing; empty: that of the entity."""

    question: Question
    parameters: dict[str, str]
    path: str = ""

    def url(self, **more: str) -> str:
        """Return the URL of the listing."""
        return f"{self.path or '/' + self.question.entity.name}?{escaped(**self.parameters | more)}"


@st.composite
def random_query(
    draw: st.DrawFn,
    rows: Sequence[Row],
    *,
    paged: bool = True,
    entity: Entity = MARKETS,
    sort_orders: Mapping[str, SortOrder] = SORT_ORDERS,
) -> RenderedQuery:
    """Generate a query. paged: with a limit and an offset; otherwise one page has all matching rows."""
    question, parameters = draw(random_filters(rows, entity=entity))
    question, more = draw(_shape(question, rows, sort_orders, paged=paged))
    if sort_orders[question.order_by].only_unsettled and question.changed_since is None:
        conditions = [item for item in question.conditions if (item.column, item.operator) != ("status", "__in")]
        question = replace(question, conditions=[*conditions, Condition("status", "__in", UNSETTLED)])
        parameters["status__in"] = ",".join(UNSETTLED)
    everything = parameters | more
    order = draw(st.permutations(list(everything)))
    return RenderedQuery(question, {name: everything[name] for name in order})


@st.composite
def random_filters(
    draw: st.DrawFn, rows: Sequence[Row], *, entity: Entity = MARKETS, columns: Sequence[Column] = ()
) -> tuple[Question, dict[str, str]]:
    """Generate filters, words of a search and durations. columns: those to filter by; empty: all of the entity."""
    conditions, parameters = [], {}
    filterable = columns or [column for column in entity.columns if column.filterable]
    for column in draw(st.lists(st.sampled_from(filterable), max_size=3, unique=True)):
        for operator in draw(st.lists(st.sampled_from(OPERATORS[column.kind]), min_size=1, max_size=2, unique=True)):
            condition, spelled = draw(_condition(column, operator, rows))
            conditions.append(condition)
            parameters[column.name + operator] = spelled
    question = Question(entity, conditions)
    if columns:
        return question, parameters
    if entity.searched and draw(st.integers(0, 3)) == 0:
        words = draw(st.lists(_word(rows, entity), min_size=1, max_size=3))
        question, parameters["search"] = replace(question, search=words), _spelled_search(words)
    if entity is MARKETS:
        question, bounds = draw(_durations(question, rows))
        parameters |= bounds
    return question, parameters


@st.composite
def _word(draw: st.DrawFn, rows: Sequence[Row], entity: Entity) -> str:
    """Generate a word or a phrase, mostly a part of a searched text."""
    row = draw(st.sampled_from(rows))
    text = " ".join(row[name] or "" for name in entity.searched)
    start, length = draw(st.integers(0, len(text))), draw(st.integers(1, 12))
    word = text[start:][:length].replace('"', "")
    if not word.strip():
        word = draw(st.text("aAbBéÉ%_0", min_size=1, max_size=3))
    return draw(st.sampled_from((word, word.swapcase())))


def _spelled_search(words: Sequence[str]) -> str:
    spelled = [f'"{word}"' if any(map(str.isspace, word)) else word for word in words]
    return " ".join(spelled)


@st.composite
def _shape(
    draw: st.DrawFn, question: Question, rows: Sequence[Row], sort_orders: Mapping[str, SortOrder], *, paged: bool
) -> tuple[Question, dict[str, str]]:
    entity, repeated = question.entity, question.entity.columns[8].name
    fields = draw(st.sampled_from(("", "all", "default,all", entity.key, f"{repeated},default,{repeated}", "*")))
    if fields == "*":
        fields = ",".join(draw(st.lists(st.sampled_from([*entity.by_name]), min_size=1, max_size=6)))
    parameters = {"fields": fields} if fields else {}
    [default, *_] = sort_orders
    question = replace(question, fields=names(fields or "default", entity), limit=10_000, order_by=default)
    question = replace(question, descending=sort_orders[default].direction == "desc")
    parameters["limit"] = "10000"
    if draw(st.booleans()):
        order, descending = draw(st.sampled_from([*sort_orders])), draw(st.booleans())
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
            return tables.json_text(operand.value, spaced=draw(st.booleans()))
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
    if since == 0 or 10**15 <= since <= 10**17:  # the API rejects Unix seconds before September 2001
        seconds, fraction = divmod(since, 10**6)
        spellings += [f"{seconds}.{fraction:06}"] + [str(seconds)] * (not fraction)
    return spellings


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
