"""The batch write of markets: what did not change is neither locked nor written.

Most of a page differs in nothing: it is known by the digests of its objects, which are then not even read. Most of the
rest differs in its quotes only. So the quotes go in first, each row with a digest of its terms beside it; only rows
that are new or whose digest differs are then read and sent whole.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kalshi_markets.columns import MARKET_COLUMNS, Column, Kind, Table
from kalshi_markets.database import Database, StatementError
from kalshi_markets.exchange import InvalidMarket, MarketRow, ParsedMarket, full_row

_QUOTES: Final = [column for column in MARKET_COLUMNS if column.table is Table.QUOTES]
_DETAILS: Final = [column for column in MARKET_COLUMNS if column.table is not Table.QUOTES and column.name != "ticker"]
_SHARED_COLUMNS: Final = [column for column in _DETAILS if column.table is Table.BOTH]
_HISTORY_COLUMNS: Final = ("status", "result", "close_time")
"""What a market's history keeps."""
# What it may be about a row, by class: it holds what no column takes, breaks a rule, or is too large (Appendix A).
_ROW_ERROR_CLASSES: Final = ("22", "23", "54")


@dataclass(frozen=True)
class Reject:
    """A market that could not become a row: its ticker, why, and the object as JSON."""

    ticker: str
    reason: str
    object_json: str


@dataclass(frozen=True)
class WriteResult:
    """What a page came to."""

    added: int = 0
    changed: int = 0
    rejects: tuple[Reject, ...] = ()

    def __add__(self, other: "WriteResult") -> "WriteResult":
        return WriteResult(self.added + other.added, self.changed + other.changed, self.rejects + other.rejects)


def make_reject(ticker: str, reason: str, market: object) -> Reject:
    """Escaped, since what cannot be stored may be a character."""
    return Reject(ticker.encode("unicode_escape").decode()[:200], reason, json.dumps(market, default=str))


class MarketWriter:
    """The two tables behind the view of the markets, for one writer. Raises DatabaseError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._write_quotes = _write_quotes_sql(database.settings.table)
        self._write_full_rows = _write_full_sql(database.settings.table)

    def write(self, markets: Iterable[ParsedMarket], *, refresh_hashes: bool = False) -> WriteResult:
        """Within a transaction. Where a ticker comes twice, its later state holds.

        refresh_hashes: whether an object that differs in nothing that is stored is to be known again by its digest.
        """
        newest = {market.ticker: market for market in markets}
        if not newest:
            return WriteResult()
        quotes = json.dumps([_payload(market.quotes, market) for market in newest.values()])
        [[changed, differing]] = self._database.execute(self._write_quotes, quotes, refresh_hashes)
        written = WriteResult(changed=changed)
        return written + self._write_full([newest[ticker] for ticker in differing]) if differing else written

    def write_bisecting(self, markets: Sequence[ParsedMarket], *, refresh_hashes: bool = False) -> WriteResult:
        """The same where a row is in the way: halved until it is alone, which is then a reject."""
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
    """Whether another row may fare better."""
    return error.sqlstate.startswith(_ROW_ERROR_CLASSES)


def _payload(row: MarketRow, market: ParsedMarket) -> Mapping[str, Any]:
    return {
        **row,
        "ticker": market.ticker,
        "details_hash": market.details_hash,
        "object_hash": market.object_hash,
    }


def _without_nulls(row: MarketRow) -> MarketRow:
    """A member that is left out reads as null."""
    return {name: value for name, value in row.items() if value is not None}


def _write_quotes_sql(table: str) -> str:
    """JSON rows -> how many quotes differed and were written; the tickers that must be sent whole."""
    quotes = _names(_QUOTES)
    return f"""
        WITH incoming AS MATERIALIZED ({_incoming_rows_sql([*_QUOTES])}),
        changed AS (
            UPDATE {table}_quotes AS q SET {_assign(quotes)}, {SET_CHANGE_NUMBER_SQL.format(table=table)},
                removed_at = NULL, object_hash = i.object_hash
            FROM incoming AS i
            WHERE q.ticker = i.ticker AND q.details_hash = i.details_hash
              AND (q.removed_at IS NOT NULL OR {_differ("q", quotes)})
            RETURNING 1),
        renewed AS (
            UPDATE {table}_quotes AS q SET object_hash = i.object_hash FROM incoming AS i
            WHERE q.ticker = i.ticker AND q.details_hash = i.details_hash
              AND (q.object_hash IS NULL OR $2::boolean) AND q.object_hash IS DISTINCT FROM i.object_hash
              AND q.removed_at IS NULL AND NOT {_differ("q", quotes)})
        SELECT (SELECT count(*) FROM changed), (
            SELECT json_agg(i.ticker) FROM incoming AS i LEFT JOIN {table}_quotes AS q ON q.ticker = i.ticker
            WHERE q.details_hash IS DISTINCT FROM i.details_hash)"""


def _write_full_sql(table: str) -> str:
    """JSON rows -> how many were new, and how many of the others differed. All get their digest.

    A new market gets its series and category here, if its event is known; later they are the business of others. A
    market without a title gets one made of its event's.
    """
    terms, quotes = _names(_DETAILS), [*_names(_SHARED_COLUMNS), *_names(_QUOTES)]
    former = ", ".join(f"t.{name} AS former_{name}" for name in _HISTORY_COLUMNS)
    sent = ["ticker", "details_hash", "object_hash", *_names([*_DETAILS, *_QUOTES])]
    sent.remove("title")
    return f"""
        WITH sent AS MATERIALIZED ({_incoming_rows_sql([*_DETAILS, *_QUOTES])}),
        incoming AS MATERIALIZED (
            SELECT {_qualified("s", sent)}, {TITLE_SQL.format(market="s", event="e")} AS title, e.series_ticker,
                r.category
            FROM sent AS s LEFT JOIN {table}_events AS e ON e.event_ticker = s.event_ticker
            LEFT JOIN {table}_series AS r ON r.series_ticker = e.series_ticker),
        compared AS MATERIALIZED (
            SELECT i.*, q.ticker IS NULL AS is_new, {_differ("t", terms)} AS terms_differ, {former},
                   q.removed_at IS NOT NULL OR {_differ("t", terms)} OR {_differ("q", quotes)} AS differs
            FROM incoming AS i
            LEFT JOIN {table}_details AS t ON t.ticker = i.ticker LEFT JOIN {table}_quotes AS q ON q.ticker = i.ticker),
        changed_terms AS (
            UPDATE {table}_details AS t SET {_assign(terms)}
            FROM compared AS i WHERE t.ticker = i.ticker AND i.terms_differ),
        changed AS (
            UPDATE {table}_quotes AS q
            SET {_assign(quotes)}, {SET_CHANGE_NUMBER_SQL.format(table=table)}, removed_at = NULL,
                details_hash = i.details_hash, object_hash = i.object_hash
            FROM compared AS i WHERE q.ticker = i.ticker AND i.differs
            RETURNING q.ticker, q.change_number),
        kept AS (
            INSERT INTO {table}_history (ticker, change_number, until, {", ".join(_HISTORY_COLUMNS)})
            SELECT ticker, change_number, now(), {", ".join(f"former_{name}" for name in _HISTORY_COLUMNS)}
            FROM compared JOIN changed USING (ticker)
            WHERE NOT is_new
              AND ({", ".join(_HISTORY_COLUMNS)})
                  IS DISTINCT FROM ({", ".join(f"former_{name}" for name in _HISTORY_COLUMNS)})),
        digested AS (
            UPDATE {table}_quotes AS q SET details_hash = i.details_hash, object_hash = i.object_hash
            FROM compared AS i WHERE q.ticker = i.ticker AND NOT i.differs),
        added_terms AS (
            INSERT INTO {table}_details (ticker, series_ticker, category, {", ".join(terms)})
            SELECT ticker, series_ticker, category, {", ".join(terms)} FROM compared WHERE is_new),
        added AS (
            INSERT INTO {table}_quotes (ticker, category, {", ".join(quotes)}, details_hash, object_hash)
            SELECT ticker, category, {", ".join(quotes)}, details_hash, object_hash FROM compared WHERE is_new
            RETURNING 1)
        SELECT (SELECT count(*) FROM added), (SELECT count(*) FROM changed)"""


TITLE_SQL: Final = (
    "coalesce(nullif({market}.title, ''), {event}.title || coalesce(': ' || nullif({market}.yes_sub_title, ''), ''),"
    " {market}.title)"
)
"""SQL of a market's title: the exchange's, else its event's and the outcome's."""
SET_CHANGE_NUMBER_SQL: Final = "changed_at = now(), change_number = nextval('{table}_change')"


def _incoming_rows_sql(columns: Sequence[Column]) -> str:
    """The rows of the parameter, a JSON array of objects. json, not jsonb: it is read once, in half the time."""
    # JSON columns come as text: a JSON string would be taken for a JSON value that is a string.
    types = [f"{c.name} {'text' if c.kind is Kind.JSON else c.sql_type}" for c in columns]
    values = [
        (
            f"{c.name}::jsonb AS "
            if c.kind is Kind.JSON
            else f"trim_scale({c.name}) AS "
            if c.sql_type == "numeric"
            else ""
        )
        + c.name
        for c in columns
    ]
    return (
        f"SELECT ticker, details_hash, object_hash, {', '.join(values)} FROM json_to_recordset($1::json)"
        f" AS r(ticker text, details_hash uuid, object_hash uuid, {', '.join(types)})"
    )


def _names(columns: Iterable[Column]) -> list[str]:
    return [column.name for column in columns]


def _assign(names: Sequence[str]) -> str:
    return f"({', '.join(names)}) = ROW({_qualified('i', names)})"


def _differ(stored: str, names: Sequence[str]) -> str:
    return f"({_qualified(stored, names)}) IS DISTINCT FROM ({_qualified('i', names)})"


def _qualified(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)
