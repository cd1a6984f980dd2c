"""Trades of the API over the simulated exchange: every trade exactly once, whatever the request and the faults."""

import csv
import io
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, get_args

import httpx
import pytest

from api.trades.position import Order
from kalshi_markets.database import Database
from kalshi_markets.exchange import transport
from local.exchange.catalogue import Market, MarketFilter
from local.exchange.catalogue import Order as ListingOrder
from local.exchange.clock import DAY, SECOND, Clock, parse
from local.exchange.generated.exchange import GeneratedExchange
from local.exchange.http.server import ExchangeServer
from local.exchange.trades import Trade, TradeFilter, trades_after
from tests.integration.test_candlesticks import api
from tests.support.api_client import ApiClient, ApiResponse, error, escaped
from tests.support.database import connect, delete_market, store_markets

START = parse("2026-11-24T12:00:00Z")
ORDERS = get_args(Order)
FAULTS: list[list[dict[str, Any]]] = [
    [],
    [{"kind": "429", "probability": 0.1}],
    [{"kind": "5xx", "probability": 0.1, "seed": 1}],
    [{"kind": "cut", "bytes": 50, "probability": 0.1}],
    [{"kind": "empty_page", "path": "*trades*", "probability": 0.5}],
    [{"kind": "null_list", "path": "*trades*", "probability": 0.5}],
    [{"kind": "short_page", "path": "*trades*", "rows": 7}],
    [{"kind": "repeated_cursor", "path": "*trades*", "probability": 0.3}],
    [{"kind": "ignored_filters", "path": "*trades*", "probability": 0.5}],
    [{"kind": "latency", "seconds": 0.02}],
]

__all__ = ["api"]

Api = Callable[..., ApiClient]


@pytest.fixture(scope="module")
def server() -> Iterator[ExchangeServer]:
    with ExchangeServer(GeneratedExchange(5, 400, Clock(START, speed=0), 600)) as server:
        yield server


@pytest.fixture(scope="module")
def traded(server: ExchangeServer, environment: Mapping[str, str]) -> list[Market]:
    """Store the traded markets of both tiers in the table, and return those with the most trades first."""
    rows = [
        market
        for archived in (False, True)
        for _, market in server.exchange.markets(ListingOrder.CREATED, None, MarketFilter(archived=archived))
        if market.tape.count(server.exchange.clock.now())
    ]
    markets = list({market.ticker: market for market in rows}.values())
    database = connect(environment)
    store_markets(database, *(json.loads(market.json, parse_float=Decimal) for market in markets))
    database.close()
    return sorted(markets, key=lambda market: -market.tape.trades)


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "INITIAL_BACKOFF", 0.01)


@pytest.fixture
def faults(server: ExchangeServer) -> Iterator[Callable[[Sequence[Any]], None]]:
    """Yield a function that sets the exchange's faults."""
    url = server.url.removesuffix("/trade-api/v2") + "/admin/faults"

    def set_faults(rules: Sequence[Any]) -> None:
        assert httpx.post(url, json=rules, timeout=60).status_code == 200

    yield set_faults
    httpx.delete(url, timeout=60).raise_for_status()


def expected(server: ExchangeServer, ticker: str, first: int | None = None, last: int | None = None) -> list[Trade]:
    """Return the trades of a market in both tiers, oldest first. first, last: Unix seconds, both included."""
    start, end = first and first * SECOND, last and last * SECOND
    trades = {
        trade.id: trade
        for archived in (False, True)
        for _, trade in trades_after(server.exchange, None, TradeFilter(ticker, start, end, archived=archived))
    }
    return sorted(trades.values(), key=lambda trade: trade.position)


def listed(api: ApiClient, ticker: str, limit: Callable[[], int], **parameters: str) -> list[dict[str, Any]]:
    """Return the trades of all pages."""
    trades: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for _ in range(3000):
        query = escaped(**parameters, limit=str(limit()), **cursor)
        answer = api.get(f"/markets/{ticker}/trades?{query}", accept_encoding="gzip")
        if answer.status == 503:
            continue
        page = answer.json
        assert answer.status == 200, answer.text
        assert page["count"] == len(page["items"])
        trades += page["items"]
        if page["next_cursor"] is None:
            assert page["next_url"] is None
            return trades
        cursor = {"cursor": page["next_cursor"]}
    raise AssertionError("the listing does not end")


@pytest.mark.parametrize("rules", FAULTS, ids=[str(rules[0]["kind"]) if rules else "none" for rules in FAULTS])
@pytest.mark.parametrize("order", ORDERS)
def test_every_trade_is_listed_exactly_once_whatever_the_range_the_pages_and_the_faults(
    api: Api,
    server: ExchangeServer,
    traded: list[Market],
    faults: Callable[[Sequence[Any]], None],
    order: Order,
    rules: list[Any],
) -> None:
    draw = random.Random(f"{order}{rules}")
    function = api(server, CANDLE_CACHE_MB=draw.choice(["0", "64"]))
    faults(rules)
    for market in draw.sample([market for market in traded if 20 < market.tape.trades < 700], 4):
        times = [trade.at // SECOND for trade in expected(server, market.ticker)]
        low, high = sorted(draw.randrange(times[0] - 9, times[-1] + 9) for _ in range(2))
        bounds = draw.choice([{}, {"min_ts": low}, {"max_ts": high}, {"min_ts": low, "max_ts": high}])
        wanted = expected(server, market.ticker, bounds.get("min_ts"), bounds.get("max_ts"))
        largest = draw.choice([len(wanted) // 3 + 1, 10_000])
        texts = {name: str(value) for name, value in bounds.items()}
        got = listed(function, market.ticker, lambda: draw.randint(max(1, largest // 2), largest), order=order, **texts)  # noqa: B023
        rows = [json.loads(trade.json) for trade in wanted]
        assert got == (rows if order == "oldest" else rows[::-1])


def test_both_tiers_have_trades_of_one_market(server: ExchangeServer, traded: list[Market]) -> None:
    """The markets of the other tests have trades on both sides of the cutoff."""
    cutoff, now = server.exchange.cutoff, server.exchange.clock.now()
    small = [market.tape for market in traded if 20 < market.tape.trades < 700]
    assert sum(0 < tape.count(cutoff) < tape.count(now) for tape in small) > len(small) / 10


@pytest.mark.parametrize("period", [60, 1440])
def test_the_sizes_of_trades_add_up_to_the_volumes_of_candles(
    api: Api, server: ExchangeServer, traded: list[Market], period: int
) -> None:
    function = api(server)
    now = server.exchange.clock.now() // SECOND
    for market in random.Random(period).sample([market for market in traded if 50 < market.tape.trades < 1500], 4):
        trades = listed(function, market.ticker, lambda: 10_000, order="oldest")
        times = [parse(trade["created_time"]) for trade in trades]
        start = times[0] // SECOND
        answer = function.get(
            f"/markets/{market.ticker}/candlesticks?start_ts={start}&end_ts={now + 2 * 86_400}&period_interval={period}",
            accept_encoding="gzip",
        )
        candles = answer.json["candlesticks"]
        assert candles
        assert sum(Decimal(candle["volume_fp"]) for candle in candles) == sum(Decimal(t["count_fp"]) for t in trades)
        for candle in random.Random(period).sample(candles, min(20, len(candles))):
            end = candle["end_period_ts"] * SECOND
            before = max((c["end_period_ts"] * SECOND for c in candles if c["end_period_ts"] * SECOND < end), default=0)
            inside = [t for t, time in zip(trades, times, strict=True) if before < time <= end]
            assert Decimal(candle["volume_fp"]) == sum((Decimal(t["count_fp"]) for t in inside), Decimal(0))


def fetch(api: ApiClient, market: Market, query: str = "", **headers: str) -> ApiResponse:
    answer = api.get(f"/markets/{market.ticker}/trades?{query}", **headers)
    assert answer.status == 200, answer.text
    return answer


def test_the_default_is_the_newest_hundred(api: Api, server: ExchangeServer, traded: list[Market]) -> None:
    answer = fetch(api(server), traded[0]).json
    assert list(answer) == ["items", "count", "next_cursor", "next_url"]
    rows = [json.loads(trade.json) for trade in expected(server, traded[0].ticker)]
    assert answer["items"] == rows[::-1][:100]


def test_ndjson_and_csv_have_the_same_trades(api: Api, server: ExchangeServer, traded: list[Market]) -> None:
    function = api(server)
    page = fetch(function, traded[0], "limit=50").json
    ndjson = fetch(function, traded[0], "limit=50&format=ndjson")
    assert [json.loads(line) for line in ndjson.text.splitlines()] == page["items"]
    text = fetch(function, traded[0], "limit=50", accept="text/csv")
    assert text.headers["content-type"].startswith("text/csv")
    for answer in (ndjson, text):
        assert answer.headers["x-next-cursor"] == page["next_cursor"]
        assert page["next_url"] in answer.headers["link"].replace("&format=ndjson", "")
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert len(rows) == 50
    assert set(rows[0]) == page["items"][0].keys() - {"taker_side"}
    for row, trade in zip(rows, page["items"], strict=True):
        assert row == {name: str(trade[name]).lower() if name == "is_block_trade" else trade[name] for name in row}
    assert text.text.splitlines()[1].startswith(f'"{page["items"][0]["trade_id"]}",')


def test_ten_thousand_trades_fit_into_a_response(api: Api, server: ExchangeServer, traded: list[Market]) -> None:
    count = min(10_000, len(expected(server, traded[0].ticker)))
    answer = fetch(api(server), traded[0], "limit=10000")
    assert answer.json["count"] == count > 5_000
    assert answer.size < 6_291_556


def test_trades_of_settled_markets_are_cached_and_no_others(
    api: Api, server: ExchangeServer, traded: list[Market], database: Database
) -> None:
    function = api(server)
    status = {market.ticker: json.loads(market.json)["status"] for market in traded}
    seen: set[str] = set()
    for market in traded:
        if status[market.ticker] in seen or market.tape.trades > 3000:
            continue
        seen.add(status[market.ticker])
        first = listed(function, market.ticker, lambda: 300)
        before = function.resources.exchange.requests
        assert listed(function, market.ticker, lambda: 200) == first
        assert listed(function, market.ticker, lambda: 500, order="oldest") == first[::-1]
        assert (function.resources.exchange.requests == before) == (status[market.ticker] == "finalized")
    assert {"active", "finalized"} < seen
    tickers = database.query("SELECT DISTINCT ticker FROM kalshi_markets_candles WHERE period = 0")
    assert {status[ticker] for (ticker,) in tickers} == {"finalized"}


def test_a_market_that_is_not_in_the_table_is_looked_for_on_the_exchange(
    api: Api, server: ExchangeServer, traded: list[Market], database: Database
) -> None:
    function, ticker = api(server), traded[5].ticker
    delete_market(database, ticker)
    assert fetch(function, traded[5], "limit=1").json["count"] == 1
    assert fetch(function, traded[5], "max_ts=1000000000").json == {
        "items": [],
        "count": 0,
        "next_cursor": None,
        "next_url": None,
    }
    store_markets(database, json.loads(traded[5].json, parse_float=Decimal))
    error(function.get("/markets/KXNOSUCH-1/trades"), 404, "market_not_found")
    error(function.get("/markets/a'b/trades"), 404, "market_not_found")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("min_ts=5&max_ts=4", "min_ts"),
        ("min_ts=1795521600000", "min_ts"),
        ("max_ts=soon", "max_ts"),
        ("order=up", "order"),
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("cursor=nonsense", "cursor"),
        ("limit=1&limit=2", "limit"),
        ("format=xml", "format"),
    ],
)
def test_an_invalid_parameter_is_a_422(api: Api, server: ExchangeServer, query: str, name: str) -> None:
    body = error(api(server).get(f"/markets/A/trades?{query}"), 422, "invalid_parameter")
    assert body["detail"][0]["loc"] == ["query", name]


def test_a_cursor_belongs_to_its_request(api: Api, server: ExchangeServer, traded: list[Market]) -> None:
    function = api(server)
    cursor = fetch(function, traded[0], "limit=1").json["next_cursor"]
    assert fetch(function, traded[0], f"limit=2&cursor={cursor}&format=csv").status == 200
    for path in (f"{traded[1].ticker}/trades?", f"{traded[0].ticker}/trades?order=oldest&"):
        body = error(function.get(f"/markets/{path}cursor={cursor}"), 422, "invalid_parameter")
        assert "another query" in body["detail"][0]["msg"]
    error(function.get("/markets/A/trades?ordr=oldest"), 422, "unknown_parameter")


def test_an_unavailable_exchange_is_a_503(
    api: Api,
    server: ExchangeServer,
    traded: list[Market],
    faults: Callable[[Sequence[Any]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults([{"kind": "5xx", "path": "*trades*"}])
    ticker = next(market.ticker for market in traded if json.loads(market.json)["status"] == "active")
    error(api(server).get(f"/markets/{ticker}/trades"), 503, "exchange_unavailable")
    faults([{"kind": "latency", "seconds": 3}])
    monkeypatch.setattr("api.app.RESPONSE_RESERVE_SECONDS", 28.0)
    body = error(api(server).get(f"/markets/{ticker}/trades"), 503, "exchange_unavailable")
    assert "deadline" in body["detail"]


def test_a_page_that_the_deadline_ends_continues_where_it_ended(
    api: Api,
    server: ExchangeServer,
    traded: list[Market],
    faults: Callable[[Sequence[Any]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = next(market for market in traded if market.tape.trades < 9000)
    rows = [json.loads(trade.json) for trade in expected(server, market.ticker)]
    assert len(rows) > 5000
    faults([{"kind": "latency", "seconds": 0.5, "path": "*trades*"}])
    monkeypatch.setattr("api.app.RESPONSE_RESERVE_SECONDS", 23.0)  # 6 s, of which 2 s are for the cutoff
    monkeypatch.setattr("api.trades.reading.MAX_WINDOW_TRADES", 1000)
    for order in ORDERS:
        function = api(server, CANDLE_CACHE_MB="0")
        page = fetch(function, market, f"limit=10000&order={order}").json
        assert page["truncated"] is True
        assert 0 < page["count"] < len(rows)
        faults([])
        rest = fetch(function, market, f"limit=10000&order={order}&cursor={page['next_cursor']}").json
        assert page["items"] + rest["items"] == (rows if order == "oldest" else rows[::-1])
        faults([{"kind": "latency", "seconds": 0.5, "path": "*trades*"}])


def test_the_cutoff_moves_between_two_pages(api: Api, server: ExchangeServer, traded: list[Market]) -> None:
    """Trades that were live for the first page are in the archive for the second one."""
    clock = server.exchange.clock
    live = {market.ticker for market in traded if json.loads(market.json)["status"] == "active"}
    market = next(market for market in traded if market.tape.trades < 3000 and market.ticker in live)
    rows = [json.loads(trade.json) for trade in expected(server, market.ticker)]
    for order in ORDERS:
        clock.set(START)
        function = api(server, CANDLE_CACHE_MB="0")
        parameters = f"limit={len(rows) // 4}&order={order}&max_ts={START // SECOND}"
        first = fetch(function, market, parameters).json
        clock.set(START + 30 * DAY)
        items = first["items"] + fetch(function, market, f"{parameters}&cursor={first['next_cursor']}").json["items"]
        ordered = rows if order == "oldest" else rows[::-1]
        assert items == ordered[: 2 * (len(rows) // 4)]
    clock.set(START)
