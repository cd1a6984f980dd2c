"""The indexes of the markets: which there are and what each is for. Built without locking a live table.

What they cost and what was tried beside them: docs/decisions.md. Every changed quote pays for each index of the quotes;
those of the terms cost a changed quote nothing.
"""

import time
from dataclasses import dataclass
from typing import Final

from kalshi_markets.columns import COLUMNS, SEARCHED, Part
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
    definition = f"USING gin (({SEARCHED.format(column=column)}) gin_trgm_ops)"
    serves = f"`{column}_regex`, `{column}__icontains`" + ("" if column == "ticker" else f", `{column}=`")
    return Index(Part.TERMS, f"{column}_words", definition, serves)


def _present(part: Part, column: str) -> Index:
    """For a column that few rows have, or that is compared with in ranges."""
    return Index(part, column, f"({column}) WHERE {column} IS NOT NULL", f"filters by `{column}`")


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
    # A market that is traded is in neither: its changes do not pay for them.
    *(_present(Part.QUOTES, name) for name in ("settlement_ts", "gone_at")),
    # With the title and the times in it, common words and durations are looked for without reading the table.
    Index(
        Part.TERMS,
        "recent",
        "(recent, ticker) INCLUDE (open_time, close_time, title)",
        "`order_by=recent` and `close_time`, durations, common words in titles",
    ),
    Index(Part.TERMS, "open_time", "(open_time, ticker)", "`order_by=open_time`, comparisons of `open_time`"),
    Index(Part.TERMS, "duration", "((close_time - open_time))", "`min_duration_minutes`, `max_duration_minutes`"),
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
    *(_present(Part.TERMS, name) for name in ("settlement_ts", "created_time", "updated_time")),
    *(_present(Part.TERMS, name) for name in ("occurrence_datetime", "expected_expiration_time")),
    *(_present(Part.TERMS, name) for name in ("latest_expiration_time", "fee_waiver_expiration_time")),
    *(_present(Part.TERMS, name) for name in ("floor_strike", "cap_strike", "functional_strike")),
    _present(Part.TERMS, "settlement_floor_dollars"),
    *(_present(Part.TERMS, name) for name in ("mve_collection_ticker", "is_provisional")),
    *(_words(column.name) for column in COLUMNS if column.words),
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
    # It takes twenty times as long, which an empty table need not wait for.
    concurrently = {
        part: "CONCURRENTLY" if database.execute(f"SELECT FROM {table}_{part} LIMIT 1") else ""
        for part in (Part.TERMS, Part.QUOTES)
    }
    built = []
    for index in INDEXES:
        name = name_of(index, table)
        if found.get(name):
            continue
        if name in found:
            database.execute(f"DROP INDEX CONCURRENTLY {name}")
        unique = "UNIQUE" if index.unique else ""
        database.execute(
            f"CREATE {unique} INDEX {concurrently[index.part]} {name} ON {table}_{index.part} {index.definition}"
        )
        built.append(name)
    if built:
        database.script(f"ANALYZE {table}_{Part.TERMS}, {table}_{Part.QUOTES}")
    database.execute("SELECT pg_advisory_unlock(hashtext($1::text))", f"{table}_indexes")
    return built


def name_of(index: Index, table: str) -> str:
    """The index's name in the database: 63 characters are the most that PostgreSQL keeps."""
    return f"{table}_{index.part[0]}_{index.name}"[:63]
