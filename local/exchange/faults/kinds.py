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
            raise ValueError(f"a number between {low:g} and {high:g}")
        parsed = float(str(value))
        if not low <= parsed <= high:  # also rejects NaN and the infinities
            raise ValueError(f"a number between {low:g} and {high:g}")
        return parsed

    return parse


def integer_parser(low: int, high: int = 2**53) -> Callable[[object], int]:
    def parse(value: object) -> int:
        try:
            parsed = number_parser(low, high)(value)
        except ValueError:
            parsed = math.nan
        if not parsed.is_integer():
            raise ValueError(f"an integer between {low} and {high}")
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
        raise ValueError("a non-empty string")
    return value


def parse_instant(value: object) -> int:
    """Return the instant of an ISO 8601 time from 1971 to 2999; without a zone it is UTC. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(parse_text(value))
    except ValueError:
        moment = EPOCH
    if not 1970 < moment.year < 3000:
        raise ValueError("an ISO 8601 time between 1971 and 2999")
    return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


SECONDS = number_parser(0, 86_400)
WITHIN = Parameter(
    choice_parser("page", "rows"), "page", "fields of the response itself, or of each object in its lists"
)

KINDS: Mapping[str, FaultKind] = {
    "latency": FaultKind(
        "The response is delayed.",
        effects.latency,
        {"seconds": Parameter(SECONDS, 1.0, "delay, in real time")},
    ),
    "429": FaultKind(
        "429 Too Many Requests, independent of the rate limit.",
        effects.too_many_requests,
        {"body": Parameter(choice_parser("object", "string"), "object", "the observed body or the documented one")},
    ),
    "5xx": FaultKind(
        "A server error of the exchange or of its load balancer.",
        effects.server_error,
        {"status": Parameter(choice_parser("500", "502", "503", "504"), "503", "status of the response")},
    ),
    "cut": FaultKind(
        "The connection is closed in the middle of the body.",
        effects.cut,
        {"bytes": Parameter(integer_parser(0), 1000, "number of bytes sent, as compressed on the wire")},
    ),
    "truncated": FaultKind(
        "The JSON is truncated; its Content-Length matches the truncated body.",
        rewrites.truncated,
        {"bytes": Parameter(integer_parser(0), 1000, "number of bytes of the JSON that are sent, at most half of it")},
        before_compression=True,
    ),
    "malformed": FaultKind(
        "The body is complete but invalid JSON: it has a trailing comma.",
        rewrites.malformed,
        before_compression=True,
    ),
    "html": FaultKind(
        "The response is an HTML page with status 200.",
        effects.html,
    ),
    "short_page": FaultKind(
        "A page has fewer rows than requested; its cursor continues with the rest.",
        paging.short_page,
        {"rows": Parameter(integer_parser(1), 10, "maximum number of rows")},
        before_compression=True,
    ),
    "repeated_cursor": FaultKind(
        "A page returns the cursor of its own request: pagination loops.",
        paging.repeated_cursor,
        before_compression=True,
    ),
    "empty_page": FaultKind(
        "A page has no rows; its cursor continues, and no row is lost.",
        paging.empty_page,
        before_compression=True,
    ),
    "null_list": FaultKind(
        "A list is null. In a listing with cursors that page is empty, and no row is lost.",
        paging.null_list,
        {"member": Parameter(parse_text, "*", "lists: a pattern of their names, * matches any text")},
        before_compression=True,
    ),
    "ignored_filters": FaultKind(
        "Filters are ignored: the response is that of the query without them.",
        paging.ignored_filters,
        {"filters": Parameter(parse_text, "m??_*ts", "parameters: a pattern of their names, * matches any text")},
        before_compression=True,
    ),
    "archive_tail": FaultKind(
        "The archive's listing ends before its last rows, unless it is filtered by tickers, event or series.",
        paging.archive_tail,
        {
            "ending": Parameter(choice_parser("early", "loop"), "early", "no cursor, or the cursor of the first page"),
            "rows": Parameter(integer_parser(1), 10, "number of rows before the end"),
        },
        before_compression=True,
    ),
    "undone_trades": FaultKind(
        "The amendment of a market's result has undone its last trades; candles and volumes agree.",
        paging.undone_trades,
        {"trades": Parameter(integer_parser(1), 1, "number of undone trades of each amended market")},
        before_compression=True,
    ),
    "paged_series": FaultKind(
        "The list of all series is paginated; the cursor precedes the series.",
        paging.paged_series,
        {"rows": Parameter(integer_parser(1), 10, "number of series per page")},
        before_compression=True,
    ),
    "extra_members": FaultKind(
        "Objects have undocumented fields.",
        extras.extra_members,
        {
            "content": Parameter(choice_parser(*extras.EXTRAS, "all"), "all", "content"),
            "place": Parameter(choice_parser(*extras.POSITIONS, "all"), "all", "position among the known fields"),
            "within": WITHIN,
        },
        before_compression=True,
    ),
    "sorted_members": FaultKind(
        "The fields of objects are sorted by name.",
        extras.sorted_members,
        {"within": WITHIN},
        before_compression=True,
    ),
    "field_drift": FaultKind(
        "The objects of a response have an additional field, a missing one, or one of another type.",
        rewrites.field_drift,
        {
            "change": Parameter(choice_parser("added", "removed", "type_changed"), "added", "change of the field"),
            "member": Parameter(
                parse_text, "volume_fp", "name of the field; the name of an added one is derived from it"
            ),
        },
        before_compression=True,
    ),
    "unstorable": FaultKind(
        "Rows are valid JSON that a database rejects.",
        rewrites.unstorable,
        {
            "content": Parameter(choice_parser(*rewrites.UNSTORABLE), "nul", "content"),
            "rows": Parameter(integer_parser(1), 1, "number of rows, from the start of the page"),
        },
        before_compression=True,
    ),
    "unusual": FaultKind(
        "Markets or candles have valid values that are rare or unobserved.",
        rewrites.unusual,
        {
            "content": Parameter(choice_parser(*rewrites.UNUSUAL), "status", "kind of unusual value"),
            "share": Parameter(
                number_parser(0, 1), 1.0, "share of the markets or candles; the same ones in every response"
            ),
        },
        before_compression=True,
    ),
    "clock_skew": FaultKind(
        "The exchange's clock is offset in the Date header and for signatures.",
        effects.clock_skew,
        {"seconds": Parameter(number_parser(-1e9, 1e9), 60.0, "offset; positive is ahead")},
    ),
    "stale_cache": FaultKind(
        "An unsigned GET returns the previous response, as from a cache; x-kalshi-cache-hits counts them.",
        effects.stale_cache,
        {"seconds": Parameter(SECONDS, 15.0, "time that a response is cached, on the exchange's clock")},
    ),
}
