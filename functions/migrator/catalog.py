"""Queries of PostgreSQL's catalog about the markets table."""

from dataclasses import dataclass

from kalshi_markets.database import Database


class MigrationError(Exception):
    """Database that cannot be migrated. The message is a sentence with the reason."""


@dataclass(frozen=True)
class StoredColumn:
    """Column in the database. sql_type: type, with its collation if that is not the type's default."""

    sql_type: str
    not_null: bool
    has_default: bool


def columns_of(database: Database, suffix: str = "") -> dict[str, StoredColumn]:
    """Return the columns of the markets table, by name. The result is empty if there is no table.

    suffix: suffix of another table's name.
    """
    rows = database.execute(
        """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod)
                   || CASE WHEN a.attcollation <> t.typcollation THEN format(' COLLATE "%s"', c.collname) ELSE '' END,
               a.attnotnull, a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> ''
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation c ON c.oid = a.attcollation
        WHERE a.attrelid = to_regclass($1::text) AND a.attnum > 0 AND NOT a.attisdropped
        """,
        f"{database.settings.table}{suffix}",
    )
    return {name: StoredColumn(*rest) for name, *rest in rows}


def kind_of_relation(database: Database) -> str | None:
    """Return pg_class.relkind of the relation with the table's name ('r': table), or None if there is none."""
    rows = database.execute(
        "SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1::text)", database.settings.table
    )
    return str(rows[0][0]) if rows else None


def has_unique_ticker(database: Database) -> bool:
    """Return whether a unique index, not a partial one, has the ticker as its only column."""
    [[is_unique]] = database.execute(
        """
        SELECT EXISTS (
            SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = to_regclass($1::text) AND i.indisunique AND i.indnatts = 1 AND i.indpred IS NULL
              AND a.attname = 'ticker')
        """,
        database.settings.table,
    )
    return bool(is_unique)
