"""Trades of both tiers as one listing: every trade exactly once, in order, whatever the exchange does."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final, get_args

import pytest

from api.trades import reading
from api.trades.page import Page, read_page
from api.trades.position import Order, Position
from api.trades.reading import Run
from api.trades.tier import MAX_REPEATS, Span
from kalshi_markets.exchange import ExchangeUnavailable, InvalidResponse
from kalshi_markets.exchange.trades import MICROSECONDS_PER_SECOND, Trade, TradePage

SECOND: Final = MICROSECONDS_PER_SECOND
ORDERS: Final = get_args(Order)


class FakeExchange:
    """Exchange that lists the trades of one market in two tiers.

    overlap: share of the trades on the wrong side of the cutoff that a tier has too.
    faults: probability of an empty page and of a repeated cursor.
    errors: probability of an error.
    move: probability that the cutoff moves before a call.
    """

    def __init__(
        self,
        trades: Sequence[Trade],
        cutoff: int,
        *,
        draw: random.Random | None = None,
        max_page: int = 1000,
        overlap: float = 0,
        faults: float = 0,
        errors: float = 0,
        move: float = 0,
    ) -> None:
        self.trades, self.present_cutoff = trades, cutoff
        self.known_cutoff = 0
        self.calls: list[str] = []
        self._draw = draw or random.Random(0)
        self._max_page, self._overlap, self._move = max_page, overlap, move
        self._faults, self._errors = faults, errors
        self._chances = {trade.trade_id: self._draw.random() for trade in trades}
        self._was_faulty = False

    async def cutoff(self) -> int:
        self._call("cutoff")
        self.known_cutoff = max(self.known_cutoff, self.present_cutoff)
        return self.known_cutoff

    async def page(self, span: Span, cursor: str | None, limit: int, *, archived: bool) -> TradePage:
        self._call("archive" if archived else "live")
        slack = self._draw.choice([0, 1, SECOND, 2 * SECOND])
        rows = sorted(
            (
                trade
                for trade in self.trades
                if span.start - slack <= trade.created <= span.end + slack and self._has(trade, archived=archived)
            ),
            key=self._key,
            reverse=True,
        )
        if cursor:
            created, tie = cursor.split("/")
            rows = [trade for trade in rows if self._key(trade) < (int(created), float(tie))]
        if rows and not self._was_faulty and self._draw.random() < self._faults:
            self._was_faulty = True
            if cursor and self._draw.random() < 0.5:
                return TradePage(rows[:limit], cursor)
            at, chance = self._key(rows[0])
            return TradePage([], f"{at}/{chance + 1e-9}")
        self._was_faulty = False
        page = rows[: min(limit, self._max_page)]
        if len(page) == len(rows):
            return TradePage(page, None)
        at, chance = self._key(page[-1])
        return TradePage(page, f"{at}/{chance}")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self._draw.random() < self._move:
            self.present_cutoff += self._draw.randrange(200 * SECOND)
        if self._draw.random() < self._errors:
            raise ExchangeUnavailable("the exchange returned 503: fault")

    def _has(self, trade: Trade, *, archived: bool) -> bool:
        return (trade.created < self.present_cutoff) == archived or self._chances[trade.trade_id] < self._overlap

    def _key(self, trade: Trade) -> tuple[int, float]:
        """Order of the exchange's listing. That of the trades of one instant is its own."""
        return trade.created, self._chances[trade.trade_id]


class MemoryCache:
    """Cache of every run that was stored."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    async def get(self, span: Span, order: Order, wanted: int) -> Run:
        return self._next(span, order) or Run.empty(span, order)

    async def store(self, run: Run) -> None:
        self.runs.append(run)

    def _next(self, rest: Span, order: Order) -> Run | None:
        first = rest.start if order == "oldest" else rest.end
        for span, trades in self.runs:
            if span.start <= first <= span.end:
                part = Span(max(span.start, rest.start), min(span.end, rest.end))
                inside = sorted(trade for trade in trades if part.start <= trade.created <= part.end)
                return Run(part, inside if order == "oldest" else inside[::-1])
        return None


def make_trades(draw: random.Random, count: int, seconds: int) -> list[Trade]:
    """Return trades in bursts, several of them in one instant."""
    bursts = [draw.randrange(seconds * SECOND) for _ in range(draw.randint(1, 8))]
    trades = []
    for number in range(count):
        match draw.randrange(4):
            case 0:
                created = draw.choice(bursts)
            case 1:
                created = min(seconds * SECOND, draw.choice(bursts) + draw.randrange(3 * SECOND))
            case 2:
                created = draw.randrange(seconds) * SECOND
            case _:
                created = draw.randrange(seconds * SECOND)
        trades.append(Trade(created, f"id-{draw.randrange(10**9)}-{number}", "{}"))
    return trades


def read_all(
    exchange: FakeExchange,
    span: Span,
    order: Order,
    draw: random.Random,
    limits: Sequence[int],
    cache: MemoryCache | None = None,
) -> list[Trade]:
    """Follow the positions to the end, with another limit each time. Failed requests are repeated."""
    trades: list[Trade] = []
    position: Position | None = None
    for _ in range(20_000):
        limit = draw.choice(limits)
        if draw.random() < 0.3:
            exchange.known_cutoff = 0  # another process answers
        try:
            page = asyncio.run(read_page(exchange, span, order, limit, position, cache))
        except ExchangeUnavailable:
            continue
        assert len(page.trades) <= limit
        trades += page.trades
        position = page.position
        if position is None:
            return trades
    raise AssertionError("the listing does not end")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", range(150))
def test_every_trade_is_listed_exactly_once_in_order(seed: int, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    monkeypatch.setattr(reading, "MAX_TRADES", 40)
    monkeypatch.setattr(reading, "MIN_WINDOW_TRADES", draw.choice([1, 10, 60]))
    monkeypatch.setattr(reading, "MAX_WINDOW_TRADES", 100)
    seconds = draw.choice([1, 60, 5000])
    trades = make_trades(draw, draw.choice([0, 1, 30, 400]), seconds)
    exchange = FakeExchange(
        trades,
        draw.choice([0, draw.randrange(seconds * SECOND), 2 * seconds * SECOND]),
        draw=draw,
        max_page=draw.choice([3, 17, 1000]),
        overlap=draw.choice([0, 0.5, 1]),
        faults=draw.choice([0, 0.05, 0.2]),
        errors=draw.choice([0, 0.02]),
        move=draw.choice([0, 0.05]),
    )
    bounds = sorted(draw.randrange(seconds * SECOND + 1) for _ in range(2))
    span = draw.choice([Span(0, seconds * SECOND), Span(*bounds)])
    expected = sorted(trade for trade in trades if span.start <= trade.created <= span.end)
    if order == "newest":
        expected.reverse()
    assert read_all(exchange, span, order, draw, [1, 7, 100]) == expected


@pytest.mark.parametrize("seed", range(40))
def test_cached_trades_are_listed_as_those_of_the_exchange(seed: int) -> None:
    draw = random.Random(seed)
    trades = sorted(make_trades(draw, 300, 600))
    exchange = FakeExchange(trades, 300 * SECOND, draw=draw, max_page=50, faults=0.05, errors=0.02)
    cache = MemoryCache()
    for order, bounds in [(draw.choice(ORDERS), sorted(draw.randrange(600) for _ in range(2))) for _ in range(4)]:
        span = Span(bounds[0] * SECOND, bounds[1] * SECOND)
        expected = [trade for trade in trades if span.start <= trade.created <= span.end]
        for _ in range(2):
            listed = read_all(exchange, span, order, draw, [1, 7, 100], cache)
            assert listed == (expected if order == "oldest" else expected[::-1])
        exchange.calls.clear()
        read_all(exchange, span, order, draw, [50], cache)
        assert exchange.calls == []


def read(exchange: FakeExchange, order: Order, limit: int, end: int, after: Position | None = None) -> Page:
    return asyncio.run(read_page(exchange, Span(0, end), order, limit, after))


def evenly(count: int, distance: int) -> list[Trade]:
    return [Trade(number * distance, f"id-{number}", "{}") for number in range(count)]


def test_the_newest_trades_take_one_page_and_the_cutoff() -> None:
    exchange = FakeExchange(evenly(5000, SECOND), cutoff=0)
    assert len(read(exchange, "newest", 100, 10_000 * SECOND).trades) == 100
    assert exchange.calls == ["live", "cutoff"]


def test_a_span_before_the_known_cutoff_is_read_from_the_archive_only() -> None:
    exchange = FakeExchange(evenly(5000, SECOND), cutoff=9000 * SECOND)
    exchange.known_cutoff = exchange.present_cutoff
    for order in ORDERS:
        exchange.calls.clear()
        assert len(read(exchange, order, 5000, 6000 * SECOND).trades) == 5000
        assert set(exchange.calls) == {"archive"}


def test_a_small_market_takes_one_window_whatever_the_order() -> None:
    exchange = FakeExchange(evenly(900, 1000 * SECOND), cutoff=0)
    exchange.known_cutoff = 1
    exchange.present_cutoff = 1
    assert read(exchange, "oldest", 1000, 10**6 * SECOND).position is None
    assert exchange.calls == ["archive", "live", "cutoff"]


def test_windows_follow_the_density_of_the_trades() -> None:
    """The oldest of 100,000 trades need a few calls, and with the length of the window in the position fewer."""
    exchange = FakeExchange(evenly(100_000, SECOND), cutoff=-1)
    exchange.known_cutoff = exchange.present_cutoff
    page = read(exchange, "oldest", 100, 100_000 * SECOND)
    assert len(exchange.calls) <= 5
    exchange.calls.clear()
    assert page.position
    assert len(read(exchange, "oldest", 100, 100_000 * SECOND, page.position).trades) == 100
    assert exchange.calls == ["live", "cutoff"]


def test_an_empty_stretch_of_years_takes_few_calls() -> None:
    years = 5 * 365 * 86_400
    late = [Trade(years * SECOND + trade.created, trade.trade_id, "{}") for trade in evenly(10_000, SECOND)]
    exchange = FakeExchange(late, cutoff=0)
    page = read(exchange, "oldest", 100, (years + 20_000) * SECOND)
    assert page.trades == late[:100]
    assert len(exchange.calls) < 40


def test_a_cutoff_that_moves_while_trades_are_read_leaves_no_hole() -> None:
    trades = evenly(100, SECOND)
    for order in ORDERS:
        exchange = FakeExchange(trades, cutoff=10 * SECOND)
        exchange.known_cutoff = 10 * SECOND
        exchange.present_cutoff = 50 * SECOND  # moved since; the live tier has only what is newer
        assert sorted(read(exchange, order, 1000, 100 * SECOND).trades) == trades


def test_a_failure_after_complete_trades_is_a_short_page() -> None:
    class Failing(FakeExchange):
        async def page(self, span: Span, cursor: str | None, limit: int, *, archived: bool) -> TradePage:
            if archived:
                raise ExchangeUnavailable("the exchange did not respond before the deadline.")
            return await super().page(span, cursor, limit, archived=archived)

    trades = evenly(100, SECOND)
    page = read(Failing(trades, cutoff=50 * SECOND), "newest", 1000, 100 * SECOND)
    assert page == Page(trades[:49:-1], Position(50 * SECOND, ""))
    with pytest.raises(ExchangeUnavailable):
        read(Failing(trades, cutoff=50 * SECOND), "newest", 1000, 100 * SECOND, page.position)
    with pytest.raises(ExchangeUnavailable):
        read(Failing(trades, cutoff=50 * SECOND), "oldest", 1000, 100 * SECOND)


def test_a_cursor_that_repeats_for_ever_is_an_error() -> None:
    class Repeating(FakeExchange):
        async def page(self, span: Span, cursor: str | None, limit: int, *, archived: bool) -> TradePage:
            page = await super().page(span, None, 10, archived=archived)
            return TradePage(page.trades, "the same")

    exchange = Repeating(evenly(2, SECOND), cutoff=0)
    with pytest.raises(InvalidResponse, match="a cursor repeats"):
        read(exchange, "newest", 10, SECOND)
    assert exchange.calls.count("live") == MAX_REPEATS + 2


def test_trades_out_of_order_are_an_error() -> None:
    class Unsorted(FakeExchange):
        async def page(self, span: Span, cursor: str | None, limit: int, *, archived: bool) -> TradePage:
            self.calls.append("live")
            middle = len(self.trades) // 2
            return TradePage(self.trades[middle:], None) if cursor else TradePage(self.trades[:middle], "next")

    with pytest.raises(InvalidResponse, match="not sorted"):
        read(Unsorted(evenly(10, SECOND), cutoff=0), "newest", 10, 20 * SECOND)
