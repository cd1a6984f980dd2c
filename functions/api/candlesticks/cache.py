"""PostgreSQL cache of candles of closed periods. A row has the candles of one ticker, period and block of time.

A row covers one contiguous range of its block. Requested candles outside this range are fetched, and the row is
replaced by one that covers more.
"""

import base64
import json
import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from api.candlesticks.chunks import BLOCK_SECONDS, CandleChunk
from api.candlesticks.gzip_body import Deflated
from api.candlesticks.time_ranges import TimeRange
from kalshi_markets.database import Database, DatabaseError, DatabaseUnavailable
from kalshi_markets.settings import DatabaseSettings

_SESSION: Final = {
    "default_transaction_read_only": "off",  # on by default for the API's role
    "synchronous_commit": "off",  # rows that a server crash loses are fetched again
    "statement_timeout": "5000",
}
_TIMEOUT_SECONDS: Final = 7
"""The server cancels a slow statement first. This timeout is for a server that does not respond."""
_USE_RESOLUTION: Final = "interval '1 day'"
"""SQL interval in which the use of a row is recorded at most once."""
EVICTION_CHECKS_PER_LIMIT: Final = 16
"""Number of eviction checks of a process while it writes as many bytes as the cache's limit."""
MEBIBYTE: Final = 1 << 20

logger = logging.getLogger(__name__)


class CacheClass(Enum):
    """Treatment of a market's candles by the cache."""

    NOT_CACHED = auto()
    """Candles are neither stored nor read."""
    UNSETTLED = auto()
    """Candles are stored, and read until the market is closed."""
    SETTLED = auto()
    """Candles are stored and read. Only those that were fetched after the settlement are read."""


class CacheEntry(NamedTuple):
    """Chunk of closed periods to be cached.

    settled: the chunk was fetched after the market's settlement, when candles are no longer amended.
    """

    ticker: str
    period: int
    settled: bool
    chunk: CandleChunk


class CandleCache:
    """Cache of candles, with its own database connection. Database errors are logged, not raised: it is optional.

    table: name of the table. Trades of settled markets are in it, too, with a period of 0.
    """

    def __init__(self, settings: DatabaseSettings, mebibytes: int) -> None:
        self._database = Database(
            settings, application_name="candlesticks", parameters=_SESSION, timeout=_TIMEOUT_SECONDS
        )
        self._lock = threading.Lock()  # a statement continues after the task that awaits it is canceled
        self._limit = mebibytes * MEBIBYTE
        self._bytes_since_check = self._limit  # check at the first write: other processes may have filled the cache
        self.table = f"{settings.table}_candles"

    def close(self) -> None:
        """Close the connection after the running statement has finished."""
        with self._lock:
            self._database.close()

    def get(self, settled: Mapping[str, bool], period: int, span: TimeRange) -> Mapping[str, list[CandleChunk]]:
        """Return the cached chunks of all blocks that a range touches, by ticker, oldest first.

        settled: the required CacheEntry.settled of each ticker.
        """
        if not settled:
            return {}
        length = BLOCK_SECONDS[period]
        # All chunks are in one row: the driver's time depends on the number of rows more than on their size. OFFSET 0
        # forces an index lookup for each ticker, whatever number of rows the planner estimates.
        rows = self.execute(
            f"""
            SELECT json_agg(json_build_array(c.ticker, c.covers_from, c.covers_to, octet_length(c.candles), c.crc,
                            c.size, c.used_at < now() - {_USE_RESOLUTION}) ORDER BY t.ordinality, c.block)::text,
                   string_agg(c.candles, '' ORDER BY t.ordinality, c.block)
            FROM json_each_text($1::json) WITH ORDINALITY AS t(ticker, settled, ordinality), LATERAL (
                SELECT * FROM {self.table}
                WHERE ticker = t.ticker AND period = $2::int AND block BETWEEN $3::int AND $4::int OFFSET 0) AS c
            WHERE c.settled = t.settled::boolean
            HAVING count(*) > 0""",
            json.dumps(settled),
            period,
            span.start // length,
            span.end // length,
        )
        return self._chunks(period, *rows[0]) if rows else {}

    def _chunks(self, period: int, rows: str, data: bytes) -> Mapping[str, list[CandleChunk]]:
        chunks: dict[str, list[CandleChunk]] = defaultdict(list)
        stale, at = [], 0
        for ticker, start, end, length, crc, size, is_stale in json.loads(rows):
            packed = Deflated(data[at : at + length], crc, size) if size else None
            at += length
            chunks[ticker].append(CandleChunk(TimeRange(start, end), packed, fetched=False))
            if is_stale:
                stale.append(ticker)
        if stale:
            self.execute(
                f"UPDATE {self.table} SET used_at = now() WHERE period = $2::int AND ticker IN"
                f" (SELECT json_array_elements_text($1::json)) AND used_at < now() - {_USE_RESOLUTION}",
                json.dumps(stale),
                period,
            )
        return chunks

    def store(self, entries: Iterable[CacheEntry]) -> None:
        """Store the entries. An entry replaces the row of its block, unless that row covers more."""
        self.insert([_row(entry) for entry in entries])

    def insert(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store rows of the table, each a result of `row`. A row replaces that of its block if it covers as much."""
        if not rows or not self._limit:
            return
        self.execute(
            f"""
            INSERT INTO {self.table} AS c (ticker, period, block, settled, covers_from, covers_to, candles, crc, size)
            SELECT ticker, period, block, settled, covers_from, covers_to, decode(candles, 'base64'), crc, size
            FROM json_to_recordset($1::json) AS r(ticker text, period int, block int, settled boolean,
                covers_from bigint, covers_to bigint, candles text, crc bigint, size int)
            ON CONFLICT (ticker, period, block) DO UPDATE SET
                (settled, covers_from, covers_to, candles, crc, size, used_at) = (excluded.settled,
                excluded.covers_from, excluded.covers_to, excluded.candles, excluded.crc, excluded.size, now())
            WHERE c.settled <> excluded.settled
                OR c.covers_to - c.covers_from <= excluded.covers_to - excluded.covers_from""",
            json.dumps(rows),
        )
        self._bytes_since_check += sum(len(row["candles"]) for row in rows)
        if self._bytes_since_check >= self._limit / EVICTION_CHECKS_PER_LIMIT:
            self._bytes_since_check = 0
            self._evict()

    def _evict(self) -> None:
        """Delete the least recently used rows beyond the size limit."""
        self.execute(
            f"""
            WITH running AS (
                SELECT ticker, period, block, sum(bytes) OVER (ORDER BY used_at DESC, ticker, period, block) AS total
                FROM {self.table})
            DELETE FROM {self.table} AS c USING running AS r
            WHERE r.total > $1::bigint AND (c.ticker, c.period, c.block) = (r.ticker, r.period, r.block)""",
            self._limit,
        )

    def execute(self, sql: str, *values: object) -> list[list[Any]]:
        """Return the rows of a statement; none if the cache is disabled or the database fails."""
        if not self._limit:
            return []
        try:
            with self._lock:
                return self._database.query(sql, *values)
        except DatabaseError as error:
            # The text of other errors may quote a value.
            reason = error if isinstance(error, DatabaseUnavailable) else error.sqlstate
            logger.warning("candlestick cache disabled: %s: %s", type(error).__name__, reason)
            return []


def _row(entry: CacheEntry) -> dict[str, Any]:
    span = entry.chunk.range
    block = span.start // BLOCK_SECONDS[entry.period]
    return row(entry.ticker, entry.period, block, span, entry.chunk.data, settled=entry.settled)


def row(
    ticker: str, period: int, block: int, covers: tuple[int, int], packed: Deflated | None, *, settled: bool
) -> dict[str, Any]:
    """Return a row of the table. covers: first and last time that it covers. packed: None if it has no data."""
    return {
        "ticker": ticker,
        "period": period,
        "block": block,
        "settled": settled,
        "covers_from": covers[0],
        "covers_to": covers[1],
        "candles": base64.b64encode(packed.data).decode() if packed else "",
        "crc": packed.crc if packed else 0,
        "size": packed.size if packed else 0,
    }
