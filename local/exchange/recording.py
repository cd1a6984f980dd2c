"""Recorded exchange: real Market objects from a JSON lines file, served byte for byte. They do not change with time."""

import gzip
import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from local.exchange.catalogue import (
    ALL_EVENTS,
    ALL_MARKETS,
    PHASES,
    Event,
    EventFilter,
    Exchange,
    JsonObject,
    Market,
    MarketFilter,
    Order,
    Series,
    to_json,
)
from local.exchange.clock import DAY, SECOND, Clock, parse, rfc3339
from local.exchange.cursor import Position
from local.exchange.tape import MAX_TRADES, Tape

GZIP_MAGIC = b"\x1f\x8b"
# The phase of an event is the first of these that any of its markets has.
EVENT_PHASES = ("open", "unopened", "closed", "settled")
Row = TypeVar("Row")
Ordered = list[tuple[Position, Row]]


@dataclass(frozen=True, slots=True)
class RecordedMarket:
    """A recorded market. `json` is its line of the file. See catalogue.Market."""

    ticker: str
    event_ticker: str
    phase: str
    is_combo: bool
    created: int
    updated: int
    opens: int
    closes: int
    settled: int | None
    volume: int
    json: bytes

    @classmethod
    def from_object(cls, fields: JsonObject, text: bytes) -> "RecordedMarket":
        """Create it from a Market object and its text.

        Raises KeyError, TypeError, ArithmeticError or ValueError.
        """
        return cls(
            ticker=fields["ticker"],
            event_ticker=fields["event_ticker"],
            phase=PHASES[fields["status"]],
            is_combo="mve_collection_ticker" in fields,
            created=parse(fields["created_time"]),
            updated=parse(fields["updated_time"]),
            opens=parse(fields["open_time"]),
            closes=parse(fields["close_time"]),
            settled=parse(fields["settlement_ts"]) if "settlement_ts" in fields else None,
            volume=int(Decimal(fields["volume_fp"]) * 100),
            json=text,
        )

    @property
    def series_ticker(self) -> str:
        return self.event_ticker.partition("-")[0]

    @property
    def tape(self) -> Tape:
        """Generated trading up to the recorded volume. Candles are not recorded."""
        hours = max(1, (self.closes - self.opens) // (3600 * SECOND))
        key = int.from_bytes(blake2b(self.ticker.encode(), digest_size=6).digest())
        return Tape(
            key=key,
            opens=self.opens,
            ends=self.closes,
            total=self.volume,
            trades=min(MAX_TRADES, 1 + hours // 4, self.volume // 2),
            lot=1,
            middle=100 + key % 800,
            swing=50,
            tick=10,
            no_quote_share=0,
        )


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event of recorded markets. Only its ticker is recorded; the rest is derived from its markets.

    See catalogue.Event.
    """

    ticker: str
    markets: list[Market]

    @property
    def created(self) -> Position:
        """Position by the creation of its first market, since events have no created_time."""
        return Position(self.markets[0].created, self.ticker)

    @property
    def phase(self) -> str:
        phases = {market.phase for market in self.markets}
        return next((phase for phase in EVENT_PHASES if phase in phases), "open")  # all paused: the event stays open

    @property
    def json(self) -> bytes:
        return to_json(
            {
                "event_ticker": self.ticker,
                "series_ticker": self.markets[0].series_ticker,
                "title": self.ticker,
                "sub_title": "",
                "mutually_exclusive": False,
                "collateral_return_type": "",
                "settlement_sources": [],
                "last_updated_ts": rfc3339(self.updated),
            }
        )

    @property
    def updated(self) -> int:
        """Instant of the last update of its markets."""
        return max(market.updated for market in self.markets)

    def matches(self, filter_: EventFilter) -> bool:
        return (
            (filter_.phase is None or self.phase == filter_.phase)
            and (filter_.series is None or self.markets[0].series_ticker == filter_.series)
            and (filter_.tickers is None or self.ticker in filter_.tickers)
            and (filter_.closes_after is None or max(market.closes for market in self.markets) > filter_.closes_after)
            and (filter_.updated_after is None or self.updated > filter_.updated_after)
        )


class Recording(Exchange):
    """Exchange of recorded markets, all of them live.

    The cutoff is fixed at the midnight (UTC) before the oldest settlement.
    """

    def __init__(self, clock: Clock, markets: Iterable[RecordedMarket]) -> None:
        super().__init__(clock)
        self._markets = {market.ticker: market for market in markets}
        settled = (market.settled for market in self._markets.values() if market.settled is not None)
        self._cutoff = min(settled, default=clock.start) // DAY * DAY
        self._orders = {order: _ascending(self._markets.values(), order.position) for order in Order}
        nested: dict[str, list[Market]] = defaultdict(list)
        for _, market in self._orders[Order.CREATED]:
            nested[market.event_ticker].append(market)
        self._events = {ticker: RecordedEvent(ticker, markets_of_event) for ticker, markets_of_event in nested.items()}
        listed = (event for event in self._events.values() if not event.markets[0].is_combo)
        self._listed_events = _ascending(listed, lambda event: event.created)
        updates: dict[str, int] = {}
        for market in self._markets.values():
            updates[market.series_ticker] = max(market.updated, updates.get(market.series_ticker, market.updated))
        self._series = {ticker: Series.from_object(_series(ticker, at)) for ticker, at in updates.items()}

    @property
    def cutoff(self) -> int:
        return self._cutoff

    def __len__(self) -> int:
        return len(self._markets)

    def market(self, ticker: str, *, archived: bool = False) -> Market | None:
        return None if archived else self._markets.get(ticker)

    def markets(
        self, order: Order, after: Position | None, filter_: MarketFilter = ALL_MARKETS
    ) -> Iterator[tuple[Position, Market]]:
        if filter_.archived:
            return iter(())
        return ((at, market) for at, market in _descending(self._orders[order], after) if filter_.matches(market))

    @property
    def first_opening(self) -> int:
        return min((market.opens for market in self._markets.values()), default=self.clock.start)

    def traded_markets(self, first: int, last: int) -> Iterable[Market]:
        return (market for market in self._markets.values() if market.opens <= last and market.closes >= first)

    def event(self, ticker: str) -> Event | None:
        return self._events.get(ticker)

    def events(self, after: Position | None, filter_: EventFilter = ALL_EVENTS) -> Iterator[tuple[Position, Event]]:
        return ((at, event) for at, event in _descending(self._listed_events, after) if event.matches(filter_))

    def series(self, ticker: str) -> Series | None:
        return self._series.get(ticker)

    def all_series(self) -> Iterable[Series]:
        return self._series.values()


def replay(path: Path, clock: Clock) -> Exchange:
    """Return the exchange of a JSON lines file, gzip or not.

    The last line of a ticker wins. Raises OSError or ValueError.
    """
    content = path.read_bytes()
    lines = (gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content).splitlines()
    return Recording(clock, [_market(number, line) for number, line in enumerate(lines, 1) if line.strip()])


def _market(number: int, line: bytes) -> RecordedMarket:
    try:
        return RecordedMarket.from_object(json.loads(line), line.strip())
    except (ArithmeticError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"line {number} is not a Market object: {error!r}") from error


def _ascending(rows: Iterable[Row], position: Callable[[Row], Position | None]) -> Ordered[Row]:
    return sorted(((at, row) for row in rows if (at := position(row)) is not None), key=itemgetter(0))


def _descending(rows: Ordered[Row], after: Position | None) -> Iterator[tuple[Position, Row]]:
    end = len(rows) if after is None else bisect_left(rows, after, key=itemgetter(0))
    return (rows[at] for at in range(end - 1, -1, -1))


def _series(ticker: str, updated: int) -> JsonObject:
    return {
        "ticker": ticker,
        "title": ticker,
        "category": "",
        "categories": [],
        "tags": None,
        "frequency": "custom",
        "settlement_sources": [],
        "contract_url": "",
        "contract_terms_url": "",
        "fee_type": "quadratic",
        "fee_multiplier": 1,
        "additional_prohibitions": None,
        "last_updated_ts": rfc3339(updated),
    }
