"""The batch write of markets: what did not change is neither locked nor written.

Most of a page differs in nothing: it is known by the digests of its objects, which are then not even read. Most of the
rest differs in its quotes only. So the quotes go in first, each row with a digest of its terms beside it; only rows
that are new or whose digest differs are then read and sent whole.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kalshi_markets.columns import FROM_MARKET, Column, Kind, Part
from kalshi_markets.database import Database, StatementRefused
from kalshi_markets.exchange import Refused, Row, Sighting, whole

_QUOTES: Final = [column for column in FROM_MARKET if column.part is Part.QUOTES]
_TERMS: Final = [column for column in FROM_MARKET if column.part is not Part.QUOTES and column.name != "ticker"]
_REPEATED: Final = [column for column in _TERMS if column.part is Part.BOTH]
_STATE: Final = ("status", "result", "close_time")
"""What a market's history keeps."""
# What it may be about a row, by class: it holds what no column takes, breaks a rule, or is too large (Appendix A).
_OF_A_ROW: Final = ("22", "23", "54")


@dataclass(frozen=True)
class Reject:
    """A market that could not become a row: its ticker, why, and the object as JSON."""

    ticker: str
    reason: str
    text: str


@dataclass(frozen=True)
class Written:
    """What a page came to."""

    added: int = 0
    changed: int = 0
    rejects: tuple[Reject, ...] = ()

    def __add__(self, other: "Written") -> "Written":
        return Written(self.added + other.added, self.changed + other.changed, self.rejects + other.rejects)


def reject(ticker: str, reason: str, market: object) -> Reject:
    """Escaped, since what cannot be stored may be a character."""
    return Reject(ticker.encode("unicode_escape").decode()[:200], reason, json.dumps(market, default=str))


class Markets:
    """The two tables behind the view of the markets, for one writer. Raises DatabaseError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._write_quotes = _write_quotes(database.settings.table)
        self._write_whole = _write_whole(database.settings.table)

    def write(self, sightings: Iterable[Sighting], *, renew: bool = False) -> Written:
        """Within a transaction. Where a ticker comes twice, its later state holds.

        renew: whether an object that differs in nothing that is stored is to be known again by its digest.
        """
        newest = {sighting.ticker: sighting for sighting in sightings}
        if not newest:
            return Written()
        quotes = json.dumps([_members(one.quotes, one) for one in newest.values()])
        [[changed, differing]] = self._database.execute(self._write_quotes, quotes, renew)
        written = Written(changed=changed)
        return written + self._write_terms([newest[ticker] for ticker in differing]) if differing else written

    def write_halved(self, sightings: Sequence[Sighting], *, renew: bool = False) -> Written:
        """The same where a row is in the way: halved until it is alone, which is then a reject."""
        try:
            with self._database.savepoint():
                return self.write(sightings, renew=renew)
        except StatementRefused as error:
            if not is_of_a_row(error):
                raise
            if len(sightings) == 1:
                return Written(rejects=(reject(sightings[0].ticker, str(error), sightings[0].market),))
        half = len(sightings) // 2
        return self.write_halved(sightings[:half], renew=renew) + self.write_halved(sightings[half:], renew=renew)

    def _write_terms(self, sightings: Sequence[Sighting]) -> Written:
        rows, rejects = [], []
        for sighting in sightings:
            try:
                rows.append(_members(_present(whole(sighting)), sighting))
            except Refused as refused:
                rejects.append(reject(sighting.ticker, str(refused), sighting.market))
        [[added, changed]] = self._database.execute(self._write_whole, json.dumps(rows))
        return Written(added, changed, tuple(rejects))


def is_of_a_row(error: StatementRefused) -> bool:
    """Whether another row may fare better."""
    return error.sqlstate.startswith(_OF_A_ROW)


def _members(row: Row, sighting: Sighting) -> Mapping[str, Any]:
    return {
        **row,
        "ticker": sighting.ticker,
        "terms_digest": sighting.digest,
        "object_digest": sighting.object_digest,
    }


def _present(row: Row) -> Row:
    """A member that is left out reads as null."""
    return {name: value for name, value in row.items() if value is not None}


def _write_quotes(table: str) -> str:
    """JSON rows -> how many quotes differed and were written; the tickers that must be sent whole."""
    quotes = _names(_QUOTES)
    return f"""
        WITH incoming AS MATERIALIZED ({_read([*_QUOTES])}),
        changed AS (
            UPDATE {table}_quotes AS q SET {_assign(quotes)}, {NUMBERED.format(table=table)}, gone_at = NULL,
                object_digest = i.object_digest
            FROM incoming AS i
            WHERE q.ticker = i.ticker AND q.terms_digest = i.terms_digest
              AND (q.gone_at IS NOT NULL OR {_differ("q", quotes)})
            RETURNING 1),
        renewed AS (
            UPDATE {table}_quotes AS q SET object_digest = i.object_digest FROM incoming AS i
            WHERE q.ticker = i.ticker AND q.terms_digest = i.terms_digest
              AND (q.object_digest IS NULL OR $2::boolean) AND q.object_digest IS DISTINCT FROM i.object_digest
              AND q.gone_at IS NULL AND NOT {_differ("q", quotes)})
        SELECT (SELECT count(*) FROM changed), (
            SELECT json_agg(i.ticker) FROM incoming AS i LEFT JOIN {table}_quotes AS q ON q.ticker = i.ticker
            WHERE q.terms_digest IS DISTINCT FROM i.terms_digest)"""


def _write_whole(table: str) -> str:
    """JSON rows -> how many were new, and how many of the others differed. All get their digest.

    A new market gets its series and category here, if its event is known; later they are the business of others. A
    market without a title gets one made of its event's.
    """
    terms, quotes = _names(_TERMS), [*_names(_REPEATED), *_names(_QUOTES)]
    former = ", ".join(f"t.{name} AS former_{name}" for name in _STATE)
    sent = ["ticker", "terms_digest", "object_digest", *_names([*_TERMS, *_QUOTES])]
    sent.remove("title")
    return f"""
        WITH sent AS MATERIALIZED ({_read([*_TERMS, *_QUOTES])}),
        incoming AS MATERIALIZED (
            SELECT {_of("s", sent)}, {TITLE.format(market="s", event="e")} AS title, e.series_ticker, r.category
            FROM sent AS s LEFT JOIN {table}_events AS e ON e.event_ticker = s.event_ticker
            LEFT JOIN {table}_series AS r ON r.series_ticker = e.series_ticker),
        compared AS MATERIALIZED (
            SELECT i.*, q.ticker IS NULL AS is_new, {_differ("t", terms)} AS terms_differ, {former},
                   q.gone_at IS NOT NULL OR {_differ("t", terms)} OR {_differ("q", quotes)} AS differs
            FROM incoming AS i
            LEFT JOIN {table}_terms AS t ON t.ticker = i.ticker LEFT JOIN {table}_quotes AS q ON q.ticker = i.ticker),
        changed_terms AS (
            UPDATE {table}_terms AS t SET {_assign(terms)}
            FROM compared AS i WHERE t.ticker = i.ticker AND i.terms_differ),
        changed AS (
            UPDATE {table}_quotes AS q
            SET {_assign(quotes)}, {NUMBERED.format(table=table)}, gone_at = NULL,
                terms_digest = i.terms_digest, object_digest = i.object_digest
            FROM compared AS i WHERE q.ticker = i.ticker AND i.differs
            RETURNING q.ticker, q.change_number),
        kept AS (
            INSERT INTO {table}_history (ticker, change_number, until, {", ".join(_STATE)})
            SELECT ticker, change_number, now(), {", ".join(f"former_{name}" for name in _STATE)}
            FROM compared JOIN changed USING (ticker)
            WHERE NOT is_new AND ({", ".join(_STATE)}) IS DISTINCT FROM ({", ".join(f"former_{n}" for n in _STATE)})),
        digested AS (
            UPDATE {table}_quotes AS q SET terms_digest = i.terms_digest, object_digest = i.object_digest
            FROM compared AS i WHERE q.ticker = i.ticker AND NOT i.differs),
        added_terms AS (
            INSERT INTO {table}_terms (ticker, series_ticker, category, {", ".join(terms)})
            SELECT ticker, series_ticker, category, {", ".join(terms)} FROM compared WHERE is_new),
        added AS (
            INSERT INTO {table}_quotes (ticker, category, {", ".join(quotes)}, terms_digest, object_digest)
            SELECT ticker, category, {", ".join(quotes)}, terms_digest, object_digest FROM compared WHERE is_new
            RETURNING 1)
        SELECT (SELECT count(*) FROM added), (SELECT count(*) FROM changed)"""


TITLE: Final = (
    "coalesce(nullif({market}.title, ''), {event}.title || coalesce(': ' || nullif({market}.yes_sub_title, ''), ''),"
    " {market}.title)"
)
"""SQL of a market's title: the exchange's, else its event's and the outcome's."""
NUMBERED: Final = "changed_at = now(), change_number = nextval('{table}_change')"


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
        f"SELECT ticker, terms_digest, object_digest, {', '.join(values)} FROM json_to_recordset($1::json)"
        f" AS r(ticker text, terms_digest uuid, object_digest uuid, {', '.join(types)})"
    )


def _names(columns: Iterable[Column]) -> list[str]:
    return [column.name for column in columns]


def _assign(names: Sequence[str]) -> str:
    return f"({', '.join(names)}) = ROW({_of('i', names)})"


def _differ(stored: str, names: Sequence[str]) -> str:
    return f"({_of(stored, names)}) IS DISTINCT FROM ({_of('i', names)})"


def _of(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)
