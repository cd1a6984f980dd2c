"""Sort orders of listings."""

from typing import NamedTuple, Self

from kalshi_markets.columns import Column, Kind, Table


class SortOrder(NamedTuple):
    """Sort order of a listing.

    key: the column to ORDER BY.
    null_column: rows where this column is NULL sort last.
    kind: the kind of the key's values.
    table: the table that has the key.
    by_id_only: the key is the column that identifies a row. It is never NULL and needs no tie-breaker.
    """

    key: str
    null_column: str
    kind: Kind
    table: Table
    by_id_only: bool = False

    @classmethod
    def by_column(cls, column: Column, key: str | None = None, *, is_id: bool = False) -> Self:
        """Return the sort order by a column.

        key: a column of the same order that has an index; None: the column itself.
        is_id: the column identifies a row.
        """
        return cls(key or column.name, column.name, column.kind, column.table, is_id)
