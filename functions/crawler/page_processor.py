"""Conversion of a job's page to the batch that is committed. Unchanged markets are not parsed."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from crawler.jobs.base import JobContext, PageUpdate
from crawler.jobs.lookups import fetch_events, ticker_batches
from crawler.market_writer import Reject, make_reject
from crawler.store import Batch
from crawler.store_queries import Comparison
from kalshi_markets.exchange import (
    ExchangeError,
    InvalidMarket,
    InvalidResponse,
    ParsedMarket,
    RawMarket,
    Row,
    find_drift,
    parse_market,
)
from kalshi_markets.logs import make_logger
from kalshi_markets.text import is_valid_pg_text

MAX_KNOWN_EVENTS: Final = 100_000

logger = make_logger("crawler", child=True)


class PageProcessor:
    """Converter of the pages of a run. It remembers the events that are stored."""

    def __init__(self) -> None:
        self._known_events: set[str] = set()

    async def process(self, update: PageUpdate, context: JobContext) -> Batch:
        """Return the batch of a page update. Raises ExchangeError, DatabaseError."""
        known, new = await context.store.compare(update.markets) if update.markets else Comparison(set(), set())
        unchanged = [str(raw_market.ticker) for raw_market in update.markets if raw_market.digest in known]
        parsed, rejects = _parse_markets(
            [raw_market for raw_market in update.markets if raw_market.digest not in known]
        )
        events, unknown = await self._new_events([market for market in parsed if market.ticker in new], context)
        return Batch(
            update.state,
            parsed,
            unchanged,
            rejects,
            drift=find_drift(market.fields for market in parsed),
            seen=[*unchanged, *_tickers(parsed), *_tickers(rejects)] if update.track_seen else (),
            refresh_hashes=update.refresh_hashes,
            resolved_rejects=update.resolved_rejects,
            events=[*update.events, *events],
            unknown_events=[*update.unknown_events, *unknown],
            series=update.series,
            count_markets=update.count_markets,
            removed=update.removed,
            looked_up=update.looked_up,
            costs=update.costs,
            limits=update.limits,
            delete_settled_before=update.delete_settled_before,
            other_jobs=update.other_jobs,
            lake=update.lake,
        )

    async def _new_events(self, markets: Sequence[ParsedMarket], context: JobContext) -> tuple[list[Row], list[str]]:
        """Return the events of new markets that are not stored yet, so that new markets have a series at once.

        The second list has the tickers of events that the exchange does not know.
        Combos are skipped, because the exchange does not return their events.
        """
        tickers = {
            ticker
            for market in markets
            if is_valid_pg_text(ticker := market.fields.get("event_ticker"))
            and not market.fields.get("mve_collection_ticker")
        }
        tickers -= self._known_events
        events: list[Row] = []
        unknown: list[str] = []
        if not tickers:
            return events, unknown
        try:
            for batch in ticker_batches(sorted(await context.store.unknown_events(tickers))):
                batch_events, batch_unknown = await fetch_events(context.listings, batch)
                events += batch_events
                unknown += batch_unknown
        except ExchangeError as error:
            # The markets are stored without them; the job `events` retries.
            logger.warning("event lookup failed", extra={"error": str(error)})
            return events, unknown
        if len(self._known_events) > MAX_KNOWN_EVENTS:
            self._known_events.clear()
        self._known_events |= tickers
        return events, unknown


def _parse_markets(markets: Sequence[RawMarket]) -> tuple[list[ParsedMarket], list[Reject]]:
    parsed, rejects = [], []
    for raw_market in markets:
        market: Any = raw_market.text.decode(errors="replace")
        try:
            market = raw_market.parse()
            parsed.append(parse_market(market, raw_market.digest))
        except (InvalidResponse, InvalidMarket) as error:
            rejects.append(make_reject(raw_market.ticker or _placeholder_ticker(market), str(error), market))
    return parsed, rejects


def _tickers(markets: Sequence[ParsedMarket] | Sequence[Reject]) -> list[str]:
    return [market.ticker for market in markets]


def _placeholder_ticker(market: object) -> str:
    """Return a placeholder ticker for a market without one: a hash of its JSON."""
    return f"({hashlib.sha256(json.dumps(market, default=str).encode()).hexdigest()[:16]})"
