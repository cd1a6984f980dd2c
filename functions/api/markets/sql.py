"""SQL statements of GET /markets. Identifiers come from columns.py; values are always parameters.

In the statement of a page, the CTE `matches` has the tickers of the page and their sort values. With filters, it reads
only the tables that the filters and the sort order need, and the rows are then read for those tickers only. Without
filters, it also selects the columns of the rows.
"""

import json
from collections.abc import Callable, Collection
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import Final

from api.etag import version_sql
from api.formats import Format, output_sql, row_text_sql
from api.listing.cursor import Position
from api.listing.filters import CASTS, Condition
from api.markets.query import Query
from kalshi_markets.columns import SEARCH_EXPRESSION, Column, Kind, Table

Statement = tuple[str, list[object]]

PLANNER_LIMIT_FACTOR: Final = 4
"""Factor of the LIMIT in the branches of a query with filters.

The planner assumes that matching rows are spread evenly over every sort order. If all of them are at the end, a plan
that scans an index in sort order would read the complete table. A larger LIMIT makes that plan less attractive.
"""

_CHECKS: Final = {Kind.STRING: "SELECT '' ~* $1::text", Kind.JSON: "SELECT $1::jsonb"}
_MAX_INTERVAL: Final = 10**18
"""Microseconds, more than 30,000 years."""


def page(query: Query, table: str, format_: Format) -> Statement:
    """Return the statement of one page. It returns one row with four columns.

    1. The rows as text, joined by the format's separator.
    2. The number of rows.
    3. JSON [sort value, ticker] of the last row; NULL if there is no next page.
    4. The JSON of version_sql.
    """
    search = _Search(query, table, with_rows=True)
    limit = search.parameter(query.limit, "bigint")
    matches, first = search.matches_sql(), f"(SELECT * FROM matches LIMIT {limit}) AS p"
    if search.includes_rows:
        rows = f"SELECT {_select_list(query.fields, 'p')} FROM {first}"
    else:
        read = f"SELECT {_select_list(query.fields)} FROM {_joined(query.fields, table)} OFFSET 0"
        rows = f"SELECT m.* FROM {first}, LATERAL ({read}) AS m"
    statement = f"""
        WITH matches AS MATERIALIZED ({matches})
        SELECT coalesce(string_agg({row_text_sql(format_, query.fields)}, '{format_.separator}'), ''), count(*),
               (SELECT json_build_array(l.key::text, l.ticker)::text
                FROM (SELECT * FROM matches OFFSET {limit} - 1) AS l
                WHERE EXISTS (SELECT FROM matches OFFSET {limit}) LIMIT 1),
               ({version_sql(table)})
        FROM ({rows}) AS r"""
    return statement, search.values


def total(query: Query, table: str, *, estimated: bool) -> Statement:
    """Return the statement that counts all markets that match a query.

    It returns one row with the count. estimated: it returns the JSON of EXPLAIN instead.
    """
    search = _Search(query, table, with_rows=False)
    selected = f"FROM {search.source} {search.where()}"
    if estimated:
        return f"EXPLAIN (FORMAT JSON) SELECT {selected}", search.values
    return f"SELECT count(*) {selected}", search.values


def market(ticker: str, columns: tuple[Column, ...], table: str, format_: Format) -> Statement:
    """Return the statement of one market. It returns one row (text, JSON of version_sql), or no row."""
    # Both tables compare the ticker with the parameter, not with each other: the planner then expects one row in each.
    statement = f"""
        SELECT {row_text_sql(format_, columns)}, ({version_sql(table)})
        FROM (SELECT {_select_list(columns)} FROM {table}_details AS t, {table}_quotes AS q
              WHERE t.ticker = $1::text AND q.ticker = $1::text) AS r"""
    return statement, [ticker]


def stored_words(column: Column, candidates: Collection[str], table: str) -> Statement:
    """Return the statement for the candidates that at least one market has in a column. It returns one row for each."""
    statement = f"""
        SELECT w.word FROM json_array_elements_text($1::json) AS w(word)
        WHERE EXISTS (SELECT FROM {table}_details AS t WHERE t.{column.name} = w.word)"""
    return statement, [json.dumps([*candidates])]


def validation_statements(query: Query) -> list[tuple[str, Statement]]:
    """Return (parameter name, statement) for each regular expression and JSON value. It fails for an invalid value."""
    return [
        (condition.filter.name, (_CHECKS[condition.filter.column.kind], [condition.values[0]]))
        for condition in query.conditions
        if condition.values and (condition.filter.is_pattern or condition.filter.column.kind is Kind.JSON)
    ]


@lru_cache(maxsize=64)
def _select_list(columns: tuple[Column, ...], source: str | None = None) -> str:
    """Return the SELECT list of the columns.

    source: the alias of a relation that has all columns. None: the details table has the alias t, the quotes table q.
    """
    both = "t" if any(column.table is Table.DETAILS for column in columns) else "q"
    alias = {Table.DETAILS: "t", Table.QUOTES: "q", Table.BOTH: both}
    return ", ".join(output_sql(column, source or alias[column.table]) for column in columns)


@lru_cache(maxsize=64)
def _joined(columns: tuple[Column, ...], table: str) -> str:
    """Return FROM and WHERE of the tables that have the columns, joined to the tickers of a page p."""
    tables = {column.table for column in columns}
    details, quotes = f"{table}_details AS t", f"{table}_quotes AS q"
    if Table.DETAILS not in tables:
        return f"{quotes} WHERE q.ticker = p.ticker"
    if Table.QUOTES not in tables:
        return f"{details} WHERE t.ticker = p.ticker"
    return f"{details}, {quotes} WHERE t.ticker = p.ticker AND q.ticker = p.ticker"


class _Search:
    """Search subquery: matching tickers in sort order.

    with_rows: if there are no filters, also select the columns of the rows, which saves the join back.
    """

    def __init__(self, query: Query, table: str, *, with_rows: bool) -> None:
        self.values: list[object] = []
        self._query = query
        self._order = query.order
        self._direction, self._comparator = ("DESC", "<") if query.descending else ("ASC", ">")
        filtered = query.conditions or query.min_duration_minutes or query.max_duration_minutes
        self.includes_rows = with_rows and not filtered
        row_columns = [column for column in query.fields if column.name != "ticker"] if self.includes_rows else []
        used = [*(condition.filter.column for condition in query.conditions), *row_columns]
        tables = {column.table for column in used} | {self._order.table}
        drive_from_quotes = self._order.table is Table.QUOTES or Table.DETAILS not in tables
        self._alias = "q" if Table.QUOTES in tables and drive_from_quotes else "t"
        self._row_columns = "".join(f", {self._qualified(column)}" for column in row_columns)
        details, quotes = f"{table}_details AS t", f"{table}_quotes AS q"
        if {Table.DETAILS, Table.QUOTES} <= tables:
            self.source, self._aliases = f"{details} JOIN {quotes} ON q.ticker = t.ticker", "tq"
        else:
            self.source, self._aliases = (quotes if self._alias == "q" else details), self._alias
        self._conditions = self._filters()

    def parameter(self, value: object, cast: str) -> str:
        """Add a parameter and return its placeholder."""
        self.values.append(value)
        return f"${len(self.values)}::{cast}"

    def where(self, *further: str) -> str:
        """Return the WHERE clause, with additional conditions."""
        conditions = [*self._conditions, *further]
        return f"WHERE {' AND '.join(conditions)}" if conditions else ""

    def matches_sql(self) -> str:
        """Return the SELECT of tickers and sort keys: rows with a sort value, then rows where it is NULL.

        It selects one row more than the page, which shows that there is a next page.
        """
        query, position = self._query, self._query.position
        wanted = query.limit + query.offset + 1
        planner_limit = wanted if self.includes_rows else wanted * PLANNER_LIMIT_FACTOR
        branches = []
        if self._order.by_id_only or position is None or position.key is not None:
            branches.append(self._non_null_branch(position, planner_limit))
        if not self._order.by_id_only:
            after = None if position is None or position.key is not None else position
            branches.append(self._null_branch(after, planner_limit))
        rows = " UNION ALL ".join(f"({branch})" for branch in branches)
        offset = f" OFFSET {self.parameter(query.offset, 'bigint')}" if query.offset else ""
        return f"SELECT * FROM ({rows}) AS u{offset} LIMIT {self.parameter(query.limit + 1, 'bigint')}"

    def _non_null_branch(self, after: Position | None, planner_limit: int) -> str:
        order, key, ticker = self._order, self._shared_column(self._order.key), f"{self._alias}.ticker"
        conditions = [] if order.by_id_only else [f"{self._shared_column(order.null_column)} IS NOT NULL"]
        if after and order.by_id_only:
            # The condition is on both tables. The planner does not derive it for the second table from the join, and
            # would scan that table from its end.
            last = self.parameter(after.row_id, "text")
            conditions += [f"{alias}.ticker {self._comparator} {last}" for alias in self._aliases]
        elif after:
            value = self.parameter(after.key, CASTS[order.kind])
            conditions.append(f"({key}, {ticker}) {self._comparator} ({value}, {self.parameter(after.row_id, 'text')})")
        columns = ticker if order.by_id_only else f"{key} {self._direction}, {ticker}"
        return (
            f"SELECT {ticker}, {key} AS key{self._row_columns} FROM {self.source} {self.where(*conditions)}"
            f" ORDER BY {columns} {self._direction} LIMIT {self.parameter(planner_limit, 'bigint')}"
        )

    def _null_branch(self, after: Position | None, planner_limit: int) -> str:
        ticker = f"{self._alias}.ticker"
        conditions = [f"{self._shared_column(self._order.null_column)} IS NULL"]
        if after:
            conditions.append(f"{ticker} {self._comparator} {self.parameter(after.row_id, 'text')}")
        return (
            f"SELECT {ticker}, NULL AS key{self._row_columns} FROM {self.source} {self.where(*conditions)}"
            f" ORDER BY {ticker} {self._direction} LIMIT {self.parameter(planner_limit, 'bigint')}"
        )

    def _filters(self) -> list[str]:
        conditions = [self._filter(condition) for condition in self._query.conditions]
        duration = f"{self._shared_column('close_time')} - {self._shared_column('open_time')}"
        for compared, minutes, rounding in (
            (">=", self._query.min_duration_minutes, ceil),
            ("<=", self._query.max_duration_minutes, floor),
        ):
            if minutes is not None:
                bound = self.parameter(_microseconds(minutes, rounding), "interval")
                conditions.append(f"{duration} {compared} {bound}")
        if self._query.changed_since is not None:
            conditions.append(f"q.change_number > {self.parameter(self._query.changed_since, 'bigint')}")
        return conditions

    def _filter(self, condition: Condition) -> str:
        column = condition.filter.column
        name = self._qualified(column)
        placeholders = [self.parameter(value, condition.cast) for value in condition.values]
        if column.name == "close_time" and condition.filter.operator.excludes_null:
            # `recent` is equal to close_time where there is one, and has the index.
            return f"{condition.sql.format(*placeholders, column=self._shared_column('recent'))} AND {name} IS NOT NULL"
        return condition.sql.format(*placeholders, column=name, searched=SEARCH_EXPRESSION.format(column=name))

    def _qualified(self, column: Column) -> str:
        alias = {Table.DETAILS: "t", Table.QUOTES: "q", Table.BOTH: self._alias}[column.table]
        return f"{alias}.{column.name}"

    def _shared_column(self, name: str) -> str:
        return f"{self._alias}.{name}"


def _microseconds(minutes: str, rounding: Callable[[Fraction], int]) -> str:
    """Return a duration in microseconds. Stored times have whole microseconds, so rounding the bound is exact."""
    bound = rounding(Fraction(minutes) * 60_000_000)
    return f"{max(-_MAX_INTERVAL, min(bound, _MAX_INTERVAL))} microseconds"
