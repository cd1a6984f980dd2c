"""SQL statements of GET /markets and GET /markets/{ticker}.

A search with filters reads only the tables that the filters and the sort order need, and the rows are then read for the
tickers of the page only. A search without filters also selects the columns of the rows.
"""

import json
from collections.abc import Callable, Collection, Sequence
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import Final

from api.etag import version_sql
from api.formats import Format, output_sql, row_text_sql
from api.listing.filters import Condition
from api.listing.search import Search, Source, Statement
from api.markets.query import Query
from kalshi_markets.columns import Column, Table

_MICROSECONDS_PER_MINUTE: Final = 60_000_000
_MAX_INTERVAL: Final = 10**18
"""Microseconds, more than 30,000 years."""


def page(query: Query, table: str, format_: Format) -> Statement:
    """Return the statement of one page, which Search.page describes."""
    search = _MarketSearch(query, table, with_rows=True)

    def rows_sql(matches: str) -> str:
        if search.includes_rows:
            return f"SELECT {_select_list(query.fields, 'p')} FROM {matches}"
        rows = f"SELECT {_select_list(query.fields)} FROM {_joined(query.fields, table)} OFFSET 0"
        return f"SELECT m.* FROM {matches}, LATERAL ({rows}) AS m"

    return search.page(rows_sql, format_, version_sql(table))


def total(query: Query, table: str, *, estimated: bool) -> Statement:
    """Return the statement that counts all markets that match a query, which Search.total describes."""
    return _MarketSearch(query, table, with_rows=False).total(estimated=estimated)


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


class _MarketSearch(Search):
    """Search for markets.

    with_rows: if there are no filters, also select the columns of the rows.
    """

    query: Query

    def __init__(self, query: Query, table: str, *, with_rows: bool) -> None:
        filtered = query.conditions or query.min_duration_minutes or query.max_duration_minutes
        row_columns = None
        if with_rows and not filtered:
            row_columns = [column for column in query.fields if column.name != "ticker"]
        columns = [*(condition.filter.column for condition in query.conditions), *(row_columns or ())]
        super().__init__(query, _source(table, {column.table for column in columns}, query.order.table), row_columns)

    def further_conditions(self) -> list[str]:
        """Return the conditions of the duration."""
        conditions = []
        duration = f"{self.key_column('close_time')} - {self.key_column('open_time')}"
        for compared, minutes, rounding in (
            (">=", self.query.min_duration_minutes, ceil),
            ("<=", self.query.max_duration_minutes, floor),
        ):
            if minutes is not None:
                bound = self.parameter(_microseconds(minutes, rounding), "interval")
                conditions.append(f"{duration} {compared} {bound}")
        return conditions

    def condition_sql(self, condition: Condition, placeholders: Sequence[str]) -> str:
        """Return the SQL of a filter. placeholders: those of its values."""
        column = condition.filter.column
        if column.name == "close_time" and condition.filter.operator.excludes_null:
            # `recent` is equal to close_time where there is one, and has the index.
            recent = condition.sql.format(*placeholders, column=self.key_column("recent"))
            return f"{recent} AND {self.source.column(column)} IS NOT NULL"
        return super().condition_sql(condition, placeholders)


def _source(table: str, filtered: Collection[Table], sorted_by: Table) -> Source:
    """Return the tables of a search.

    filtered: the tables of the columns that are compared or selected.
    sorted_by: the table that has the sort key.
    """
    tables = {*filtered, sorted_by}
    drive_from_quotes = sorted_by is Table.QUOTES or Table.DETAILS not in tables
    alias = "q" if Table.QUOTES in tables and drive_from_quotes else "t"
    details, quotes = f"{table}_details AS t", f"{table}_quotes AS q"
    if {Table.DETAILS, Table.QUOTES} <= tables:
        aliases = {Table.DETAILS: "t", Table.QUOTES: "q", Table.BOTH: alias}
        return Source(f"{details} JOIN {quotes} ON q.ticker = t.ticker", aliases, alias)
    return Source(quotes if alias == "q" else details, dict.fromkeys(Table, alias), alias)


def _microseconds(minutes: str, rounding: Callable[[Fraction], int]) -> str:
    """Return a duration in microseconds. Stored times have whole microseconds, so rounding the bound is exact."""
    bound = rounding(Fraction(minutes) * _MICROSECONDS_PER_MINUTE)
    return f"{max(-_MAX_INTERVAL, min(bound, _MAX_INTERVAL))} microseconds"
