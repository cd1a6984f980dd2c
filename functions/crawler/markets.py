"""The batch write of markets: what did not change is neither locked nor written.

Most of a page differs in nothing, or in its quotes only. So the quotes go in first, each row with a digest of its terms
beside it; only rows that are new or whose digest differs are then sent whole.
"""

import hashlib
import json
import marshal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from kalshi_markets.columns import FROM_MARKET, Column, Kind, Part
from kalshi_markets.database import Database
from kalshi_markets.exchange import Row

_QUOTES: Final = [column for column in FROM_MARKET if column.part is Part.QUOTES]
_TERMS: Final = [column for column in FROM_MARKET if column.part is not Part.QUOTES and column.name != "ticker"]
_REPEATED: Final = [column for column in _TERMS if column.part is Part.BOTH]
_QUOTE_NAMES: Final = ["ticker", *(column.name for column in _QUOTES)]
_EVERY_NAME: Final = [column.name for column in FROM_MARKET]
_TERM_VALUES: Final = itemgetter(*(column.name for column in _TERMS))


@dataclass(frozen=True)
class Written:
    """What a page came to."""

    added: int
    changed: int


class Markets:
    """The two tables behind the view of the markets, for one writer. Raises DatabaseError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._write_quotes = _write_quotes(database.settings.table)
        self._write_whole = _write_whole(database.settings.table)

    def write(self, rows: Sequence[Row]) -> Written:
        """Within a transaction. Where a ticker comes twice, its later state holds."""
        newest = {str(row["ticker"]): row for row in rows}
        if not newest:
            return Written(0, 0)
        digests = {ticker: digest(row) for ticker, row in newest.items()}
        quotes = json.dumps([_members(row, _QUOTE_NAMES, digests[ticker]) for ticker, row in newest.items()])
        [[changed, differing]] = self._database.execute(self._write_quotes, quotes)
        if not differing:
            return Written(0, changed)
        whole = json.dumps([_members(newest[ticker], _EVERY_NAME, digests[ticker]) for ticker in differing])
        [[added, changed_too]] = self._database.execute(self._write_whole, whole)
        return Written(added, changed + changed_too)


def digest(row: Row) -> str:
    """Of the terms that the exchange sent: 32 hexadecimal digits."""
    # marshal, in the version that has no references: equal values are equal bytes, without JSON's escaping.
    return hashlib.blake2b(marshal.dumps(_TERM_VALUES(row), 2), digest_size=16).hexdigest()


def _members(row: Row, names: Sequence[str], digest: str) -> dict[str, Any]:
    # A member that is left out reads as null.
    members: dict[str, Any] = {name: value for name in names if (value := row[name]) is not None}
    members["terms_digest"] = digest
    return members


def _write_quotes(table: str) -> str:
    """JSON rows -> how many quotes differed and were written; the tickers that must be sent whole."""
    quotes = _names(_QUOTES)
    return f"""
        WITH incoming AS MATERIALIZED ({_read([*_QUOTES])}),
        changed AS (
            UPDATE {table}_quotes AS q SET {_assign(quotes)}, {_NUMBERED.format(table=table)}
            FROM incoming AS i
            WHERE q.ticker = i.ticker AND q.terms_digest = i.terms_digest
              AND (q.gone_at IS NOT NULL OR {_differ("q", quotes)})
            RETURNING 1)
        SELECT (SELECT count(*) FROM changed), (
            SELECT json_agg(i.ticker) FROM incoming AS i LEFT JOIN {table}_quotes AS q ON q.ticker = i.ticker
            WHERE q.terms_digest IS DISTINCT FROM i.terms_digest)"""


def _write_whole(table: str) -> str:
    """JSON rows -> how many were new, and how many of the others differed. All get their digest."""
    terms, quotes = _names(_TERMS), [*_names(_REPEATED), *_names(_QUOTES)]
    return f"""
        WITH incoming AS MATERIALIZED ({_read([*_TERMS, *_QUOTES])}),
        compared AS MATERIALIZED (
            SELECT i.*, q.ticker IS NULL AS is_new, {_differ("t", terms)} AS terms_differ,
                   q.gone_at IS NOT NULL OR {_differ("t", terms)} OR {_differ("q", quotes)} AS differs
            FROM incoming AS i
            LEFT JOIN {table}_terms AS t ON t.ticker = i.ticker LEFT JOIN {table}_quotes AS q ON q.ticker = i.ticker),
        changed_terms AS (
            UPDATE {table}_terms AS t SET {_assign(terms)}
            FROM compared AS i WHERE t.ticker = i.ticker AND i.terms_differ),
        changed AS (
            UPDATE {table}_quotes AS q
            SET {_assign(quotes)}, {_NUMBERED.format(table=table)}, terms_digest = i.terms_digest
            FROM compared AS i WHERE q.ticker = i.ticker AND i.differs
            RETURNING 1),
        digested AS (
            UPDATE {table}_quotes AS q SET terms_digest = i.terms_digest
            FROM compared AS i WHERE q.ticker = i.ticker AND NOT i.differs),
        added_terms AS (
            INSERT INTO {table}_terms (ticker, {", ".join(terms)})
            SELECT ticker, {", ".join(terms)} FROM compared WHERE is_new),
        added AS (
            INSERT INTO {table}_quotes (ticker, {", ".join(quotes)}, terms_digest)
            SELECT ticker, {", ".join(quotes)}, terms_digest FROM compared WHERE is_new
            RETURNING 1)
        SELECT (SELECT count(*) FROM added), (SELECT count(*) FROM changed)"""


_NUMBERED: Final = "changed_at = now(), change_number = nextval('{table}_change'), gone_at = NULL"


def _read(columns: Sequence[Column]) -> str:
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
        f"SELECT ticker, terms_digest, {', '.join(values)}"
        f" FROM json_to_recordset($1::json) AS r(ticker text, terms_digest uuid, {', '.join(types)})"
    )


def _names(columns: Iterable[Column]) -> list[str]:
    return [column.name for column in columns]


def _assign(names: Sequence[str]) -> str:
    return f"({', '.join(names)}) = ROW({_of('i', names)})"


def _differ(stored: str, names: Sequence[str]) -> str:
    return f"({_of(stored, names)}) IS DISTINCT FROM ({_of('i', names)})"


def _of(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)
