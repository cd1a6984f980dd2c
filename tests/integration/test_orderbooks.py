"""Order books of the API over the simulated exchange."""

import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import httpx
import pytest

from kalshi_markets.exchange import transport
from local.exchange.catalogue import MarketFilter, Order
from local.exchange.clock import Clock, parse
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from tests.integration.test_candlesticks import api
from tests.support.api_client import ApiClient, error
from tests.support.scripted_server import Reply, ScriptedServer

__all__ = ["api"]

Api = Callable[..., ApiClient]


@pytest.fixture(scope="module")
def server() -> Iterator[ExchangeServer]:
    with ExchangeServer(generate(3, 700, Clock(parse("2026-11-24T12:00:00Z"), speed=0))) as server:
        yield server


@pytest.fixture(scope="module")
def active(server: ExchangeServer) -> list[str]:
    """Return the tickers of active markets with quotes."""
    rows = [
        json.loads(market.json)
        for _, market in server.exchange.markets(Order.CREATED, None, MarketFilter(combos=False))
    ]
    return [row["ticker"] for row in rows if row["status"] == "active" and "0.0000" < row["yes_bid_dollars"] < "1.0000"]


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "INITIAL_BACKOFF", 0.01)


def bids(server: ExchangeServer, ticker: str) -> dict[str, list[list[str]]]:
    """Return the exchange's bids of both sides, best first."""
    book = httpx.get(f"{server.url}/markets/{ticker}/orderbook", timeout=60).json()["orderbook_fp"]
    return {side: sorted(book[f"{side}_dollars"], key=lambda level: -Decimal(level[0])) for side in ("yes", "no")}


def asks(levels: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[str(1 - Decimal(price)), size] for price, size in levels]


@pytest.mark.parametrize("depth", [None, 0, 1, 3])
def test_an_order_book_has_the_bids_of_both_sides_and_the_asks_that_they_imply(
    api: Api, server: ExchangeServer, active: list[str], depth: int | None
) -> None:
    function = api(server)
    for ticker in active[:5]:
        answer = function.get(f"/markets/{ticker}/orderbook" + ("" if depth is None else f"?depth={depth}"))
        assert (answer.status, answer.headers["cache-control"]) == (200, "max-age=1")
        assert list(answer.json) == ["ticker", "orderbook"]
        book, sides = answer.json["orderbook"], bids(server, ticker)
        yes, no = (sides[side][: depth or None] for side in ("yes", "no"))
        assert yes
        assert book == {"yes_bids": yes, "yes_asks": asks(no), "no_bids": no, "no_asks": asks(yes)}


def test_the_best_levels_are_the_quotes_of_the_market(api: Api, server: ExchangeServer, active: list[str]) -> None:
    results = api(server).post("/markets/orderbooks", {"tickers": active, "depth": 1}).json["results"]
    for result in results:
        market = server.exchange.market(result["ticker"])
        assert market
        fields = json.loads(market.json)
        for side, name in (("yes_bids", "yes_bid"), ("yes_asks", "yes_ask"), ("no_bids", "no_bid")):
            best = [price for price, _ in result["orderbook"][side]] or ["1.0000" if name == "yes_ask" else "0.0000"]
            assert best == [fields[f"{name}_dollars"]]


def test_each_distinct_ticker_of_a_batch_has_a_result_in_request_order(
    api: Api, server: ExchangeServer, active: list[str]
) -> None:
    function = api(server)
    tickers = ["KXNOSUCH-1", *active[:150], "not a ticker", active[0]]
    answer = function.post("/markets/orderbooks", {"tickers": tickers}, **{"accept-encoding": "gzip"})
    assert (answer.status, answer.headers["cache-control"]) == (200, "max-age=1")
    assert list(answer.json) == ["results", "unanswered"]
    results = answer.json["results"]
    assert [result["ticker"] for result in results] == tickers[:-1]
    assert [list(result) for result in results] == [["ticker", "orderbook", "error", "code"]] * (len(tickers) - 1)
    assert [result["code"] for result in results if result["code"]] == ["unknown_ticker", "invalid_ticker"]
    assert answer.json["unanswered"] == []
    for result in results[1:-1]:
        assert result["error"] is None
    single = function.get(f"/markets/{active[0]}/orderbook").json["orderbook"]
    assert results[1]["orderbook"] == single


def test_a_thousand_tickers_take_ten_calls_and_fit(api: Api, server: ExchangeServer, active: list[str]) -> None:
    function = api(server)
    tickers = [*active, *(f"KXNO-{number}" for number in range(1000))][:1000]
    answer = function.post("/markets/orderbooks", {"tickers": tickers})
    assert len(answer.json["results"]) == 1000
    assert function.resources.exchange.requests == 10
    assert answer.size < 6_291_556


def scripted(*bodies: Any) -> ScriptedServer:
    return ScriptedServer([Reply(body=json.dumps(body).encode()) for body in bodies])


def test_orderbooks_beyond_the_size_limit_are_listed_as_unanswered(api: Api) -> None:
    levels = [[f"0.{number:04}", "1000000.00"] for number in range(1, 10_000)]
    tickers = [f"T{number}" for number in range(30)]
    rows = [{"ticker": ticker, "orderbook_fp": {"yes_dollars": levels, "no_dollars": levels}} for ticker in tickers]
    with scripted({"orderbooks": rows}) as exchange:
        answer = api(exchange).post("/markets/orderbooks", {"tickers": tickers})
    assert answer.size < 6_291_556
    codes = [result["code"] for result in answer.json["results"]]
    answered = codes.count(None)
    assert 0 < answered < 30
    assert codes == [None] * answered + ["response_full"] * (30 - answered)
    assert answer.json["unanswered"] == tickers[answered:]


def test_a_rejected_batch_is_split_until_the_invalid_ticker_is_alone(api: Api) -> None:
    good = {"yes_dollars": [["0.5000", "1.00"]], "no_dollars": []}
    rejection = Reply(400, b'{"error": {"code": "bad_request", "message": "bad request"}}')
    replies = [
        rejection,  # A B C D
        Reply(body=json.dumps({"orderbooks": [{"ticker": t, "orderbook_fp": good} for t in "AB"]}).encode()),
        rejection,  # C D
        rejection,  # C
        Reply(body=json.dumps({"orderbooks": [{"ticker": "D", "orderbook_fp": good}]}).encode()),
    ]
    with ScriptedServer(replies) as exchange:
        answer = api(exchange).post("/markets/orderbooks", {"tickers": ["A", "B", "C", "D"]}).json
    assert [result["code"] for result in answer["results"]] == [None, None, "exchange_error", None]
    assert answer["unanswered"] == []


def test_an_unavailable_exchange_is_an_error_of_each_ticker_or_a_503(api: Api) -> None:
    with ScriptedServer([Reply(503)]) as exchange:
        function = api(exchange)
        answer = function.post("/markets/orderbooks", {"tickers": ["A", "B"]})
        assert [result["code"] for result in answer.json["results"]] == ["exchange_error"] * 2
        assert answer.json["unanswered"] == ["A", "B"]
        error(function.get("/markets/A/orderbook"), 503, "exchange_unavailable")


def test_an_unknown_ticker_is_a_404(api: Api, server: ExchangeServer) -> None:
    function = api(server)
    error(function.get("/markets/KXNOSUCH-1/orderbook"), 404, "market_not_found")
    error(function.get("/markets/a'b/orderbook"), 404, "market_not_found")


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ("nonsense", ["body"]),
        ('{"tickers": []}', ["body", "tickers"]),
        (json.dumps({"tickers": ["A"] * 1001}), ["body", "tickers"]),
        ('{"tickers": ["A"], "depth": 101}', ["body", "depth"]),
        ('{"tickers": ["A"], "depth": -1}', ["body", "depth"]),
        ('{"tickers": ["A"], "dept": 1}', ["body", "dept"]),
    ],
)
def test_an_invalid_body_is_a_422(api: Api, server: ExchangeServer, body: str, loc: list[Any]) -> None:
    problems = error(api(server).post("/markets/orderbooks", body), 422, "invalid_body")["detail"]
    assert loc in [problem["loc"] for problem in problems]


def test_other_requests_are_rejected(api: Api, server: ExchangeServer) -> None:
    function = api(server)
    error(function.get("/markets/A/orderbook?depth=101"), 422, "invalid_parameter")
    error(function.get("/markets/A/orderbook?dept=1"), 422, "unknown_parameter")
    answer = function.get("/markets/orderbooks")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
