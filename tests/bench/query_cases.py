"""Queries of the benchmark: each filter alone, each order, combinations, patterns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from api.markets.parameters import FILTERS, SORT_ORDERS
from tests.bench.samples import Sample, texts, words
from tests.bench.server import TABLE, Connection
from tests.bench.table import NOW, run

ORIGINAL: Final = "title_regex=bitcoin|ethereum&volume__gte=1000"


@dataclass(frozen=True)
class Case:
    """Named query of GET /markets."""

    name: str
    url: str


def _case(name: str, **parameters: object) -> Case:
    query = "&".join(f"{key}={quote(str(value), safe='')}" for key, value in {**parameters, "limit": 100}.items())
    return Case(name, f"/markets?{query}")


def filters(sampled: Mapping[str, Sample]) -> Iterator[Case]:
    """Yield each filter with a selective and an unselective value, then other parameters that narrow the results."""
    for name, narrowing in FILTERS.items():
        column = narrowing.column.name
        rare, common = sampled[column].of(name.removeprefix(column))
        values = {"rare": rare, "common": common} if rare != common else {"any": rare}
        for kind, value in values.items():
            yield _case(f"{name}={_short(value)} ({kind})", **{name: value})
    for minutes in (5, 1_000_000):
        yield _case(f"min_duration_minutes={minutes}", min_duration_minutes=minutes)
    for minutes in (1, 100_000):
        yield _case(f"max_duration_minutes={minutes}", max_duration_minutes=minutes)
    for number in (0, int(sampled["change_number"].high)):
        yield _case(f"changed_since={number}", changed_since=number)


def orders() -> Iterator[Case]:
    """Yield each order in both directions."""
    for order in SORT_ORDERS:
        for direction in ("desc", "asc"):
            active = {"status": "active"} if SORT_ORDERS[order].only_unsettled else {}
            yield _case(f"order_by={order} {direction}", **active, order_by=order, order_direction=direction)


def patterns(connection: Connection, rows: int) -> Iterator[Case]:
    """Yield patterns of three letters in the texts, rare and common."""
    for column in ("title", "rules_primary"):
        sample = texts(connection, column, rows)
        # Trigrams within words: rare words are longer than common ones.
        pieces = [
            " ".join(word[at : at + 3] for word in text.split() for at in range(len(word) - 2)) for text in sample
        ]
        for kind, letters in zip(("rare", "common"), words(pieces, min_length=3), strict=True):
            yield _case(f"{column}__icontains={letters} ({kind})", **{f"{column}__icontains": letters})
            yield _case(f"{column}_regex={letters} ({kind})", **{f"{column}_regex": letters})


def combinations(connection: Connection, sampled: Mapping[str, Sample]) -> Iterator[Case]:
    """Yield the original service's example and twelve likely combinations."""
    yield Case("the original's example", f"/markets?{ORIGINAL.replace('|', '%7C')}&limit=100")
    series = _value_at_rank(connection, "series_ticker", "status = 'active'")
    category = _value_at_rank(connection, "category")
    rarer = _value_at_rank(connection, "category", "status = 'active'", 3)
    event = _value_at_rank(connection, "event_ticker", "status = 'finalized'")
    word = sampled["title"].common_word
    day = {"settlement_ts__gte": _at(days=-1), "settlement_ts__lt": _at()}
    active = {"status": "active"}
    yield _case(f"1 common word ({word}), recent", title__icontains=word)
    yield _case("2 series, active, by volume", series_ticker=series, **active, order_by="volume")
    soon = {"close_time__gte": _at(), "close_time__lt": _at(hours=1)}
    yield _case("3 closing within an hour", **active, **soon, order_by="close_time", order_direction="asc")
    yield _case("4 category by liquidity", category=category, order_by="liquidity")
    yield _case("5 settled yesterday, volume over a million", **day, volume__gt=1_000_000)
    yield _case("6 duration under 20 minutes", max_duration_minutes=20)
    yield _case("7 active of a category by volume", **active, category=rarer, order_by="volume")
    yield _case("8 an event by ticker", event_ticker=event, order_by="ticker", order_direction="asc")
    yield _case("9 yes of yesterday by volume", result="yes", **day, order_by="volume")
    yield _case("10 word, active, by close time", title__icontains="bitcoin", **active, order_by="close_time")
    yield _case("11 strikes of a category", category=category, strike_type="greater", floor_strike__gte=100)
    yield _case("12 traded today by open interest", **active, volume_24h__gt=1000, order_by="open_interest")


def _value_at_rank(connection: Connection, column: str, where: str = "true", rank: int = 1) -> str:
    """Return the value with this rank by frequency."""
    grouped = f"SELECT {column} FROM {TABLE}_details WHERE {where} GROUP BY 1 ORDER BY count(*) DESC, 1"
    return str(run(connection, f"{grouped} LIMIT 1 OFFSET {rank - 1}")[0][0])


def _at(**later: int) -> str:
    return f"{datetime.fromtimestamp(NOW, UTC) + timedelta(**later):%Y-%m-%dT%H:%M:%SZ}"


def _short(value: str) -> str:
    shown = " ".join(value.split())
    return shown if len(shown) <= 28 else f"{shown[:27]}…"
