"""Batch write of markets. Unchanged rows are neither locked nor written.

Most markets of a page are unchanged. Their object hashes equal the stored ones, so they do not reach this module.
Most of the others have only changed quotes. So the first statement writes the quotes of rows whose details hash is
unchanged. The second statement writes full rows, for new markets and for changed details.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kalshi_markets.columns import MARKET_DETAILS, MARKET_QUOTES, Column, Kind, Table
from kalshi_markets.database import Database, StatementError
from kalshi_markets.exchange import InvalidMarket, MarketRow, ParsedMarket, full_row
from kalshi_markets.text import MAX_TICKER_LENGTH, excerpt

_SHARED_COLUMNS: Final = [column for column in MARKET_DETAILS if column.table is Table.BOTH]
_HISTORY_COLUMNS: Final = ("status", "result", "close_time")
"""Columns whose former values are stored in the history."""
# Classes of SQLSTATEs that one row may cause: data exception, constraint violation, limit exceeded (Appendix A).
_ROW_ERROR_CLASSES: Final = ("22", "23", "54")


@dataclass(frozen=True)
class Reject:
    """Market that cannot be stored: its ticker, the reason, and the object as JSON."""

    ticker: str
    reason: str
    object_json: str


@dataclass(frozen=True)
class WriteResult:
    """Numbers of added and changed markets of a batch, and its rejects."""

    added: int = 0
    changed: int = 0
    rejects: tuple[Reject, ...] = ()

    def __add__(self, other: "WriteResult") -> "WriteResult":
        return WriteResult(self.added + other.added, self.changed + other.changed, self.rejects + other.rejects)


def make_reject(ticker: str, reason: str, market: object) -> Reject:
    """Return a Reject with an escaped ticker, because the ticker itself may not be storable."""
    return Reject(excerpt(ticker, MAX_TICKER_LENGTH), reason, json.dumps(market, default=str))


class MarketWriter:
    """Writer of the markets' details and quotes. There must be only one at a time. Methods raise DatabaseError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._write_quotes = _write_quotes_sql(database.settings.table)
        self._write_full_rows = _write_full_sql(database.settings.table)

    def write(self, markets: Iterable[ParsedMarket], *, refresh_hashes: bool = False) -> WriteResult:
        """Write markets within a transaction. Of several markets with one ticker, the last one counts.

        refresh_hashes: whether to update the object hash of a market whose stored columns are unchanged.
        """
        newest = {market.ticker: market for market in markets}
        if not newest:
            return WriteResult()
        quotes = json.dumps([_payload(market.quotes, market) for market in newest.values()])
        [[changed, differing]] = self._database.execute(self._write_quotes, quotes, refresh_hashes)
        written = WriteResult(changed=changed)
        return written + self._write_full([newest[ticker] for ticker in differing]) if differing else written

    def write_bisecting(self, markets: Sequence[ParsedMarket], *, refresh_hashes: bool = False) -> WriteResult:
        """Write by bisection. Each row that PostgreSQL rejects becomes a reject in the result."""
        try:
            with self._database.savepoint():
                return self.write(markets, refresh_hashes=refresh_hashes)
        except StatementError as error:
            if not is_row_error(error):
                raise
            if len(markets) == 1:
                return WriteResult(rejects=(make_reject(markets[0].ticker, str(error), markets[0].fields),))
        half = len(markets) // 2
        return self.write_bisecting(markets[:half], refresh_hashes=refresh_hashes) + self.write_bisecting(
            markets[half:], refresh_hashes=refresh_hashes
        )

    def _write_full(self, markets: Sequence[ParsedMarket]) -> WriteResult:
        rows, rejects = [], []
        for market in markets:
            try:
                rows.append(_payload(_without_nulls(full_row(market)), market))
            except InvalidMarket as error:
                rejects.append(make_reject(market.ticker, str(error), market.fields))
        [[added, changed]] = self._database.execute(self._write_full_rows, json.dumps(rows))
        return WriteResult(added, changed, tuple(rejects))


def is_row_error(error: StatementError) -> bool:
    """Return whether one row may have caused the error, so that other rows can be written."""
    return error.sqlstate.startswith(_ROW_ERROR_CLASSES)


def _payload(row: MarketRow, market: ParsedMarket) -> Mapping[str, Any]:
    return {
        **row,
        "ticker": market.ticker,
        "details_hash": market.details_hash,
        "object_hash": market.object_hash,
    }


def _without_nulls(row: MarketRow) -> MarketRow:
    """Return the row without nulls: json_to_recordset returns null for a missing member."""
    return {name: value for name, value in row.items() if value is not None}


def _write_quotes_sql(table: str) -> str:
    """Return the SQL that writes quotes.

    Its parameters are a JSON array of rows, and refresh_hashes. Its result is the number of changed quotes, and the
    tickers whose full rows are required.
    """
    quotes = _names(MARKET_QUOTES)
    return f"""
        WITH incoming AS MATERIALIZED ({_incoming_rows_sql(MARKET_QUOTES)}),
        changed AS (
            UPDATE {table}_quotes AS quotes SET {_assign(quotes)}, {SET_CHANGE_NUMBER_SQL.format(table=table)},
                removed_at = NULL, object_hash = incoming.object_hash
            FROM incoming
            WHERE quotes.ticker = incoming.ticker AND quotes.details_hash = incoming.details_hash
              AND (quotes.removed_at IS NOT NULL OR {_differ("quotes", quotes)})
            RETURNING 1),
        refreshed AS (
            UPDATE {table}_quotes AS quotes SET object_hash = incoming.object_hash FROM incoming
            WHERE quotes.ticker = incoming.ticker AND quotes.details_hash = incoming.details_hash
              AND (quotes.object_hash IS NULL OR $2::boolean)
              AND quotes.object_hash IS DISTINCT FROM incoming.object_hash
              AND quotes.removed_at IS NULL AND NOT {_differ("quotes", quotes)})
        SELECT (SELECT count(*) FROM changed), (
            SELECT json_agg(incoming.ticker) FROM incoming
            LEFT JOIN {table}_quotes AS quotes ON quotes.ticker = incoming.ticker
            WHERE quotes.details_hash IS DISTINCT FROM incoming.details_hash)"""


def _write_full_sql(table: str) -> str:
    """Return the SQL that writes full rows and their hashes.

    Its parameter is a JSON array of rows. Its result is one row: the number of added markets, and that of changed ones.
    A new market gets its series and category if its event is stored; EventWriter updates them later. A market without a
    title gets a title made of its event's title.

    sent: the rows of the parameter.
    incoming: the rows as they are to be stored, with title, series and category.
    compared: the incoming rows, and how they differ from the stored ones. It has the alias `incoming` wherever the SQL
    of _assign or _differ requires this alias.
    former_{name}: the stored value of a column, which goes into the history if it changes.
    """
    details, quotes = _names(MARKET_DETAILS), _names([*_SHARED_COLUMNS, *MARKET_QUOTES])
    state = ", ".join(_HISTORY_COLUMNS)
    former_state = ", ".join(f"former_{name}" for name in _HISTORY_COLUMNS)
    select_former_state = ", ".join(f"details.{name} AS former_{name}" for name in _HISTORY_COLUMNS)
    copied = ["ticker", "details_hash", "object_hash", *_names([*MARKET_DETAILS, *MARKET_QUOTES])]
    copied.remove("title")  # TITLE_SQL computes it
    return f"""
        WITH sent AS MATERIALIZED ({_incoming_rows_sql([*MARKET_DETAILS, *MARKET_QUOTES])}),
        incoming AS MATERIALIZED (
            SELECT {_qualified("sent", copied)}, {TITLE_SQL.format(market="sent", event="event")} AS title,
                event.series_ticker, series.category
            FROM sent LEFT JOIN {table}_events AS event ON event.event_ticker = sent.event_ticker
            LEFT JOIN {table}_series AS series ON series.series_ticker = event.series_ticker),
        compared AS MATERIALIZED (
            SELECT incoming.*, quotes.ticker IS NULL AS is_new, {select_former_state},
                   {_differ("details", details)} AS details_differ,
                   quotes.removed_at IS NOT NULL OR {_differ("details", details)} OR {_differ("quotes", quotes)}
                       AS differs
            FROM incoming
            LEFT JOIN {table}_details AS details ON details.ticker = incoming.ticker
            LEFT JOIN {table}_quotes AS quotes ON quotes.ticker = incoming.ticker),
        changed_details AS (
            UPDATE {table}_details AS details SET {_assign(details)}
            FROM compared AS incoming WHERE details.ticker = incoming.ticker AND incoming.details_differ),
        changed AS (
            UPDATE {table}_quotes AS quotes
            SET {_assign(quotes)}, {SET_CHANGE_NUMBER_SQL.format(table=table)}, removed_at = NULL,
                details_hash = incoming.details_hash, object_hash = incoming.object_hash
            FROM compared AS incoming WHERE quotes.ticker = incoming.ticker AND incoming.differs
            RETURNING quotes.ticker, quotes.change_number),
        history AS (
            INSERT INTO {table}_history (ticker, change_number, until, {state})
            SELECT ticker, change_number, now(), {former_state}
            FROM compared JOIN changed USING (ticker)
            WHERE NOT is_new AND ({state}) IS DISTINCT FROM ({former_state})),
        refreshed AS (
            UPDATE {table}_quotes AS quotes
            SET details_hash = incoming.details_hash, object_hash = incoming.object_hash
            FROM compared AS incoming WHERE quotes.ticker = incoming.ticker AND NOT incoming.differs),
        added_details AS (
            INSERT INTO {table}_details (ticker, series_ticker, category, {", ".join(details)})
            SELECT ticker, series_ticker, category, {", ".join(details)} FROM compared WHERE is_new),
        added AS (
            INSERT INTO {table}_quotes (ticker, category, {", ".join(quotes)}, details_hash, object_hash)
            SELECT ticker, category, {", ".join(quotes)}, details_hash, object_hash FROM compared WHERE is_new
            RETURNING 1)
        SELECT (SELECT count(*) FROM added), (SELECT count(*) FROM changed)"""


TITLE_SQL: Final = (
    "coalesce(nullif({market}.title, ''), {event}.title || coalesce(': ' || nullif({market}.yes_sub_title, ''), ''),"
    " {market}.title)"
)
"""SQL of a market's title: its own title, else the title of its event and the label of the outcome."""
SET_CHANGE_NUMBER_SQL: Final = "changed_at = now(), change_number = nextval('{table}_change')"


def _incoming_rows_sql(columns: Sequence[Column]) -> str:
    """Return the SQL that reads the rows of the parameter, a JSON array of objects.

    The type json takes half the time of jsonb, because the array is read once.
    """
    types = ", ".join(f"{column.name} {_incoming_type(column)}" for column in columns)
    return (
        f"SELECT ticker, details_hash, object_hash, {', '.join(map(_incoming_value, columns))}"
        f" FROM json_to_recordset($1::json) AS market(ticker text, details_hash uuid, object_hash uuid, {types})"
    )


def _incoming_type(column: Column) -> str:
    # Read as jsonb, the text of a JSON column would become a JSON string.
    return "text" if column.kind is Kind.JSON else column.sql_type


def _incoming_value(column: Column) -> str:
    if column.kind is Kind.JSON:
        return f"{column.name}::jsonb AS {column.name}"
    if column.sql_type == "numeric":
        return f"trim_scale({column.name}) AS {column.name}"
    return column.name


def _names(columns: Iterable[Column]) -> list[str]:
    return [column.name for column in columns]


def _assign(names: Sequence[str]) -> str:
    """Return the assignment of SET that copies columns from the relation `incoming`."""
    return f"({', '.join(names)}) = ROW({_qualified('incoming', names)})"


def _differ(stored: str, names: Sequence[str]) -> str:
    """Return the condition that a column differs between the relations `stored` and `incoming`.

    stored: alias of the first relation.
    """
    return f"({_qualified(stored, names)}) IS DISTINCT FROM ({_qualified('incoming', names)})"


def _qualified(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)
