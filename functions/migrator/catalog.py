"""What PostgreSQL's catalog says of the markets table."""

from dataclasses import dataclass

from kalshi_markets.database import Database


class MigrationError(Exception):
    """The database cannot be brought to the newest migration; the message says why in a sentence."""


@dataclass(frozen=True)
class StoredColumn:
    """A column as it stands. sql_type: with its collation, where that is not the type's own."""

    sql_type: str
    not_null: bool
    has_default: bool


def columns_of(database: Database) -> dict[str, StoredColumn]:
    """The table's columns by name; empty when there is no table."""
    rows = database.execute(
        """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod)
                   || CASE WHEN a.attcollation <> t.typcollation THEN format(' COLLATE "%s"', c.collname) ELSE '' END,
               a.attnotnull, a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> ''
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation c ON c.oid = a.attcollation
        WHERE a.attrelid = to_regclass($1::text) AND a.attnum > 0 AND NOT a.attisdropped
        """,
        database.settings.table,
    )
    return {name: StoredColumn(*rest) for name, *rest in rows}


def kind_of_relation(database: Database) -> str | None:
    """pg_class.relkind of what bears the table's name: 'r' for a table; None when nothing does."""
    rows = database.execute(
        "SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1::text)", database.settings.table
    )
    return str(rows[0][0]) if rows else None


def has_unique_ticker(database: Database) -> bool:
    """Whether a unique index holds exactly the ticker, of every row."""
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
