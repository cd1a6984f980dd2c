"""From a walk's step to what is written: a market that is known by its digest is not parsed."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from crawler.lookups import batches, events_of
from crawler.markets import Reject, reject
from crawler.store import Batch, Store
from crawler.walks import Step
from kalshi_markets.exchange import (
    AnswerUnreadable,
    Event,
    ExchangeError,
    Listings,
    Refused,
    Sent,
    Sighting,
    deviations,
    is_storable,
    sight,
)
from kalshi_markets.logs import make_logger

MOST_KNOWN_EVENTS: Final = 100_000

logger = make_logger("crawler", child=True)


class PageReader:
    """Reads the pages of a run. look_up: calls a method of the store in turn, by urgency."""

    def __init__(self, store: Store, look_up: Callable[..., Awaitable[Any]]) -> None:
        self._store = store
        self._look_up = look_up
        self._known_events: set[str] = set()

    async def read(self, step: Step, listings: Listings) -> Batch:
        """Return what a step comes to in the tables. Raises ExchangeError, DatabaseError."""
        known, new = await self._compare(step.markets, listings.urgency)
        unchanged = [str(sent.ticker) for sent in step.markets if sent.digest in known]
        sightings, rejects = _sighted([sent for sent in step.markets if sent.digest not in known])
        return Batch(
            step.job,
            sightings,
            unchanged,
            rejects,
            drift=deviations(one.market for one in sightings),
            seen=[*unchanged, *_tickers(sightings), *_tickers(rejects)] if step.keeps_seen else (),
            renew=step.renew,
            mended=step.mended,
            events=[*step.events, *await self._unknown_events([s for s in sightings if s.ticker in new], listings)],
            series=step.series,
            gone=step.gone,
            looked_up=step.looked_up,
            costs=step.costs,
            limits=step.limits,
            expired=step.expired,
            also=step.also,
        )

    async def _compare(self, markets: Sequence[Sent], urgency: float) -> tuple[set[str], set[str]]:
        if not markets:
            return set(), set()
        known, new = await self._look_up(urgency, self._store.compare, markets)
        return known, new

    async def _unknown_events(self, sightings: Sequence[Sighting], listings: Listings) -> list[Event]:
        """The events that come with new markets, which so have their series from the first. Combos have none."""
        tickers = {
            ticker
            for one in sightings
            if is_storable(ticker := one.market.get("event_ticker")) and not one.market.get("mve_collection_ticker")
        }
        tickers -= self._known_events
        if not tickers:
            return []
        unknown = await self._look_up(listings.urgency, self._store.unknown_events, tickers)
        events = []
        try:
            for batch in batches(sorted(unknown)):
                events += await events_of(listings, batch)
        except ExchangeError as error:
            # The markets do not wait for them; the job `events` asks again.
            logger.warning("the exchange did not tell of events", extra={"error": str(error)})
            return events
        if len(self._known_events) > MOST_KNOWN_EVENTS:
            self._known_events.clear()
        self._known_events |= tickers
        return events


def _sighted(markets: Sequence[Sent]) -> tuple[list[Sighting], list[Reject]]:
    sightings, rejects = [], []
    for sent in markets:
        market: Any = sent.text.decode(errors="replace")
        try:
            market = sent.read()
            sightings.append(sight(market, sent.digest))
        except (AnswerUnreadable, Refused) as error:
            rejects.append(reject(sent.ticker or _number(market), str(error), market))
    return sightings, rejects


def _tickers(markets: Sequence[Sighting] | Sequence[Reject]) -> list[str]:
    return [market.ticker for market in markets]


def _number(market: object) -> str:
    """What has no ticker is told apart by its text."""
    return f"({hashlib.sha256(json.dumps(market, default=str).encode()).hexdigest()[:16]})"
