"""Resources with one row for each row of a table. Their grammar and their SQL are derived from the columns."""

from collections.abc import Collection
from typing import Final

from api.etag import version_sql
from api.formats import output_sql
from api.listing.filters import HasWords, make_filters
from api.listing.parameters import output_parameters, page_parameters, sort_parameters
from api.listing.query import Grammar, ListingQuery, parse_listing
from api.listing.resource import ListedResource
from api.listing.search import Search, Source
from api.listing.search_words import search_parameter
from api.listing.sorting import SortOrder
from api.listing.suggestions import Synonyms
from kalshi_markets.columns import Column, Entity, Table

_ALIAS: Final = "e"


def make_grammar(entity: Entity, synonyms: Synonyms, fields_example: str) -> Grammar:
    """Return the grammar of a listing that has no parameters of its own. fields_example: an example of `fields`."""
    first = entity.by_name[entity.default_order]
    orderable = dict.fromkeys([first, *(column for column in entity.columns if column.orderable)])
    orders = {column.name: SortOrder.by_column(column, is_id=column.name == entity.key) for column in orderable}
    parameters = [
        *page_parameters(entity.name),
        *sort_parameters(entity.name, entity.key, orders, "a column"),
        *([search_parameter(entity.name, entity.searched)] if entity.searched else []),
        *output_parameters(entity.name, entity.columns, entity.default_columns, fields_example),
    ]
    return Grammar(
        entity.key,
        {parameter.name: parameter for parameter in parameters},
        make_filters(entity.columns, entity.name, {}),
        orders,
        SortOrder.by_column(entity.by_name["change_number"]),
        entity.default_columns,
        synonyms,
    )


class TableResource(ListedResource[ListingQuery]):
    """Resource with one row for each row of a table. Columns of other tables are looked up by the key."""

    def parse_query(self, query_string: bytes, has_words: HasWords) -> ListingQuery:
        """Parse the query string of the listing. Raises ApiError, and any error of has_words."""
        return parse_listing(ListingQuery(self.grammar), query_string, has_words)

    def search(self, query: ListingQuery, table: str, *, with_rows: bool) -> Search:
        """Return the search of a query."""
        columns = [column for column in query.fields if column.name != self.entity.key]
        includes_rows = with_rows and not (query.conditions or query.search or self._looks_up(columns))
        source = Source(
            f"{table}_{self.table} AS {_ALIAS}",
            dict.fromkeys(Table, _ALIAS),
            _ALIAS,
            self.entity.search_expression(_ALIAS) if self.entity.searched else "",
        )
        return Search(query, source, columns if includes_rows else None)

    def row_sql(self, columns: tuple[Column, ...], table: str, row_id: str) -> str:
        """Return a SELECT of columns of one row. row_id: SQL expression of its ID."""
        key = self.entity.key
        selected = [
            output_sql(column, _ALIAS)
            if column.table is self.table
            else f"(SELECT {column.name} FROM {table}_{column.table} WHERE {key} = {_ALIAS}.{key}) AS {column.name}"
            for column in columns
        ]
        return f"SELECT {', '.join(selected)} FROM {table}_{self.table} AS {_ALIAS} WHERE {_ALIAS}.{key} = {row_id}"

    def version_sql(self, table: str, columns: Collection[Column]) -> str:
        """Return a SELECT of the JSON of the TableVersion of a response with these columns."""
        return version_sql(table, f"{table}_{self.table}", counts=self._looks_up(columns))

    def _looks_up(self, columns: Collection[Column]) -> bool:
        return any(column.table is not self.table for column in columns)
