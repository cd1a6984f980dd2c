"""The table of faults: what can go wrong on demand, with which parameters. A new kind is one entry here."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.exchange import effects, extras, paging, rewrites
from local.exchange.clock import EPOCH, instant
from local.exchange.effects import Effect

PLAIN_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Parameter:
    """How one is read, from a JSON value or an option's text: `read` raises ValueError with what it wants."""

    read: Callable[[object], object]
    default: object
    meaning: str


@dataclass(frozen=True, slots=True)
class Kind:
    """`is_inner` kinds work on the answer before it is compressed, the others on what goes over the wire."""

    meaning: str
    effect: Effect
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    is_inner: bool = False


def number(low: float, high: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number and not (isinstance(value, str) and PLAIN_NUMBER.fullmatch(value)):
            raise ValueError(f"a number from {low:g} to {high:g}")
        found = float(str(value))
        if not low <= found <= high:  # so are NaN and the infinities
            raise ValueError(f"a number from {low:g} to {high:g}")
        return found

    return read


def whole(low: int, high: int = 2**53) -> Callable[[object], int]:
    def read(value: object) -> int:
        try:
            found = number(low, high)(value)
        except ValueError:
            found = math.nan
        if not found.is_integer():
            raise ValueError(f"a whole number from {low} to {high}")
        return int(found)

    return read


def one_of(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if str(value) not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return str(value)

    return read


def text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def iso_instant(value: object) -> int:
    """The instant of an ISO 8601 time, far enough from where datetime ends; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text(value))
    except ValueError:
        moment = EPOCH
    if not 1970 < moment.year < 3000:
        raise ValueError("an ISO 8601 time from 1971 to 2999")
    return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


SECONDS = number(0, 86_400)
WITHIN = Parameter(one_of("page", "rows"), "page", "of the answer itself, or of each object of its lists")

KINDS: Mapping[str, Kind] = {
    "latency": Kind(
        "The answer comes late.",
        effects.latency,
        {"seconds": Parameter(SECONDS, 1.0, "how long it waits, in real time")},
    ),
    "429": Kind(
        "Too many requests, whatever the bucket holds.",
        effects.too_many_requests,
        {"body": Parameter(one_of("object", "string"), "object", "the observed body or the documented one")},
    ),
    "5xx": Kind(
        "The exchange or the network before it fails.",
        effects.server_error,
        {"status": Parameter(one_of("500", "502", "503", "504"), "503", "which failure")},
    ),
    "cut": Kind(
        "The connection is closed in the middle of the body.",
        effects.cut,
        {"bytes": Parameter(whole(0), 1000, "how much of the body, as it is on the wire, arrives")},
    ),
    "truncated": Kind(
        "The JSON ends too early; its Content-Length says that it is complete.",
        rewrites.truncated,
        {"bytes": Parameter(whole(0), 1000, "how much of the JSON is there, at most half of it")},
        is_inner=True,
    ),
    "malformed": Kind(
        "The body is complete and no JSON: a comma too many at its end.",
        rewrites.malformed,
        is_inner=True,
    ),
    "html": Kind(
        "The answer is a web page with the status 200.",
        effects.html,
    ),
    "short_page": Kind(
        "A page has fewer rows than were asked for; its cursor leads to the rest.",
        paging.short_page,
        {"rows": Parameter(whole(1), 10, "how many rows it has at most")},
        is_inner=True,
    ),
    "repeated_cursor": Kind(
        "A page behind a cursor answers that same cursor: who follows it walks in a circle.",
        paging.repeated_cursor,
        is_inner=True,
    ),
    "empty_page": Kind(
        "A page has no row; its cursor leads on, and no row is lost to who follows it.",
        paging.empty_page,
        is_inner=True,
    ),
    "null_list": Kind(
        "A list is null. In a listing with cursors that page is empty, and no row is lost to who follows the cursor.",
        paging.null_list,
        {"member": Parameter(text, "*", "which lists: a pattern of their names, * for any text")},
        is_inner=True,
    ),
    "ignored_filters": Kind(
        "Filters are ignored: the answer is that of the query without them.",
        paging.ignored_filters,
        {"filters": Parameter(text, "m??_*_ts", "which parameters: a pattern of their names, * for any text")},
        is_inner=True,
    ),
    "archive_tail": Kind(
        "The archive's listing does not reach its last rows, but for one that names tickers, an event or a series.",
        paging.archive_tail,
        {
            "ending": Parameter(one_of("early", "loop"), "early", "no cursor, or one that leads to the beginning"),
            "rows": Parameter(whole(1), 10, "how many rows are reached"),
        },
        is_inner=True,
    ),
    "paged_series": Kind(
        "The list of all series comes in pages, the cursor before the series.",
        paging.paged_series,
        {"rows": Parameter(whole(1), 10, "how many series are on a page")},
        is_inner=True,
    ),
    "extra_members": Kind(
        "Objects have members that no documentation has.",
        extras.extra_members,
        {
            "content": Parameter(one_of(*extras.EXTRAS, "all"), "all", "what is in them"),
            "place": Parameter(one_of(*extras.PLACES, "all"), "all", "where among the known members"),
            "within": WITHIN,
        },
        is_inner=True,
    ),
    "sorted_members": Kind(
        "The members of objects are in alphabetical order.",
        extras.sorted_members,
        {"within": WITHIN},
        is_inner=True,
    ),
    "field_drift": Kind(
        "The objects of an answer have a member too many, one too few, or one of another type.",
        rewrites.field_drift,
        {
            "change": Parameter(one_of("new", "gone", "retyped"), "new", "what happened to the member"),
            "member": Parameter(text, "volume_fp", "which member; a new one is named after it"),
        },
        is_inner=True,
    ),
    "unstorable": Kind(
        "Rows are valid JSON that a database refuses.",
        rewrites.unstorable,
        {
            "content": Parameter(one_of(*rewrites.UNSTORABLE), "nul", "what is in them"),
            "rows": Parameter(whole(1), 1, "how many rows of the page, from the first"),
        },
        is_inner=True,
    ),
    "unusual": Kind(
        "Markets or candles have values that are valid and that nobody has seen, or hardly.",
        rewrites.unusual,
        {
            "content": Parameter(one_of(*rewrites.UNUSUAL), "status", "what is unusual"),
            "share": Parameter(number(0, 1), 1.0, "how many of them; the same ones in every answer"),
        },
        is_inner=True,
    ),
    "clock_skew": Kind(
        "The exchange's clock is wrong for the Date header and for signatures.",
        effects.clock_skew,
        {"seconds": Parameter(number(-1e9, 1e9), 60.0, "by how much; ahead if positive")},
    ),
    "stale_cache": Kind(
        "An unsigned GET is answered as it was before, as a cache on the way does; x-kalshi-cache-hits tells.",
        effects.stale_cache,
        {"seconds": Parameter(SECONDS, 15.0, "how long an answer is kept, on the exchange's clock")},
    ),
}
