"""Suggestions for unknown parameters: by common synonyms first, then by similar spelling."""

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from api.query_string import MAX_NAME_LENGTH

NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("page", "page_token", "next", "next_cursor", "after", "starting_after", "_next"), "cursor"),
    **dict.fromkeys(("skip", "start", "from", "_offset"), "offset"),
    **dict.fromkeys(("per_page", "page_size", "pagesize", "count", "size", "top", "first", "max", "_size"), "limit"),
    **dict.fromkeys(("sort", "sort_by", "sortby", "order", "orderby", "ordering", "_sort", "_sort_desc"), "order_by"),
    **dict.fromkeys(("direction", "sort_order", "sort_dir", "order_dir", "desc", "asc", "reverse"), "order_direction"),
    **dict.fromkeys(("columns", "select", "field", "include", "only", "_col"), "fields"),
    **dict.fromkeys(("total", "with_total", "include_total", "with_count"), "count_total"),
    **dict.fromkeys(("since", "updated_since", "modified_since"), "changed_since"),
    **dict.fromkeys(("_format", "output", "accept", "content_type"), "format"),
}
"""Parameter names of common services (PostgREST, Datasette, Django REST framework, Stripe), and this API's names."""

SEARCH_NAMES: Final = ("q", "query", "text", "keyword", "keywords", "term", "_search", "fulltext", "words")
"""Parameter names of common services for a search by words."""

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
_MIN_SIMILARITY: Final = 0.5


class Synonyms(NamedTuple):
    """Synonyms of a listing's parameters and columns.

    names: parameter names of other services, and this listing's names.
    columns: other names of columns, and the columns that they mean.
    plurals: plurals of the names of columns, and these names.
    """

    names: Mapping[str, str]
    columns: Mapping[str, str]
    plurals: Mapping[str, str]

    def suggest(self, unknown: str, parameters: Collection[str], filters: Collection[str]) -> str | None:
        """Return the parameter that an unknown name most likely means; None if there is none.

        parameters: the listing's parameters that are no filters.
        """
        name, known = unknown[:MAX_NAME_LENGTH].lower(), [*parameters, *filters]
        if name in known:
            return name
        meant = self.names.get(name, name)
        if meant in self.names.values():  # a parameter of listings, which not every listing has
            return meant if meant in known else None
        if filter_name := self._filter(name, filters):
            return filter_name
        near = difflib.get_close_matches(unknown[:MAX_NAME_LENGTH], known, 1, cutoff=_MIN_SIMILARITY)
        return near[0] if near else None

    def _filter(self, name: str, filters: Collection[str]) -> str | None:
        """Return the filter that is meant by synonyms of a column and of an operator; None if there is none."""
        for subject, operator in self._readings(name):
            column = subject if subject in filters else self.columns.get(subject, "")
            if column + operator in filters:
                return column + operator
        return None

    def _readings(self, name: str) -> list[tuple[str, str]]:
        """Return all splits of a name into a column and a suffix of this API, the longest column first."""
        readings = [(name, "")] if name not in self.plurals else [(self.plurals[name], "__in")]
        for mark in reversed(list(re.finditer(r"__|[_.\[]", name))):
            operator = SUFFIXES.get(name[mark.end() :].rstrip("]"))
            if operator is not None:
                readings.append((name[: mark.start()], operator))
        prefix, _, rest = name.partition("_")
        if prefix in _PREFIXES:
            readings.append((rest, _PREFIXES[prefix]))
        return readings
