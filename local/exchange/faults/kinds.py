"""Table of fault kinds and their parameters. To add a kind, add an entry."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.exchange.clock import EPOCH, instant
from local.exchange.faults import effects, extras, paging, rewrites
from local.exchange.faults.effects import HandlerFactory

PLAIN_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Parameter:
    """Parameter of a fault. `parse` takes a JSON value or the text of an option and raises ValueError."""

    parse: Callable[[object], object]
    default: object
    description: str


@dataclass(frozen=True, slots=True)
class FaultKind:
    """Kind of fault. With `before_compression` it changes the body, else the bytes on the wire."""

    description: str
    handler_factory: HandlerFactory
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    before_compression: bool = False


def number_parser(low: float, high: float) -> Callable[[object], float]:
    def parse(value: object) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number and not (isinstance(value, str) and PLAIN_NUMBER.fullmatch(value)):
            raise ValueError(f"a number from {low:g} to {high:g}")
        parsed = float(str(value))
        if not low <= parsed <= high:  # also rejects NaN and the infinities
            raise ValueError(f"a number from {low:g} to {high:g}")
        return parsed

    return parse


def integer_parser(low: int, high: int = 2**53) -> Callable[[object], int]:
    def parse(value: object) -> int:
        try:
            parsed = number_parser(low, high)(value)
        except ValueError:
            parsed = math.nan
        if not parsed.is_integer():
            raise ValueError(f"a whole number from {low} to {high}")
        return int(parsed)

    return parse


def choice_parser(*choices: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if str(value) not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return str(value)

    return parse


def parse_text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def parse_instant(value: object) -> int:
    """Return the instant of an ISO 8601 time from 1971 to 2999; without a zone it is UTC. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(parse_text(value))
    except ValueError:
        moment = EPOCH
    if not 1970 < moment.year < 3000:
        raise ValueError("an ISO 8601 time from 1971 to 2999")
    return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


SECONDS = number_parser(0, 86_400)
WITHIN = Parameter(choice_parser("page", "rows"), "page", "of the answer itself, or of each object of its lists")

KINDS: Mapping[str, FaultKind] = {
    "latency": FaultKind(
        "The answer comes late.",
        effects.latency,
        {"seconds": Parameter(SECONDS, 1.0, "how long it waits, in real time")},
    ),
    "429": FaultKind(
        "Too many requests, whatever the bucket holds.",
        effects.too_many_requests,
        {"body": Parameter(choice_parser("object", "string"), "object", "the observed body or the documented one")},
    ),
    "5xx": FaultKind(
        "The exchange or the network before it fails.",
        effects.server_error,
        {"status": Parameter(choice_parser("500", "502", "503", "504"), "503", "which failure")},
    ),
    "cut": FaultKind(
        "The connection is closed in the middle of the body.",
        effects.cut,
        {"bytes": Parameter(integer_parser(0), 1000, "how much of the body, as it is on the wire, arrives")},
    ),
    "truncated": FaultKind(
        "The JSON ends too early; its Content-Length says that it is complete.",
        rewrites.truncated,
        {"bytes": Parameter(integer_parser(0), 1000, "how much of the JSON is there, at most half of it")},
        before_compression=True,
    ),
    "malformed": FaultKind(
        "The body is complete and no JSON: a comma too many at its end.",
        rewrites.malformed,
        before_compression=True,
    ),
    "html": FaultKind(
        "The answer is a web page with the status 200.",
        effects.html,
    ),
    "short_page": FaultKind(
        "A page has fewer rows than were asked for; its cursor leads to the rest.",
        paging.short_page,
        {"rows": Parameter(integer_parser(1), 10, "how many rows it has at most")},
        before_compression=True,
    ),
    "repeated_cursor": FaultKind(
        "A page behind a cursor answers that same cursor: who follows it walks in a circle.",
        paging.repeated_cursor,
        before_compression=True,
    ),
    "empty_page": FaultKind(
        "A page has no row; its cursor leads on, and no row is lost to who follows it.",
        paging.empty_page,
        before_compression=True,
    ),
    "null_list": FaultKind(
        "A list is null. In a listing with cursors that page is empty, and no row is lost to who follows the cursor.",
        paging.null_list,
        {"member": Parameter(parse_text, "*", "which lists: a pattern of their names, * for any text")},
        before_compression=True,
    ),
    "ignored_filters": FaultKind(
        "Filters are ignored: the answer is that of the query without them.",
        paging.ignored_filters,
        {"filters": Parameter(parse_text, "m??_*_ts", "which parameters: a pattern of their names, * for any text")},
        before_compression=True,
    ),
    "archive_tail": FaultKind(
        "The archive's listing does not reach its last rows, but for one that names tickers, an event or a series.",
        paging.archive_tail,
        {
            "ending": Parameter(
                choice_parser("early", "loop"), "early", "no cursor, or one that leads to the beginning"
            ),
            "rows": Parameter(integer_parser(1), 10, "how many rows are reached"),
        },
        before_compression=True,
    ),
    "paged_series": FaultKind(
        "The list of all series comes in pages, the cursor before the series.",
        paging.paged_series,
        {"rows": Parameter(integer_parser(1), 10, "how many series are on a page")},
        before_compression=True,
    ),
    "extra_members": FaultKind(
        "Objects have members that no documentation has.",
        extras.extra_members,
        {
            "content": Parameter(choice_parser(*extras.EXTRAS, "all"), "all", "what is in them"),
            "place": Parameter(choice_parser(*extras.POSITIONS, "all"), "all", "where among the known members"),
            "within": WITHIN,
        },
        before_compression=True,
    ),
    "sorted_members": FaultKind(
        "The members of objects are in alphabetical order.",
        extras.sorted_members,
        {"within": WITHIN},
        before_compression=True,
    ),
    "field_drift": FaultKind(
        "The objects of an answer have a member too many, one too few, or one of another type.",
        rewrites.field_drift,
        {
            "change": Parameter(
                choice_parser("added", "removed", "type_changed"), "added", "what happened to the member"
            ),
            "member": Parameter(parse_text, "volume_fp", "which member; a new one is named after it"),
        },
        before_compression=True,
    ),
    "unstorable": FaultKind(
        "Rows are valid JSON that a database refuses.",
        rewrites.unstorable,
        {
            "content": Parameter(choice_parser(*rewrites.UNSTORABLE), "nul", "what is in them"),
            "rows": Parameter(integer_parser(1), 1, "how many rows of the page, from the first"),
        },
        before_compression=True,
    ),
    "unusual": FaultKind(
        "Markets or candles have values that are valid and that nobody has seen, or hardly.",
        rewrites.unusual,
        {
            "content": Parameter(choice_parser(*rewrites.UNUSUAL), "status", "what is unusual"),
            "share": Parameter(number_parser(0, 1), 1.0, "how many of them; the same ones in every answer"),
        },
        before_compression=True,
    ),
    "clock_skew": FaultKind(
        "The exchange's clock is wrong for the Date header and for signatures.",
        effects.clock_skew,
        {"seconds": Parameter(number_parser(-1e9, 1e9), 60.0, "by how much; ahead if positive")},
    ),
    "stale_cache": FaultKind(
        "An unsigned GET is answered as it was before, as a cache on the way does; x-kalshi-cache-hits tells.",
        effects.stale_cache,
        {"seconds": Parameter(SECONDS, 15.0, "how long an answer is kept, on the exchange's clock")},
    ),
}
