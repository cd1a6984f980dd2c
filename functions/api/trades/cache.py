"""Cache of the trades of settled markets, in the table of the candle cache and within its size limit.

A row has the trades of one ticker and one span, all of them. Its period is 0. Spans may overlap. Trades of other
markets are not cached: an amendment of the outcome may undo them until the settlement.
"""

import asyncio
import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from api.candlesticks.cache import CandleCache, row
from api.candlesticks.chunks import SEPARATOR
from api.candlesticks.gzip_body import Deflated
from api.trades.position import Order
from api.trades.reading import Run
from api.trades.tier import Span
from kalshi_markets.exchange import MICROSECONDS_PER_SECOND, Trade, parse_trade

PERIOD: Final = 0
TRADES_PER_ROW: Final = 2_000
TRADES_PER_READ: Final = 500
"""Trades for which one more row is read. Rows of small pages have fewer."""
FIRST_BLOCK: Final = -(2**31)
"""Block of the first second since the epoch: the column has 32 bits and a sign."""


class SettledTrades:
    """Cached trades of one settled market."""

    def __init__(self, cache: CandleCache, ticker: str) -> None:
        self._cache = cache
        self._ticker = ticker

    async def get(self, span: Span, order: Order, wanted: int) -> Run:
        """Return cached trades from the beginning of a listing on; an empty run if they are not cached.

        wanted: number of trades that suffice. There may be fewer, even if more are cached.
        """
        pieces = await asyncio.to_thread(self._read, span, order, 2 + wanted // TRADES_PER_READ)
        return _merge(pieces, span, order)

    async def store(self, run: Run) -> None:
        """Store all trades of a span."""
        rows = [_row(self._ticker, part) for part in _split(run)]
        await asyncio.to_thread(self._cache.insert, rows)

    def _read(self, span: Span, order: Order, limit: int) -> Sequence[tuple[Span, bytes]]:
        """Return the first rows of a listing: their spans and their compressed trades."""
        condition, first, direction = (
            ("covers_to >= $3::bigint", "covers_from", "ASC")
            if order == "oldest"
            else ("covers_from <= $3::bigint", "covers_to", "DESC")
        )
        rows = self._cache.execute(
            f"""
            SELECT covers_from, covers_to, candles, used_at < now() - interval '1 day' FROM {self._cache.table}
            WHERE ticker = $1 AND period = $2::int AND settled AND {condition}
            ORDER BY {first} {direction} LIMIT $4::int""",
            self._ticker,
            PERIOD,
            span.start if order == "oldest" else span.end,
            limit,
        )
        if any(is_stale for *_, is_stale in rows):
            self._cache.execute(
                f"UPDATE {self._cache.table} SET used_at = now()"
                " WHERE ticker = $1 AND period = $2::int AND used_at < now() - interval '1 day'",
                self._ticker,
                PERIOD,
            )
        return [(Span(start, end), bytes(data)) for start, end, data, _ in rows]


def _merge(pieces: Sequence[tuple[Span, bytes]], span: Span, order: Order) -> Run:
    """Return the trades of rows from the beginning of a listing up to the first gap between the rows."""
    run = Run.empty(span, order)
    for covered, data in pieces:
        rest = run.rest(span, order)
        overlap = Span(max(covered.start, rest.start), min(covered.end, rest.end))
        is_next = overlap.start == rest.start if order == "oldest" else overlap.end == rest.end
        if is_next and not overlap.is_empty:
            trades = [trade for trade in _trades(data) if overlap.start <= trade.created <= overlap.end]
            run = run.joined(Run(overlap, trades if order == "oldest" else trades[::-1]))
    return run


def _trades(data: bytes) -> list[Trade]:
    """Return the trades of a row, oldest first."""
    texts = Deflated(data, 0, 0).decompress().split(SEPARATOR) if data else []
    return [parse_trade(json.loads(text)) for text in texts]


def _split(run: Run) -> list[Run]:
    """Split a run into runs of about TRADES_PER_ROW trades, oldest first. The trades of an instant stay together."""
    trades = sorted(run.trades)
    instants = {trade.created for trade in trades[TRADES_PER_ROW::TRADES_PER_ROW]} - {run.span.start}
    bounds = [run.span.start, *sorted(instants), run.span.end + 1]
    return [
        Run(Span(start, end - 1), [trade for trade in trades if start <= trade.created < end])
        for start, end in pairwise(bounds)
    ]


def _row(ticker: str, run: Run) -> dict[str, Any]:
    packed = Deflated.compress(SEPARATOR.join(trade.text for trade in run.trades)) if run.trades else None
    block = FIRST_BLOCK + run.span.start // MICROSECONDS_PER_SECOND
    return row(ticker, PERIOD, block, run.span, packed, settled=True)
