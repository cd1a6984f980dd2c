"""Numbers of markets by the values of columns. There are four sources, and the first that applies is used.

1. Without filters: the numbers by value that the crawler maintains.
2. With filters on counted columns only: the numbers by all of these columns that the crawler maintains.
3. Up to MAX_EXACT matches: the matches themselves.
4. Otherwise a sample of the table's blocks. A number is None unless its own error is small.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from api.listing.search import Search, Source, planned_rows
from api.markets.facet_query import FacetQuery
from api.markets.sql import MarketSearch
from kalshi_markets.columns import COLUMNS_BY_NAME, FACETS, Table
from kalshi_markets.database import Database, Row, StatementTimeout

_COUNTED_COLUMNS: Final = frozenset({*FACETS, "categories"})
"""Columns of the maintained counts."""
MAX_EXACT: Final = 50_000
"""Maximum number of matches that are counted one by one."""
SAMPLED_ROWS: Final = 60_000
"""Expected number of rows of a sample."""
MAX_ERROR: Final = 0.09
"""Maximum error of an estimate, as a fraction of it: less than a tenth of the true number."""
STANDARD_ERRORS: Final = 5
"""Number of standard errors that MAX_ERROR must contain: a larger error has a chance of under one in a million."""


class Count(NamedTuple):
    """Number of matching markets that have a value; None if the sample is too small for an estimate."""

    value: str | None
    markets: int | None


@dataclass(frozen=True)
class Facets:
    """Numbers of the matching markets.

    values: the largest numbers of each facet, one more than requested if there are more; None if a time limit passed.
    count: the number of all matches; None if it could not be estimated.
    is_counted: the numbers are those that the crawler maintains.
    """

    values: Mapping[str, Sequence[Count]] | None
    count: int | None
    is_estimated: bool = False
    is_counted: bool = False


class FacetCounter:
    """Counter of the facets of one query. Methods raise DatabaseError.

    statement_timeout_ms: the time limit of all statements together.
    """

    def __init__(self, database: Database, query: FacetQuery, statement_timeout_ms: int) -> None:
        self._database = database
        self._query = query
        self._table = database.settings.table
        self._timeout_ms = statement_timeout_ms // 2

    def read(self, *, has_counts: bool) -> Facets:
        """Return the facets. has_counts: the crawler has counted the markets."""
        query = self._query
        is_narrowed = query.search or query.min_duration_minutes or query.max_duration_minutes
        if has_counts and not is_narrowed and not query.conditions:
            return self._maintained_by_value()
        columns = {condition.filter.column.name for condition in query.conditions}
        if has_counts and not is_narrowed and columns <= _COUNTED_COLUMNS:
            return self._maintained_by_all_columns()
        try:
            return self._exact() or self._estimated()
        except StatementTimeout:
            return Facets(None, None, is_estimated=True)

    def _maintained_by_value(self) -> Facets:
        table = f"{self._table}_facets"
        branches = [
            f"(SELECT facet, value, markets FROM {table} WHERE facet = '{name}'"
            f" ORDER BY facet, markets DESC, value LIMIT {self._limit})"
            for name in self._query.facet
        ]
        # Every market has one status, or none, which is a value too.
        total = f"SELECT NULL, NULL, coalesce(sum(markets), 0)::bigint FROM {table} WHERE facet = '{FACETS[0]}'"
        return self._facets(self._database.query(" UNION ALL ".join([f"({total})", *branches])), is_counted=True)

    def _maintained_by_all_columns(self) -> Facets:
        alias = "c"
        search = Search(self._query, Source(f"{self._table}_counts AS {alias}", dict.fromkeys(Table, alias), alias))
        matches = search.unordered(", ".join(f"{alias}.{name}" for name in [*self._query.facet, "markets"]))
        statement = f"""
            WITH matches AS MATERIALIZED ({matches})
            SELECT NULL AS facet, NULL AS value, coalesce(sum(markets), 0)::bigint AS markets FROM matches
            UNION ALL {self._by_value("matches", "sum(markets)::bigint")}"""
        return self._facets(self._database.query(statement, *search.values), is_counted=True)

    def _exact(self) -> Facets | None:
        """Return the numbers of all matches; None if there are more than MAX_EXACT, or probably twice as many."""
        search = self._search()
        explained, values = search.total(estimated=True)
        [[plan]] = self._database.query(explained, *values)
        if planned_rows(plan) > 2 * MAX_EXACT:
            return None
        matches = search.unordered(self._selected(search))
        limit = search.parameter(MAX_EXACT, "bigint")
        statement = f"""
            WITH matches AS MATERIALIZED ({matches} LIMIT {limit} + 1),
            number AS MATERIALIZED (SELECT count(*) AS markets FROM matches),
            counted AS (SELECT * FROM matches WHERE (SELECT markets FROM number) <= {limit})
            SELECT NULL AS facet, NULL AS value, markets FROM number
            UNION ALL {self._by_value("counted", "count(*)")}"""
        facets = self._facets(self._limited(statement, search.values))
        return facets if facets.count is None or facets.count <= MAX_EXACT else None

    def _estimated(self) -> Facets:
        """Return the numbers that a sample permits to estimate.

        Each block of the table is in the sample with the same probability. The estimate and its variance are those of
        Horvitz and Thompson for independent inclusions: the blocks' numbers, and the squares of the blocks' numbers.
        """
        [[rows]] = self._database.query(
            "SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = to_regclass($1::text)", f"{self._table}_details"
        )
        fraction = min(1.0, SAMPLED_ROWS / rows) if rows else 1.0
        search = self._search(sampled_percent=100 * fraction)
        matches = search.unordered(f"{self._selected(search)}, (t.ctid::text::point)[0] AS block")
        sums = "sum(markets)::bigint AS markets, sum(markets * markets)::bigint AS squares"
        branches = [
            f"(SELECT '{name}' AS facet, value, {sums}"
            f" FROM (SELECT {name} AS value, block, count(*) AS markets FROM matches GROUP BY 1, 2) AS b"
            f" GROUP BY value ORDER BY markets DESC, value LIMIT {self._limit})"
            for name in self._query.facet
        ]
        total = f"SELECT NULL, NULL, {sums} FROM (SELECT count(*) AS markets FROM matches GROUP BY block) AS b"
        statement = f"WITH matches AS MATERIALIZED ({matches}) {' UNION ALL '.join([f'({total})', *branches])}"
        estimates = [
            [facet, value, _estimate(markets or 0, squares or 0, fraction)]
            for facet, value, markets, squares in self._limited(statement, search.values)
        ]
        return self._facets(estimates, is_estimated=True)

    def _search(self, sampled_percent: float | None = None) -> MarketSearch:
        tables = {COLUMNS_BY_NAME[name].table for name in self._query.facet}
        return MarketSearch(
            self._query, self._table, with_rows=False, further_tables=tables, sampled_percent=sampled_percent
        )

    def _selected(self, search: MarketSearch) -> str:
        return ", ".join(search.source.column(COLUMNS_BY_NAME[name]) for name in self._query.facet)

    def _by_value(self, source: str, number: str) -> str:
        """Return the SELECT of the largest numbers of each facet. number: the aggregate."""
        return " UNION ALL ".join(
            f"(SELECT '{name}', {name}, {number} AS markets FROM {source}"
            f" GROUP BY {name} ORDER BY markets DESC, {name} LIMIT {self._limit})"
            for name in self._query.facet
        )

    @property
    def _limit(self) -> int:
        return self._query.limit + 1

    def _limited(self, statement: str, values: Sequence[object]) -> list[Row]:
        """Return the rows of a statement with half of the time limit. Raises StatementTimeout."""
        with self._database.transaction():
            self._database.execute("SELECT set_config('statement_timeout', $1::text, true)", str(self._timeout_ms))
            return self._database.execute(statement, *values)

    def _facets(self, rows: Sequence[Row], **how: bool) -> Facets:
        """Return the facets of rows (facet, value, number). The row without a facet has the number of all matches."""
        values: dict[str, list[Count]] = {name: [] for name in self._query.facet}
        count = None
        for facet, value, markets in rows:
            if facet is None:
                count = markets
            else:
                values[facet].append(Count(value, markets))
        return Facets(values, count, **how)


def _estimate(markets: int, squares: int, fraction: float) -> int | None:
    """Return the estimated number of markets; None if its error may exceed MAX_ERROR.

    markets: number of matching markets in the sample. squares: sum of the squares of the numbers of its blocks.
    fraction: the probability that a block is in the sample.
    """
    if fraction < 1 and STANDARD_ERRORS * math.sqrt((1 - fraction) * squares) >= MAX_ERROR * markets:
        return None
    return round(markets / fraction)
