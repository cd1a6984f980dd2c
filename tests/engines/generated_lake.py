"""Lake of random changes in a folder, and what its queries must return, computed in plain Python as it is written."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby, islice
from typing import Any, Final

from kalshi_markets.columns import Column, Kind
from kalshi_markets.lake.columns import LAKE_DETAILS, LAKE_QUOTES
from kalshi_markets.lake.objects import (
    MARKER_KEY,
    ChangesObject,
    backlog_key,
    changes_key,
    compress,
    manifest_key,
    manifest_of,
)
from kalshi_markets.lake.storage import LakeStorage

FIRST_DAY: Final = date(2026, 11, 26)
DAYS: Final = 4
TODAY: Final = FIRST_DAY + timedelta(days=DAYS)
"""Day of the queries: all days of the lake are closed."""
MOMENT: Final = datetime.fromisoformat("2026-11-28T12:00:00")
"""Moment of the named query `As of a moment`."""
LAST_HOUR: Final = datetime.fromisoformat("2026-11-30T23:00:00")
SERIES: Final = ("KXBTCD", *(f"KXS{number}" for number in range(39)))
"""Series of the markets. The named query `Hourly mids` asks for the first one, up to LAST_HOUR."""
OBJECT_LINES: Final = 20_000
"""Maximum of lines of an object."""
CHANGES_OF_A_MARKET: Final = 50
DETAILS_SHARE: Final = 0.01
"""Share of the changes that change the details too."""
GAP_AFTER: Final = 0.4
"""Position of the recorded gap, as a share of the changes."""
GAP_LENGTH: Final = 7
"""Number of changes that the gap stands for."""
BACKLOG_TIME: Final = datetime.fromisoformat("2026-10-17T08:00:00")


@dataclass
class Market:
    """Market of the lake, in integers. Prices are in ten-thousandths of a dollar, quantities in hundredths."""

    ticker: str
    series: str
    bid: int = 4_900
    ask: int = 5_100
    volume: int = 0
    status: str = "active"
    result: str = ""
    settled_at: datetime | None = None

    def change(self, chance: random.Random, time: datetime) -> bool:
        """Change the market as trading does, and return whether its details changed. A few markets settle."""
        if self.status == "active" and chance.random() < 0.002:
            self.status, self.result, self.settled_at = "finalized", chance.choice(["yes", "no"]), time
            return True
        if chance.random() < 0.01:
            self.bid, self.ask = 0, 10_000
        else:
            self.bid = min(9_900, max(1, self.bid + chance.randint(-150, 150)))
            self.ask = min(10_000, self.bid + chance.randint(1, 300))
        self.volume += chance.randint(1, 10**7)
        return chance.random() < DETAILS_SHARE

    @property
    def mid(self) -> Decimal | None:
        """Middle of bid and ask, in dollars; None: the book is empty."""
        return None if (self.bid, self.ask) == (0, 10_000) else Decimal(self.bid + self.ask) / 20_000


@dataclass
class Expected:
    """Results that the engines must return.

    changes, details: number of versions by day, and of those with details.
    backlog: number of versions of the backlog.
    volume: sum of the volumes of all versions.
    now: bid, ask and volume of each active market.
    as_of: status and bid of each market at the moment.
    mids: mid of each market of the first series at the end of each hour that has one.
    settlements: series, result and time of each settled market.
    """

    changes: Counter[date] = field(default_factory=Counter)
    details: Counter[date] = field(default_factory=Counter)
    backlog: int = 0
    volume: Decimal = Decimal(0)
    now: dict[str, tuple[Decimal, Decimal, Decimal]] = field(default_factory=dict)
    as_of: dict[str, tuple[str, Decimal]] = field(default_factory=dict)
    mids: dict[str, dict[datetime, Decimal]] = field(default_factory=dict)
    settlements: dict[str, tuple[str, str, datetime]] = field(default_factory=dict)

    def filled_mids(self) -> dict[tuple[str, datetime], Decimal]:
        """Return the mids of all hours. An hour without a change has the mid of the hour before it."""
        filled: dict[tuple[str, datetime], Decimal] = {}
        for ticker, mids in self.mids.items():
            hour = min(mids)
            while hour <= LAST_HOUR:
                filled[ticker, hour] = mids.get(hour) or filled[ticker, hour - timedelta(hours=1)]
                hour += timedelta(hours=1)
        return filled


@dataclass
class GeneratedLake:
    """Writer of the lake. changes: number of versions, without the backlog."""

    storage: LakeStorage
    changes: int
    seed: int = 1
    expected: Expected = field(default_factory=Expected)
    markets: list[Market] = field(default_factory=list)

    def write(self) -> None:
        """Write the marker, the backlog, the objects of changes and the manifests of all days."""
        self.storage.put(MARKER_KEY, b'{"lake_id": "generated"}')
        number = max(len(SERIES), self.changes // CHANGES_OF_A_MARKET)
        self.markets = [Market(f"M-{index:06d}", SERIES[index % len(SERIES)]) for index in range(number)]
        self._write_backlog()
        for day, lines in groupby(self._lines(number), lambda line: line[1]):
            objects = [self._put(day, chunk) for chunk in _chunks(lines)]
            self.storage.put(manifest_key(day, objects[0].after), manifest_of(objects))

    def _write_backlog(self) -> None:
        lines = [_line(market, index, BACKLOG_TIME, True) for index, market in enumerate(self.markets, 1)]
        self.storage.put(backlog_key(len(lines), 0), compress("".join(lines)))
        self.expected.backlog = len(lines)
        for market in self.markets:
            self._expect(market, BACKLOG_TIME)

    def _put(self, day: date, lines: list[tuple[int, date, str]]) -> ChangesObject:
        after, body = lines[0][0], compress("".join(line for _, _, line in lines))
        self.storage.put(changes_key(day, after), body)
        return ChangesObject.of(after, day, body)

    def _lines(self, number: int) -> Iterator[tuple[int, date, str]]:
        """Yield the number of the change before each line, its day and the line."""
        chance = random.Random(self.seed)
        start = datetime.combine(FIRST_DAY, datetime.min.time())
        step = timedelta(days=DAYS) / (self.changes + 1)
        for index in range(self.changes):
            time, after = start + index * step, number
            if index == int(self.changes * GAP_AFTER):
                number += GAP_LENGTH
                gap = {"gap": "outbox full", "after": after, "change_number": number, "changed_at": _text(time)}
                yield after, time.date(), _json(gap)
                after = number
            number += chance.choice((1, 1, 1, 2))  # a transaction that is rolled back leaves a hole
            market = chance.choice(self.markets)
            has_details = market.change(chance, time)
            self._expect(market, time)
            self.expected.changes[time.date()] += 1
            self.expected.details[time.date()] += has_details
            yield after, time.date(), _line(market, number, time, has_details)

    def _expect(self, market: Market, time: datetime) -> None:
        expected = self.expected
        bid, ask, volume = Decimal(market.bid) / 10_000, Decimal(market.ask) / 10_000, Decimal(market.volume) / 100
        expected.volume += volume
        expected.now[market.ticker] = (bid, ask, volume)
        if time <= MOMENT:
            expected.as_of[market.ticker] = (market.status, bid)
        if market.series == SERIES[0] and time > BACKLOG_TIME and market.mid is not None:
            hour = time.replace(minute=0, second=0, microsecond=0)
            expected.mids.setdefault(market.ticker, {})[hour] = market.mid
        if market.settled_at:
            del expected.now[market.ticker]
            expected.settlements[market.ticker] = (market.series, market.result, market.settled_at)


def _chunks(lines: Iterator[tuple[int, date, str]]) -> Iterator[list[tuple[int, date, str]]]:
    while chunk := list(islice(lines, OBJECT_LINES)):
        yield chunk


def _line(market: Market, number: int, time: datetime, has_details: bool) -> str:
    values: dict[str, Any] = {
        **_DEFAULTS,
        "ticker": market.ticker,
        "series_ticker": market.series,
        "status": market.status,
        "result": market.result,
        "settlement_ts": market.settled_at and _text(market.settled_at),
        "yes_bid_dollars": _decimal(market.bid, 4),
        "yes_ask_dollars": _decimal(market.ask, 4),
        "volume": _decimal(market.volume, 2),
        "removed_at": None,
        "title": f'Is "{market.ticker}" above\nthe line?',
        "change_number": number,
        "changed_at": _text(time),
    }
    line = {column.name: values[column.name] for column in LAKE_QUOTES}
    details = {column.name: values[column.name] for column in LAKE_DETAILS} if has_details else None
    return _json(line | {"details": details})


def _default(column: Column) -> Any:
    match column.kind:
        case Kind.NUMBER:
            return 1 if column.sql_type != "numeric" else "1"
        case Kind.TIME:
            return "2026-12-01 00:00:00.250000"
        case Kind.BOOLEAN:
            return True
        case Kind.JSON:
            return '{"a": [1, "b"]}'
    return "x"


_DEFAULTS: Final = {column.name: _default(column) for column in (*LAKE_QUOTES, *LAKE_DETAILS)}


def _decimal(value: int, places: int) -> str:
    """Return a number as PostgreSQL writes it after trim_scale."""
    text = f"{value // 10**places}.{value % 10**places:0{places}d}"
    return text.rstrip("0").rstrip(".")


def _text(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S.%f")


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"
