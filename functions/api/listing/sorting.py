"""Sort orders of listings."""

from collections.abc import Callable
from typing import Final, NamedTuple, Self

from api import value_parsers
from kalshi_markets.columns import Column, Kind, Table

CASTS: Final = {
    Kind.STRING: "text",
    Kind.NUMBER: "numeric",
    Kind.TIME: "timestamptz",
    Kind.BOOLEAN: "boolean",
    Kind.JSON: "jsonb",
}
"""SQL type that a value of each kind is cast to."""


class SortOrder(NamedTuple):
    """Sort order of a listing.

    key: SQL expression to ORDER BY. {alias} is the alias of the table that has its columns.
    null_key: SQL expression, likewise. Rows where it is NULL sort last.
    table: the table that has the columns of the key.
    cast: SQL type of the key.
    parse: parser of the text of a key, as in a cursor. Raises ValueError.
    direction: default direction.
    by_id_only: the key is the column that identifies a row. It is never NULL and needs no tie-breaker.
    only_unsettled: the index of the key contains only unsettled markets.
    """

    key: str
    null_key: str
    table: Table
    cast: str
    parse: Callable[[str], value_parsers.SqlValue]
    direction: str = "desc"
    by_id_only: bool = False
    only_unsettled: bool = False

    @classmethod
    def by_column(
        cls, column: Column, key: str | None = None, *, is_id: bool = False, only_unsettled: bool = False
    ) -> Self:
        """Return the sort order by a column.

        key: the name of a column of the same order that has an index; None: the column itself.
        is_id: the column identifies a row.
        """
        return cls(
            f"{{alias}}.{key or column.name}",
            f"{{alias}}.{column.name}",
            column.table,
            CASTS[column.kind],
            value_parsers.PARSERS[column.kind],
            by_id_only=is_id,
            only_unsettled=only_unsettled,
        )
