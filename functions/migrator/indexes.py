"""The indexes of the markets: which there are and what each is for. Built without locking a live table.

What they cost and what was tried beside them: docs/decisions.md. Every changed quote pays for each index of the quotes;
those of the terms cost a changed quote nothing.
"""

import time
from dataclasses import dataclass
from typing import Final

from kalshi_markets.columns import Part
from kalshi_markets.database import Database

_LOCK_ATTEMPT_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Index:
    """One index of a part. name: after the table's; definition: what follows ON table; serves: for people."""

    part: Part
    name: str
    definition: str
    serves: str
    unique: bool = False


def _words(column: str) -> Index:
    # Letters have cases by the database's own rules only; the column itself compares by code point.
    definition = f'USING gin (({column} COLLATE "default") gin_trgm_ops)'
    return Index(Part.TERMS, f"{column}_words", definition, f"`{column}_regex`, `{column}__icontains`")


def _time(column: str) -> Index:
    definition = f"({column}) WHERE {column} IS NOT NULL"
    return Index(Part.TERMS, column, definition, f"comparisons of `{column}`")


INDEXES: Final = (
    Index(Part.QUOTES, "change", "(change_number)", "`changed_since`", unique=True),
    Index(Part.QUOTES, "recent", "(recent, ticker)", "`order_by=recent` and `close_time` with filters of quotes"),
    Index(Part.QUOTES, "volume", "(volume, ticker)", "`order_by=volume`, comparisons of `volume`"),
    Index(Part.QUOTES, "liquidity", "(liquidity, ticker)", "`order_by=liquidity`, comparisons of `liquidity`"),
    Index(Part.QUOTES, "interest", "(open_interest, ticker)", "`order_by=open_interest`, comparisons of it"),
    Index(
        Part.QUOTES,
        "status",
        "(status, volume, ticker) WHERE status <> 'finalized'",
        "`status` of what is not settled with the orders of quotes",
    ),
    # With the title in it, a common word is looked for without reading the table.
    Index(
        Part.TERMS,
        "recent",
        "(recent, ticker) INCLUDE (title)",
        "`order_by=recent` and `close_time`, common words in titles",
    ),
    Index(Part.TERMS, "open_time", "(open_time, ticker)", "`order_by=open_time`, comparisons of `open_time`"),
    Index(
        Part.TERMS,
        "settlement_value",
        "(settlement_value, ticker) WHERE settlement_value IS NOT NULL",
        "`order_by=settlement_value`, comparisons of it",
    ),
    Index(
        Part.TERMS,
        "settled",
        "(recent, ticker) WHERE settlement_value IS NOT NULL",
        "`settlement_value` with `order_by=recent`",
    ),
    Index(Part.TERMS, "event", "(event_ticker, recent)", "`event_ticker`"),
    Index(Part.TERMS, "series", "(series_ticker, recent)", "`series_ticker`"),
    Index(Part.TERMS, "category", "(category, recent)", "`category`"),
    Index(Part.TERMS, "status", "(status, recent)", "`status`"),
    Index(Part.TERMS, "result", "(result, recent)", "`result`"),
    Index(Part.TERMS, "strike_type", "(strike_type, recent)", "`strike_type`"),
    *(_time(name) for name in ("settlement_ts", "created_time", "updated_time", "occurrence_datetime")),
    *(_time(name) for name in ("expected_expiration_time", "latest_expiration_time")),
    *(_words(name) for name in ("ticker", "event_ticker", "series_ticker", "title", "subtitle", "rules_primary")),
)


def build(database: Database) -> list[str]:
    """Makes the indexes that are missing, one by one and each without locking its table. Returns their names.

    One whose making was interrupted is made anew. Raises DatabaseError; what was made by then stays.
    """
    table = database.settings.table
    # Not waited for inside a statement: making an index waits for all that run.
    while not database.execute("SELECT pg_try_advisory_lock(hashtext($1::text))", f"{table}_indexes")[0][0]:
        time.sleep(_LOCK_ATTEMPT_SECONDS)
    found = dict(
        database.execute(
            "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE i.indrelid IN (to_regclass($1::text), to_regclass($2::text))",
            f"{table}_{Part.TERMS}",
            f"{table}_{Part.QUOTES}",
        )
    )
    built = []
    for index in INDEXES:
        name = name_of(index, table)
        if found.get(name):
            continue
        if name in found:
            database.execute(f"DROP INDEX CONCURRENTLY {name}")
        unique = "UNIQUE" if index.unique else ""
        database.execute(f"CREATE {unique} INDEX CONCURRENTLY {name} ON {table}_{index.part} {index.definition}")
        built.append(name)
    if built:
        database.script(f"ANALYZE {table}_{Part.TERMS}, {table}_{Part.QUOTES}")
    database.execute("SELECT pg_advisory_unlock(hashtext($1::text))", f"{table}_indexes")
    return built


def name_of(index: Index, table: str) -> str:
    """The index's name in the database: 63 characters are the most that PostgreSQL keeps."""
    return f"{table}_{index.part[0]}_{index.name}"[:63]
