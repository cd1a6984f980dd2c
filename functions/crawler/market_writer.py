"""Batch write of markets. Unchanged rows are neither locked nor written.

Most markets of a page are unchanged. Their object hashes equal the stored ones, so they do not reach this module.
Most of the others have only changed quotes. So the first statement writes the quotes of rows whose details hash is
unchanged. The second statement writes full rows, for new markets and for changed details.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crawler.incoming_rows import (
    assign_sql,
    differ_sql,
    incoming_rows_sql,
    names_of,
    qualified,
    set_change_number_sql,
)
from kalshi_markets.columns import MARKET_DETAILS, MARKET_QUOTES, Table
from kalshi_markets.database import Database, StatementError
from kalshi_markets.exchange import InvalidMarket, ParsedMarket, Row, full_row
from kalshi_markets.text import MAX_TICKER_LENGTH, excerpt

_SHARED_COLUMNS: Final = [column for column in MARKET_DETAILS if column.table is Table.BOTH]
_KEYS: Final = (("ticker", "text"), ("details_hash", "uuid"), ("object_hash", "uuid"))
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


def _payload(row: Row, market: ParsedMarket) -> Mapping[str, Any]:
    return {
        **row,
        "ticker": market.ticker,
        "details_hash": market.details_hash,
        "object_hash": market.object_hash,
    }


def _without_nulls(row: Row) -> Row:
    """Return the row without nulls: json_to_recordset returns null for a missing member."""
    return {name: value for name, value in row.items() if value is not None}


def _write_quotes_sql(table: str) -> str:
    """Return the SQL that writes quotes.

    Its parameters are a JSON array of rows, and refresh_hashes. Its result is the number of changed quotes, and the
    tickers whose full rows are required.
    """
    quotes = names_of(MARKET_QUOTES)
    return f"""
        WITH incoming AS MATERIALIZED ({incoming_rows_sql(MARKET_QUOTES, _KEYS)}),
        changed AS (
            UPDATE {table}_quotes AS quotes SET {assign_sql(quotes)}, {set_change_number_sql(table)},
                removed_at = NULL, object_hash = incoming.object_hash
            FROM incoming
            WHERE quotes.ticker = incoming.ticker AND quotes.details_hash = incoming.details_hash
              AND (quotes.removed_at IS NOT NULL OR {differ_sql("quotes", quotes)})
            RETURNING 1),
        refreshed AS (
            UPDATE {table}_quotes AS quotes SET object_hash = incoming.object_hash FROM incoming
            WHERE quotes.ticker = incoming.ticker AND quotes.details_hash = incoming.details_hash
              AND (quotes.object_hash IS NULL OR $2::boolean)
              AND quotes.object_hash IS DISTINCT FROM incoming.object_hash
              AND quotes.removed_at IS NULL AND NOT {differ_sql("quotes", quotes)})
        SELECT (SELECT count(*) FROM changed), (
            SELECT json_agg(incoming.ticker) FROM incoming
            LEFT JOIN {table}_quotes AS quotes ON quotes.ticker = incoming.ticker
            WHERE quotes.details_hash IS DISTINCT FROM incoming.details_hash)"""


def _write_full_sql(table: str) -> str:
    """Return the SQL that writes full rows and their hashes.

    Its parameter is a JSON array of rows. Its result is one row: the number of added markets, and that of changed ones.
    A new market gets the columns of its event and series if its event is stored; EventWriter updates them later. A
    market without a title gets a title made of its event's title.

    sent: the rows of the parameter.
    incoming: the rows as they are to be stored, with the columns of the event and the series.
    compared: the incoming rows, and how they differ from the stored ones. It has the alias `incoming` wherever the SQL
    of assign_sql or differ_sql requires this alias.
    former_{name}: the stored value of a column, which goes into the history if it changes.
    """
    details, quotes = names_of(MARKET_DETAILS), names_of([*_SHARED_COLUMNS, *MARKET_QUOTES])
    state = ", ".join(_HISTORY_COLUMNS)
    former_state = ", ".join(f"former_{name}" for name in _HISTORY_COLUMNS)
    select_former_state = ", ".join(f"details.{name} AS former_{name}" for name in _HISTORY_COLUMNS)
    copied = [*(name for name, _ in _KEYS), *names_of([*MARKET_DETAILS, *MARKET_QUOTES])]
    copied.remove("title")  # TITLE_SQL computes it
    stored_details = [*details, "title_from_event"]
    added_details = ", ".join(["ticker", *FROM_EVENT, *stored_details])
    added_quotes = ", ".join(["ticker", "category", "categories", *quotes, "details_hash", "object_hash"])
    return f"""
        WITH sent AS MATERIALIZED ({incoming_rows_sql([*MARKET_DETAILS, *MARKET_QUOTES], _KEYS)}),
        incoming AS MATERIALIZED (
            SELECT {qualified("sent", copied)}, {TITLE_SQL.format(market="sent", event="event")} AS title,
                nullif(sent.title, '') IS NULL AS title_from_event,
                event.series_ticker, event.title AS event_title, series.category, series.categories
            FROM sent LEFT JOIN {table}_events AS event ON event.event_ticker = sent.event_ticker
            LEFT JOIN {table}_series AS series ON series.series_ticker = event.series_ticker),
        compared AS MATERIALIZED (
            SELECT incoming.*, quotes.ticker IS NULL AS is_new, {select_former_state},
                   {differ_sql("details", stored_details)} AS details_differ,
                   quotes.removed_at IS NOT NULL OR {differ_sql("details", details)} OR {differ_sql("quotes", quotes)}
                       AS differs
            FROM incoming
            LEFT JOIN {table}_details AS details ON details.ticker = incoming.ticker
            LEFT JOIN {table}_quotes AS quotes ON quotes.ticker = incoming.ticker),
        changed_details AS (
            UPDATE {table}_details AS details SET {assign_sql(stored_details)}
            FROM compared AS incoming WHERE details.ticker = incoming.ticker AND incoming.details_differ),
        changed AS (
            UPDATE {table}_quotes AS quotes
            SET {assign_sql(quotes)}, {set_change_number_sql(table)}, removed_at = NULL,
                details_hash = incoming.details_hash, object_hash = incoming.object_hash,
                details_changed_at = CASE WHEN incoming.details_differ THEN now() ELSE quotes.details_changed_at END
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
            INSERT INTO {table}_details ({added_details}) SELECT {added_details} FROM compared WHERE is_new),
        added AS (
            INSERT INTO {table}_quotes ({added_quotes}) SELECT {added_quotes} FROM compared WHERE is_new
            RETURNING 1)
        SELECT (SELECT count(*) FROM added), (SELECT count(*) FROM changed)"""


FROM_EVENT: Final = ("series_ticker", "event_title", "category", "categories")
"""Columns of the details that a market's event and series fill."""
EVENT_TITLE_SQL: Final = "{event}.title || coalesce(': ' || nullif({market}.yes_sub_title, ''), '')"
"""SQL of the title of a market without one: the title of its event and the label of the outcome."""
TITLE_SQL: Final = f"coalesce(nullif({{market}}.title, ''), {EVENT_TITLE_SQL}, {{market}}.title)"
"""SQL of a market's title."""
