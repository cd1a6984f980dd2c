"""Indexes of markets, events and series, each with its purpose. They are built without locking a live table.

docs/decisions.md has their costs and the alternatives. A changed quote updates every index of the quotes, and no index
of the details.
"""

import json
import time
from dataclasses import dataclass
from typing import Final

from kalshi_markets.columns import MARKETS, SEARCH_EXPRESSION, Entity, Table
from kalshi_markets.database import Database
from kalshi_markets.event_columns import EVENTS

_LOCK_ATTEMPT_SECONDS: Final = 0.1
_TABLES: Final = (Table.DETAILS, Table.QUOTES, Table.EVENTS, Table.SERIES)


@dataclass(frozen=True)
class Index:
    """Index of a table.

    name: suffix after the table's name.
    definition: SQL after `ON table`.
    serves: purpose, for the documentation.
    """

    table: Table
    name: str
    definition: str
    serves: str
    unique: bool = False


def _trigram(table: Table, column: str, key: str) -> Index:
    """Return the index of the text filters on a column. key: the column that identifies a row."""
    serves = f"`{column}_regex`, `{column}__icontains`" + ("" if column == key else f", `{column}=`")
    return Index(table, f"{column}_trgm", _trigram_of(SEARCH_EXPRESSION.format(column=column)), serves)


def _search(table: Table, entity: Entity) -> Index:
    return Index(table, "search", _trigram_of(entity.search_expression()), "`search=`")


def _trigram_of(expression: str) -> str:
    return f"USING gin (({expression}) gin_trgm_ops)"


def _categories(table: Table) -> Index:
    return Index(
        table, "categories", "USING gin (categories) WHERE categories IS NOT NULL", "`category=`: secondary categories"
    )


def _partial(table: Table, column: str) -> Index:
    """Return a partial index of a column that few rows have, or that is filtered by ranges."""
    return Index(table, column, f"({column}) WHERE {column} IS NOT NULL", f"filters by `{column}`")


INDEXES: Final = (
    Index(Table.QUOTES, "change", "(change_number)", "`changed_since`", unique=True),
    Index(Table.QUOTES, "recent", "(recent, ticker)", "`order_by=recent` and `close_time` with filters of quotes"),
    Index(Table.QUOTES, "volume", "(volume, ticker)", "`order_by=volume`, comparisons of `volume`"),
    Index(Table.QUOTES, "liquidity", "(liquidity, ticker)", "`order_by=liquidity`, comparisons of `liquidity`"),
    Index(Table.QUOTES, "interest", "(open_interest, ticker)", "`order_by=open_interest`, comparisons of it"),
    Index(
        Table.QUOTES,
        "status",
        "(status, volume, ticker) WHERE status <> 'finalized'",
        "`status` of what is not settled with the orders of quotes",
    ),
    *(
        Index(Table.QUOTES, name, f"({column}, ticker) WHERE status <> 'finalized'", f"`order_by={column}`")
        for name, column in (("volume_24h", "volume_24h"), ("price_change", "price_change_24h_dollars"))
    ),
    # A market that is traded has no entry in these two indexes, so its changes do not update them.
    *(_partial(Table.QUOTES, name) for name in ("settlement_ts", "removed_at")),
    # The included columns permit index-only scans for common words in titles and for durations.
    Index(
        Table.DETAILS,
        "recent",
        "(recent, ticker) INCLUDE (open_time, close_time, title)",
        "`order_by=recent` and `close_time`, durations, common words in titles",
    ),
    Index(Table.DETAILS, "open_time", "(open_time, ticker)", "`order_by=open_time`, comparisons of `open_time`"),
    Index(Table.DETAILS, "duration", "((close_time - open_time))", "`min_duration_minutes`, `max_duration_minutes`"),
    Index(
        Table.DETAILS,
        "settlement_value",
        "(settlement_value, ticker) WHERE settlement_value IS NOT NULL",
        "`order_by=settlement_value`, comparisons of it",
    ),
    Index(
        Table.DETAILS,
        "settled",
        "(recent, ticker) WHERE settlement_value IS NOT NULL",
        "`settlement_value` with `order_by=recent`",
    ),
    Index(
        Table.DETAILS,
        "event_tickers",
        "(event_ticker, ticker) INCLUDE (recent, open_time, close_time, settlement_value, floor_strike, cap_strike)",
        "`event_ticker`, and every order within one event",
    ),
    Index(Table.DETAILS, "series", "(series_ticker, recent)", "`series_ticker`"),
    Index(
        Table.DETAILS,
        "series_tickers",
        "(series_ticker, ticker) INCLUDE (recent, open_time, close_time, settlement_value)",
        "every order within one series",
    ),
    Index(Table.DETAILS, "category", "(category, recent)", "`category`"),
    Index(Table.DETAILS, "status", "(status, recent)", "`status`"),
    Index(Table.DETAILS, "result", "(result, recent)", "`result`"),
    Index(Table.DETAILS, "strike_type", "(strike_type, recent)", "`strike_type`"),
    *(_partial(Table.DETAILS, name) for name in ("settlement_ts", "created_time", "updated_time")),
    *(_partial(Table.DETAILS, name) for name in ("occurrence_datetime", "expected_expiration_time")),
    *(_partial(Table.DETAILS, name) for name in ("latest_expiration_time", "fee_waiver_expiration_time")),
    *(_partial(Table.DETAILS, name) for name in ("floor_strike", "cap_strike", "functional_strike")),
    _partial(Table.DETAILS, "settlement_floor_dollars"),
    *(_partial(Table.DETAILS, name) for name in ("mve_collection_ticker", "is_provisional")),
    *(_trigram(Table.DETAILS, column.name, MARKETS.key) for column in MARKETS.columns if column.text_indexed),
    _search(Table.DETAILS, MARKETS),
    _categories(Table.DETAILS),
    Index(Table.DETAILS, "counts", "(series_ticker, category, status, strike_type, result)", "the job `counts`"),
    Index(Table.EVENTS, "change", "(change_number)", "`changed_since`"),
    Index(Table.EVENTS, "updated", "(last_updated_ts, event_ticker)", "`order_by=last_updated_ts`"),
    Index(Table.EVENTS, "strike_date", "(strike_date, event_ticker)", "`order_by=strike_date`"),
    Index(Table.EVENTS, "series", "(series_ticker, last_updated_ts)", "`series_ticker`"),
    Index(Table.EVENTS, "category", "(category, last_updated_ts)", "`category`"),
    Index(Table.EVENTS, "untitled", "(event_ticker) WHERE title IS NULL", "the job `events`"),
    *(_trigram(Table.EVENTS, column.name, EVENTS.key) for column in EVENTS.columns if column.text_indexed),
    _search(Table.EVENTS, EVENTS),
    _categories(Table.EVENTS),
    # There are few series: their other filters read the whole table.
    Index(Table.SERIES, "change", "(change_number)", "`changed_since`"),
    Index(Table.SERIES, "updated", "(last_updated_ts, series_ticker)", "`order_by=last_updated_ts`"),
    Index(Table.SERIES, "category", "(category, last_updated_ts)", "`category`"),
    _categories(Table.SERIES),
)


def build_indexes(database: Database) -> list[str]:
    """Build the missing indexes one by one, without locking a table with rows. Return their names.

    An invalid index of an interrupted build is dropped and built again. Raises DatabaseError; indexes that were
    built before the error remain.
    """
    table = database.settings.table
    # Poll for the lock: a concurrent build waits for every running statement, also for one that waits for the lock.
    while not database.execute("SELECT pg_try_advisory_lock(hashtext($1::text))", f"{table}_indexes")[0][0]:
        time.sleep(_LOCK_ATTEMPT_SECONDS)
    is_valid = _indexes_of(database)
    # CONCURRENTLY takes twenty times as long, and an empty table does not need it.
    concurrently = {
        part: "CONCURRENTLY" if database.execute(f"SELECT FROM {table}_{part} LIMIT 1") else "" for part in _TABLES
    }
    built = []
    for index in INDEXES:
        name = index_name(index, table)
        if is_valid.get(name):
            continue
        if name in is_valid:
            database.execute(f"DROP INDEX CONCURRENTLY {name}")
        unique = "UNIQUE" if index.unique else ""
        database.execute(
            f"CREATE {unique} INDEX {concurrently[index.table]} {name} ON {table}_{index.table} {index.definition}"
        )
        built.append(name)
    if built:
        database.execute_script(f"ANALYZE {', '.join(f'{table}_{part}' for part in _TABLES)}")
    database.execute("SELECT pg_advisory_unlock(hashtext($1::text))", f"{table}_indexes")
    return built


def _indexes_of(database: Database) -> dict[str, bool]:
    """Return the names of the existing indexes, each with whether it is valid."""
    table = database.settings.table
    rows = database.execute(
        "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid IN (SELECT to_regclass(name) FROM json_array_elements_text($1::json) AS name)",
        json.dumps([f"{table}_{part}" for part in _TABLES]),
    )
    return {name: bool(is_valid) for name, is_valid in rows}


def index_name(index: Index, table: str) -> str:
    """Return the name of the index in the database, cut to PostgreSQL's maximum of 63 characters."""
    return f"{table}_{index.table[0]}_{index.name}"[:63]
