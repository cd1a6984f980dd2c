"""Resources that have a listing, and the statements that differ between them."""

import json
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import ClassVar, Generic

from api.errors import ApiError
from api.etag import version_sql
from api.formats import Format, row_text_sql
from api.listing.filters import HasWords
from api.listing.query import AnyQuery, Grammar
from api.listing.search import Search, Statement
from kalshi_markets.columns import Column, Entity, Table
from kalshi_markets.database import Database


class ListedResource(ABC, Generic[AnyQuery]):
    """Resource that has a listing: its columns, its grammar and its statements.

    row: noun for one row, such as "market".
    few_fields: a value of `fields` with a small response.
    table: table of the rows; it has the columns with allowed values.
    """

    entity: ClassVar[Entity]
    grammar: ClassVar[Grammar]
    row: ClassVar[str]
    few_fields: ClassVar[str]
    table: ClassVar[Table]

    @abstractmethod
    def parse_query(self, query_string: bytes, has_words: HasWords) -> AnyQuery:
        """Parse the query string of the listing.

        has_words: returns the subset of undocumented words that are stored in a column.
        Raises ApiError, a 422 that lists up to MAX_PROBLEMS invalid parameters, and any error of has_words.
        """

    @abstractmethod
    def search(self, query: AnyQuery, table: str, *, with_rows: bool) -> Search:
        """Return the search of a query.

        with_rows: if there are no filters, also select the columns of the rows.
        """

    @abstractmethod
    def row_sql(self, columns: tuple[Column, ...], table: str, row_id: str) -> str:
        """Return a SELECT of columns of one row. row_id: SQL expression of its ID."""

    @abstractmethod
    def not_found(self) -> ApiError:
        """Return the 404 error for an ID that no row has."""

    def refine(self, query: AnyQuery, database: Database) -> None:  # most resources need nothing
        """Look up what the best statement of a query depends on. Raises DatabaseError."""

    def version_sql(self, table: str, columns: Collection[Column]) -> str:  # noqa: ARG002
        """Return a SELECT of the JSON of the TableVersion of a response with these columns."""
        return version_sql(table)

    def page(self, query: AnyQuery, table: str, format_: Format) -> Statement:
        """Return the statement of one page, which Search.page describes."""
        row_sql = self.row_sql(query.fields, table, f"p.{self.entity.key}")
        search = self.search(query, table, with_rows=True)
        return search.page(row_sql, format_, self.version_sql(table, query.fields))

    def total(self, query: AnyQuery, table: str, *, estimated: bool) -> Statement:
        """Return the statement that counts all rows that match a query, which Search.total describes."""
        return self.search(query, table, with_rows=False).total(estimated=estimated)

    def single(self, row_id: str, columns: tuple[Column, ...], table: str, format_: Format) -> Statement:
        """Return the statement of one row. It returns one row (text, JSON of version_sql), or no row."""
        version = self.version_sql(table, columns)
        text = row_text_sql(format_, columns)
        return f"SELECT {text}, ({version}) FROM ({self.row_sql(columns, table, '$1::text')}) AS r", [row_id]

    def stored_words(self, column: Column, candidates: Collection[str], table: str) -> Statement:
        """Return the statement for the candidates that at least one row has in a column. One row for each."""
        statement = f"""
        SELECT w.word FROM json_array_elements_text($1::json) AS w(word)
        WHERE EXISTS (SELECT FROM {table}_{self.table} AS t WHERE t.{column.name} = w.word)"""
        return statement, [json.dumps([*candidates])]
