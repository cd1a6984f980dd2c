"""The markets as a resource that has a listing: its SQL over the details and the quotes.

A search with filters reads only the tables that the filters and the sort order need, and the rows are then read for the
tickers of the page only. A search without filters also selects the columns of the rows.
"""

from collections.abc import Callable, Collection, Sequence
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import Final

from api.errors import ApiError, market_not_found
from api.formats import output_sql
from api.listing.filters import Condition, HasWords
from api.listing.resource import ListedResource
from api.listing.search import Search, Source
from api.markets.query import GRAMMAR, SETTLED, Query, parse_query
from kalshi_markets.columns import MARKETS, Column, Table
from kalshi_markets.database import Database

_MICROSECONDS_PER_MINUTE: Final = 60_000_000
MAX_SORTED: Final = 50_000
"""Maximum number of markets of a series of which all are sorted for a page: a market takes about 1.5 µs."""
_MAX_INTERVAL: Final = 10**18
"""Microseconds, more than 30,000 years."""


class Markets(ListedResource[Query]):
    """The markets."""

    entity = MARKETS
    grammar = GRAMMAR
    row = "market"
    few_fields = "ticker,title"
    table = Table.DETAILS

    def parse_query(self, query_string: bytes, has_words: HasWords) -> Query:
        """Parse the query string of the listing. Raises ApiError, and any error of has_words."""
        return parse_query(query_string, has_words)

    def search(self, query: Query, table: str, *, with_rows: bool) -> Search:
        """Return the search of a query."""
        return MarketSearch(query, table, with_rows=with_rows)

    def refine(self, query: Query, database: Database) -> None:
        """Look up whether the series of the query is small. Raises DatabaseError."""
        series = query.filter_by("series_ticker")
        if series and query.order_by != MARKETS.default_order and query.changed_since is None:
            sql = f"SELECT sum(markets) FROM {database.settings.table}_counts WHERE series_ticker = $1::text"
            [[markets]] = database.query(sql, *series.values)
            # None: not counted yet.
            query.series_is_small = markets is not None and markets <= MAX_SORTED

    def row_sql(self, columns: tuple[Column, ...], table: str, row_id: str) -> str:
        """Return a SELECT of columns of one market. row_id: SQL expression of its ticker."""
        return f"SELECT {_select_list(columns)} FROM {_tables(columns, table, row_id)}"

    def not_found(self) -> ApiError:
        """Return the 404 error for an unknown ticker."""
        return market_not_found()


RESOURCE: Final = Markets()


def _narrowest_filter(query: Query) -> Condition | None:
    """Return the filter by an event, or by a small series in another order than the one that its index has."""
    series = query.filter_by("series_ticker") if query.series_is_small else None
    return query.filter_by("event_ticker") or series


def _within_sql(table: str, column: Column, direction: str) -> tuple[str, str]:
    """Return subqueries of the details and the quotes for the markets of one event or series, $1.

    OFFSET 0 keeps the planner from following the index of another order. Rows that come in the order of their tickers
    seldom replace one another while the first rows by another order are selected.
    """
    tickers = f"SELECT ticker FROM {table}_details WHERE {column.name} = $1::text ORDER BY ticker"
    details = (
        f"(SELECT * FROM {table}_details WHERE {column.name} = $1::text ORDER BY ticker {direction} OFFSET 0) AS t"
    )
    quotes = (
        f"(SELECT * FROM {table}_quotes WHERE ticker = ANY(ARRAY({tickers})) ORDER BY ticker {direction} OFFSET 0) AS q"
    )
    return details, quotes


@lru_cache(maxsize=64)
def _select_list(columns: tuple[Column, ...]) -> str:
    """Return the SELECT list of the columns. The details table has the alias t, the quotes table q."""
    both = "t" if any(column.table is Table.DETAILS for column in columns) else "q"
    alias = {Table.DETAILS: "t", Table.QUOTES: "q", Table.BOTH: both}
    return ", ".join(output_sql(column, alias[column.table]) for column in columns)


@lru_cache(maxsize=64)
def _tables(columns: tuple[Column, ...], table: str, ticker: str) -> str:
    """Return FROM and WHERE of the tables that have the columns, for one market. ticker: SQL expression.

    Both tables compare the ticker with it, not with each other: the planner then expects one row in each.
    """
    tables = {column.table for column in columns}
    details, quotes = f"{table}_details AS t", f"{table}_quotes AS q"
    if Table.DETAILS not in tables:
        return f"{quotes} WHERE q.ticker = {ticker}"
    if Table.QUOTES not in tables:
        return f"{details} WHERE t.ticker = {ticker}"
    return f"{details}, {quotes} WHERE t.ticker = {ticker} AND q.ticker = {ticker}"


class MarketSearch(Search):
    """Search for markets.

    All markets of one event, or of one small series, are read and sorted: the planner would follow the index of a sort
    order, whose first markets may belong to any other series.

    with_rows: if there are no filters, also select the columns of the rows.
    further_tables: tables that have columns which the statement reads, too.
    sampled_percent: part of the blocks of the details that is read; None: all of them.
    """

    query: Query

    def __init__(
        self,
        query: Query,
        table: str,
        *,
        with_rows: bool,
        further_tables: Collection[Table] = (),
        sampled_percent: float | None = None,
    ) -> None:
        self._within = None if sampled_percent is not None else _narrowest_filter(query)
        filtered = query.conditions or query.search or query.min_duration_minutes or query.max_duration_minutes
        row_columns = None
        if with_rows and not filtered:
            row_columns = [column for column in query.fields if column.name != MARKETS.key]
        self.query = query
        columns = [*(condition.filter.column for condition in self.conditions()), *(row_columns or ())]
        tables = {*(column.table for column in columns), *further_tables}
        if query.search or sampled_percent is not None:
            tables.add(Table.DETAILS)
        details, quotes = f"{table}_details AS t", f"{table}_quotes AS q"
        if sampled_percent is not None:
            # With the same seed, equal requests have equal answers.
            details += f" TABLESAMPLE SYSTEM ({sampled_percent}) REPEATABLE (0)"
            # A join by hash would read all quotes.
            quotes = f"LATERAL (SELECT * FROM {table}_quotes WHERE ticker = t.ticker OFFSET 0) AS q"
        if self._within:
            details, quotes = _within_sql(table, self._within.filter.column, "DESC" if query.descending else "ASC")
        source = _source(details, quotes, tables, query.order.table)
        super().__init__(query, source, row_columns, self._within.values if self._within else ())

    def conditions(self) -> Sequence[Condition]:
        """Return the filters that the source does not apply itself."""
        return [condition for condition in self.query.conditions if condition is not self._within]

    def further_conditions(self) -> list[str]:
        """Return the conditions of the duration, and the one of partial indexes of unsettled markets."""
        conditions = []
        duration = f"{self.key_column('close_time')} - {self.key_column('open_time')}"
        for compared, minutes, rounding in (
            (">=", self.query.min_duration_minutes, ceil),
            ("<=", self.query.max_duration_minutes, floor),
        ):
            if minutes is not None:
                bound = self.parameter(_microseconds(minutes, rounding), "interval")
                conditions.append(f"{duration} {compared} {bound}")
        if self.query.order.only_unsettled and self.query.excludes_settled:
            conditions.append(f"{self.key_column('status')} <> '{SETTLED}'")
        return conditions

    def condition_sql(self, condition: Condition, placeholders: Sequence[str]) -> str:
        """Return the SQL of a filter. placeholders: those of its values."""
        column = condition.filter.column
        if column.name == "close_time" and condition.filter.operator.excludes_null:
            # `recent` is equal to close_time where there is one, and has the index.
            recent = condition.sql.format(*placeholders, column=self.key_column("recent"))
            return f"{recent} AND {self.source.column(column)} IS NOT NULL"
        return super().condition_sql(condition, placeholders)


def _source(details: str, quotes: str, filtered: Collection[Table], sorted_by: Table) -> Source:
    """Return the tables of a search.

    details, quotes: SQL of the two tables.
    filtered: the tables of the columns that are compared or selected.
    sorted_by: the table that has the sort key.
    """
    tables = {*filtered, sorted_by}
    drive_from_quotes = sorted_by is Table.QUOTES or Table.DETAILS not in tables
    alias = "q" if Table.QUOTES in tables and drive_from_quotes else "t"
    searched_text = MARKETS.search_expression("t")
    if {Table.DETAILS, Table.QUOTES} <= tables:
        aliases = {Table.DETAILS: "t", Table.QUOTES: "q", Table.BOTH: alias}
        return Source(f"{details} JOIN {quotes} ON q.ticker = t.ticker", aliases, alias, searched_text)
    return Source(quotes if alias == "q" else details, dict.fromkeys(Table, alias), alias, searched_text)


def _microseconds(minutes: str, rounding: Callable[[Fraction], int]) -> str:
    """Return a duration in microseconds. Stored times have whole microseconds, so rounding the bound is exact."""
    bound = rounding(Fraction(minutes) * _MICROSECONDS_PER_MINUTE)
    return f"{max(-_MAX_INTERVAL, min(bound, _MAX_INTERVAL))} microseconds"
