"""SQL statements of listings. Identifiers come from columns.py; values are always parameters.

In the statement of a page, the CTE `matches` has the IDs of the page's rows and their sort values. It may also have the
columns of the rows.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from api.formats import Format, output_sql, row_text_sql
from api.listing.cursor import Position
from api.listing.filters import Condition
from api.listing.query import ListingQuery
from api.listing.text_search import contains
from kalshi_markets.columns import SEARCH_EXPRESSION, Column, Kind, Table

Statement = tuple[str, list[object]]

PLANNER_LIMIT_FACTOR: Final = 4
"""Factor of the LIMIT in the branches of a query with filters.

The planner assumes that matching rows are spread evenly over every sort order. If all of them are at the end, a plan
that scans an index in sort order would read the complete table. A larger LIMIT makes that plan less attractive.
"""

WORDS_LIMIT_FACTOR: Final = 1_000
"""Factor of the LIMIT in the branch of a search of several words.

The planner assumes that words are independent. If two common words never occur together, following a sort order reads
the complete table. The trigram index has the intersection of both.
"""

_VALIDATION_SQL: Final = {Kind.STRING: "SELECT '' ~* $1::text", Kind.JSON: "SELECT $1::jsonb"}
"""SQL that fails for an invalid regular expression (string columns) or JSON value (JSON columns)."""


class Source(NamedTuple):
    """Tables that a search reads.

    sql: the tables, as they follow FROM.
    aliases: the alias of the table that has a column, by Column.table.
    alias: the alias of the table that has the sort key.
    searched_text: the expression that the words of a search are compared with; empty if there is no search.
    """

    sql: str
    aliases: Mapping[Table, str]
    alias: str
    searched_text: str = ""

    def column(self, column: Column) -> str:
        """Return the qualified name of a column."""
        return f"{self.aliases[column.table]}.{column.name}"


class Search:
    """Search of one query: the IDs of the matching rows in sort order.

    row_columns: columns that are also selected, which saves the join back to the tables. None: only the IDs.
    source_values: values of the source's placeholders, $1, …
    """

    def __init__(
        self,
        query: ListingQuery,
        source: Source,
        row_columns: Sequence[Column] | None = None,
        source_values: Sequence[object] = (),
    ) -> None:
        self.values: list[object] = [*source_values]
        self.query = query
        self.source = source
        self.includes_rows = row_columns is not None
        self._id = query.grammar.id_column
        self._order = query.order
        self._key, self._null_key = (sql.format(alias=source.alias) for sql in (self._order.key, self._order.null_key))
        self._direction, self._comparator = ("DESC", "<") if query.descending else ("ASC", ">")
        self._row_columns = "".join(f", {source.column(column)}" for column in row_columns or ())
        self._conditions = self._filters()

    def parameter(self, value: object, cast: str) -> str:
        """Add a parameter and return its placeholder."""
        self.values.append(value)
        return f"${len(self.values)}::{cast}"

    def page(self, row_sql: str, format_: Format, version_sql: str) -> Statement:
        """Return the statement of one page. It returns one row with four columns.

        1. The rows as text, joined by the format's separator.
        2. The number of rows.
        3. JSON [sort value, ID] of the last row; NULL if there is no next page.
        4. The result of version_sql, a SELECT.

        row_sql: a SELECT of the query's fields of the row whose ID is that of p.
        """
        limit = self.parameter(self.query.limit, "bigint")
        matches = f"(SELECT * FROM matches LIMIT {limit}) AS p"
        rows = f"SELECT m.* FROM {matches}, LATERAL ({row_sql} OFFSET 0) AS m"
        if self.includes_rows:
            rows = f"SELECT {', '.join(output_sql(column, 'p') for column in self.query.fields)} FROM {matches}"
        text = row_text_sql(format_, self.query.fields)
        statement = f"""
        WITH matches AS MATERIALIZED ({self._matches_sql()})
        SELECT coalesce(string_agg({text}, '{format_.separator}'), ''), count(*),
               (SELECT json_build_array(l.key::text, l.{self._id})::text
                FROM (SELECT * FROM matches OFFSET {limit} - 1) AS l
                WHERE EXISTS (SELECT FROM matches OFFSET {limit}) LIMIT 1),
               ({version_sql})
        FROM ({rows}) AS r"""
        return statement, self.values

    def total(self, *, estimated: bool) -> Statement:
        """Return the statement that counts all matching rows.

        It returns one row with the count. estimated: it returns the JSON of EXPLAIN instead.
        """
        if estimated:
            return f"EXPLAIN (FORMAT JSON) {self.unordered('')}", self.values
        return self.unordered("count(*)"), self.values

    def unordered(self, selected: str) -> str:
        """Return a SELECT from all matching rows, in no order. selected: the SELECT list."""
        return f"SELECT {selected} FROM {self.source.sql} {self._where()}"

    def conditions(self) -> Sequence[Condition]:
        """Return the filters that the source does not apply itself."""
        return self.query.conditions

    def further_conditions(self) -> list[str]:
        """Return the conditions of parameters that only this listing has."""
        return []

    def condition_sql(self, condition: Condition, placeholders: Sequence[str]) -> str:
        """Return the SQL of a filter. placeholders: those of its values."""
        column = condition.filter.column
        name, alias = self.source.column(column), self.source.aliases[column.table]
        searched = SEARCH_EXPRESSION.format(column=name)
        return condition.sql.format(*placeholders, column=name, alias=alias, searched=searched)

    def key_column(self, name: str) -> str:
        """Return the qualified name of a column that the table of the sort key has."""
        return f"{self.source.alias}.{name}"

    def _filters(self) -> list[str]:
        conditions = [
            self.condition_sql(condition, [self.parameter(value, condition.cast) for value in condition.values])
            for condition in self.conditions()
        ]
        conditions += [self._word_sql(word) for word in self.query.search]
        conditions += self.further_conditions()
        if self.query.changed_since is not None:
            conditions.append(f"{self._key} > {self.parameter(self.query.changed_since, 'bigint')}")
        return conditions

    def _word_sql(self, word: str) -> str:
        """Return the SQL of a word of the search."""
        sql, values = contains(word)
        placeholders = [self.parameter(value, "text") for value in values]
        return sql.format(*placeholders, searched=self.source.searched_text)

    def _where(self, *further: str) -> str:
        conditions = [*self._conditions, *further]
        return f"WHERE {' AND '.join(conditions)}" if conditions else ""

    def _matches_sql(self) -> str:
        """Return the SELECT of IDs and sort keys: rows with a sort value, then rows where it is NULL.

        It selects one row more than the page, which shows that there is a next page.
        """
        query, position = self.query, self.query.position
        wanted = query.limit + query.offset + 1
        factor = WORDS_LIMIT_FACTOR if len(query.search) > 1 else PLANNER_LIMIT_FACTOR
        planner_limit = wanted if self.includes_rows else wanted * factor
        branches = []
        if self._order.by_id_only or position is None or position.key is not None:
            branch = self._non_null_branch(position, planner_limit)
            # Outside of a CTE the planner applies the page's own LIMIT to the branch, too.
            is_limited = len(query.search) <= 1
            branches.append(branch if is_limited else f"WITH s AS MATERIALIZED ({branch}) SELECT * FROM s")
        if not self._order.by_id_only:
            after = None if position is None or position.key is not None else position
            branches.append(self._null_branch(after, planner_limit))
        rows = " UNION ALL ".join(f"({branch})" for branch in branches)
        offset = f" OFFSET {self.parameter(query.offset, 'bigint')}" if query.offset else ""
        return f"SELECT * FROM ({rows}) AS u{offset} LIMIT {self.parameter(query.limit + 1, 'bigint')}"

    def _non_null_branch(self, after: Position | None, planner_limit: int) -> str:
        order, key, row_id = self._order, self._key, self.key_column(self._id)
        conditions = [] if order.by_id_only else [f"{self._null_key} IS NOT NULL"]
        if after and order.by_id_only:
            # The condition is on all tables. The planner does not derive it for the others from the join, and would
            # scan those from their end.
            last = self.parameter(after.row_id, "text")
            aliases = dict.fromkeys(self.source.aliases.values())
            conditions += [f"{alias}.{self._id} {self._comparator} {last}" for alias in aliases]
        elif after:
            value = self.parameter(after.key, order.cast)
            last = self.parameter(after.row_id, "text")
            conditions.append(f"({key}, {row_id}) {self._comparator} ({value}, {last})")
        columns = row_id if order.by_id_only else f"{key} {self._direction}, {row_id}"
        return (
            f"SELECT {row_id}, {key} AS key{self._row_columns} FROM {self.source.sql} {self._where(*conditions)}"
            f" ORDER BY {columns} {self._direction} LIMIT {self.parameter(planner_limit, 'bigint')}"
        )

    def _null_branch(self, after: Position | None, planner_limit: int) -> str:
        row_id = self.key_column(self._id)
        conditions = [f"{self._null_key} IS NULL"]
        if after:
            conditions.append(f"{row_id} {self._comparator} {self.parameter(after.row_id, 'text')}")
        return (
            f"SELECT {row_id}, NULL AS key{self._row_columns} FROM {self.source.sql} {self._where(*conditions)}"
            f" ORDER BY {row_id} {self._direction} LIMIT {self.parameter(planner_limit, 'bigint')}"
        )


def planned_rows(explained: Any) -> int:
    """Return the number of rows that the planner expects. explained: the result of Search.total, estimated."""
    plan = json.loads(explained) if isinstance(explained, str) else explained
    return int(plan[0]["Plan"]["Plan Rows"])


def validation_statements(query: ListingQuery) -> list[tuple[str, Statement]]:
    """Return a statement for each regular expression and JSON value of a query, with the name of its parameter.

    PostgreSQL rejects the statement if the value is invalid.
    """
    return [
        (condition.filter.name, (_VALIDATION_SQL[condition.filter.column.kind], [condition.values[0]]))
        for condition in query.conditions
        # A condition on NULL has no values.
        if condition.values and (condition.filter.is_pattern or condition.filter.column.kind is Kind.JSON)
    ]
