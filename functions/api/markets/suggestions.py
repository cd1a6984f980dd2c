"""Suggestions for unknown parameters: by common synonyms first, then by similar spelling."""

import difflib
import re
from collections.abc import Mapping
from typing import Final

from api.markets.filters import FILTERS
from api.markets.parameters import LISTING_PARAMETERS, MAX_NAME_LENGTH
from kalshi_markets.columns import COLUMNS, COLUMNS_BY_NAME

NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("page", "page_token", "next", "next_cursor", "after", "starting_after", "_next"), "cursor"),
    **dict.fromkeys(("skip", "start", "from", "_offset"), "offset"),
    **dict.fromkeys(("per_page", "page_size", "pagesize", "count", "size", "top", "first", "max", "_size"), "limit"),
    **dict.fromkeys(("sort", "sort_by", "sortby", "order", "orderby", "ordering", "_sort", "_sort_desc"), "order_by"),
    **dict.fromkeys(("direction", "sort_order", "sort_dir", "order_dir", "desc", "asc", "reverse"), "order_direction"),
    **dict.fromkeys(("columns", "select", "field", "include", "only", "_col"), "fields"),
    **dict.fromkeys(("q", "query", "search", "text", "keyword", "keywords", "term", "_search"), "title__icontains"),
    **dict.fromkeys(("total", "with_total", "include_total", "with_count"), "count_total"),
    **dict.fromkeys(("since", "updated_since", "modified_since"), "changed_since"),
    **dict.fromkeys(("_format", "output", "accept", "content_type"), "format"),
    **dict.fromkeys(("min_duration", "duration_min"), "min_duration_minutes"),
    **dict.fromkeys(("max_duration", "duration_max"), "max_duration_minutes"),
}
"""Parameter names of common services (PostgREST, Datasette, Django REST framework, Stripe), and this API's names."""

COLUMN_NAMES: Final[Mapping[str, str]] = {
    **{column.source_field: column.name for column in COLUMNS},
    **dict.fromkeys(("id", "market", "market_ticker", "symbol"), "ticker"),
    "event": "event_ticker",
    "series": "series_ticker",
    "type": "market_type",
    "state": "status",
    **dict.fromkeys(("name", "question"), "title"),
    "open": "open_time",
    "close": "close_time",
    "created": "created_time",
    "updated": "updated_time",
    "open_ts": "open_time",
    "close_ts": "close_time",
    "created_ts": "created_time",
    "updated_ts": "updated_time",
    **dict.fromkeys(("settled", "settled_ts", "settled_time", "settlement_time"), "settlement_ts"),
    **dict.fromkeys(("price", "last_price"), "last_price_dollars"),
    **{f"{side}_{kind}": f"{side}_{kind}_dollars" for side in ("yes", "no") for kind in ("bid", "ask")},
}
"""Field and parameter names of the exchange, common words, and the columns that they mean."""

SUFFIXES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("contains", "like", "ilike", "search", "match", "fts", "icontains", "endswith"), "__icontains"),
    **dict.fromkeys(("iendswith", "has", "includes"), "__icontains"),
    **dict.fromkeys(("istartswith", "startswith", "prefix", "starts_with", "glob"), "__startswith"),
    **dict.fromkeys(("regex", "iregex", "regexp", "imatch", "similar"), "_regex"),
    **dict.fromkeys(("exact", "iexact", "is", "equals", "eq"), ""),
    **dict.fromkeys(("not", "neq", "ne", "exclude", "not_eq"), "__ne"),
    **dict.fromkeys(("after", "since", "from", "min", "gte", "ge", "start", "range", "above", "year", "date"), "__gte"),
    **dict.fromkeys(("before", "until", "to", "max", "lte", "le", "end", "below"), "__lte"),
    "gt": "__gt",
    "lt": "__lt",
    "in": "__in",
    "any": "__in",
    "isnull": "__isnull",
    "null": "__isnull",
    **dict.fromkeys(("notnull", "isblank", "empty", "exists"), "__isnull"),
}
"""Operators of these services and this API's suffixes. The operator follows `_`, `__` or `.`, or is in brackets."""

_PREFIXES: Final = {"min": "__gte", "max": "__lte", "not": "__ne", "from": "__gte", "to": "__lte"}
_PLURALS: Final = {f"{name}s": name for name in ("ticker", "event_ticker", "series_ticker", "market_ticker", "event")}


def suggestion(unknown: str) -> str | None:
    """Return the parameter that an unknown name most likely means; None if there is none."""
    name = unknown[:MAX_NAME_LENGTH].lower()
    known = {**LISTING_PARAMETERS, **FILTERS}
    if name in known:
        return name
    if meant := NAMES.get(name) or _filter(name):
        return meant
    near = difflib.get_close_matches(unknown[:MAX_NAME_LENGTH], known, 1, cutoff=0.5)
    return near[0] if near else None


def _filter(name: str) -> str | None:
    """Return the filter that is meant by synonyms of a column and of an operator; None if there is none."""
    return next(
        (name for column, operator in _readings(name) if (name := _filter_name(column, operator)) in FILTERS), None
    )


def _readings(name: str) -> list[tuple[str, str]]:
    """Return all splits of a name into a column and a suffix of this API, the longest column first."""
    readings = [(name, "")] if name not in _PLURALS else [(_PLURALS[name], "__in")]
    for mark in reversed(list(re.finditer(r"__|[_.\[]", name))):
        operator = SUFFIXES.get(name[mark.end() :].rstrip("]"))
        if operator is not None:
            readings.append((name[: mark.start()], operator))
    prefix, _, rest = name.partition("_")
    if prefix in _PREFIXES:
        readings.append((rest, _PREFIXES[prefix]))
    return readings


def _filter_name(subject: str, operator: str) -> str:
    column = subject if subject in COLUMNS_BY_NAME else COLUMN_NAMES.get(subject, "")
    return f"{column}{operator}"
