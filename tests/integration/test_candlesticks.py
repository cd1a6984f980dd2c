import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest

from kalshi_markets.database import Database
from kalshi_markets.exchange import transport
from local.exchange.catalogue import Order
from local.exchange.clock import SECOND, Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from tests.support.api_client import ApiClient, ApiResponse
from tests.support.database import delete_market, store_markets
from tests.support.scripted_server import Reply, ScriptedServer

HOUR, DAY = 3600, 86_400


@pytest.fixture(scope="module")
def server() -> Iterator[ExchangeServer]:
    with ExchangeServer(generate(3, 700, Clock(speed=0))) as server:
        yield server


@pytest.fixture(scope="module")
def active(server: ExchangeServer) -> list[str]:
    """Return the tickers of markets with recent trades, without those that close before they open."""
    markets = [json.loads(market.json) for _, market in server.exchange.markets(Order.CREATED, None)]
    markets = [market for market in markets if market["status"] == "active" and "mve_selected_legs" not in market]
    markets = [market for market in markets if market["open_time"] < market["close_time"]]
    return [market["ticker"] for market in markets if Decimal(market["volume_24h_fp"]) > 0]


@pytest.fixture
def api(environment: dict[str, str]) -> Iterator[Callable[..., ApiClient]]:
    """Yield a factory of API functions over an exchange."""
    clients = []

    def over(exchange: ExchangeServer | ScriptedServer, **settings: str) -> ApiClient:
        clients.append(ApiClient(environment | {"EXCHANGE_URL": exchange.url, "EXCHANGE_RATE": "1000"} | settings))
        return clients[-1]

    yield over
    for client in clients:
        client.close()


def ask(api: ApiClient, tickers: Sequence[str], **rest: Any) -> ApiResponse:
    return api.post("/markets/candlesticks", {"tickers": tickers, **rest}, **{"accept-encoding": "gzip"})


def now(server: ExchangeServer) -> int:
    return server.exchange.clock.now() // SECOND


def test_each_distinct_ticker_has_a_result_in_request_order(
    api: Callable[..., ApiClient], server: ExchangeServer, active: list[str]
) -> None:
    requested = [*active[:150][::-1], "KXNOSUCH-1", active[0], "KXNOSUCH-1"]
    answer = ask(api(server), requested).json
    assert list(answer) == ["results", "unanswered"]
    assert [result["ticker"] for result in answer["results"]] == [*active[:150][::-1], "KXNOSUCH-1"]
    assert [list(result) for result in answer["results"]] == [["ticker", "candlesticks", "error", "code"]] * 151
    assert answer["results"][-1]["code"] == "unknown_ticker"
    for result in answer["results"][:-1]:
        assert (result["error"], result["code"]) == (None, None)
    assert answer["unanswered"] == []
    assert sum(len(result["candlesticks"]) for result in answer["results"]) > 150


def test_the_default_range_is_the_last_24_hours_hour_by_hour(
    api: Callable[..., ApiClient], server: ExchangeServer, active: list[str]
) -> None:
    ends = [
        candle["end_period_ts"]
        for result in ask(api(server), active).json["results"]
        for candle in result["candlesticks"]
    ]
    assert all(end % HOUR == 0 for end in ends)
    assert now(server) - 24 * HOUR <= min(ends)
    assert max(ends) <= now(server) + HOUR
    assert len(set(ends)) >= 23


@pytest.mark.parametrize("period", [1, 60, 1440])
def test_candles_are_the_exchanges_own_joined_over_calls_without_doubles_or_holes(
    api: Callable[..., ApiClient], server: ExchangeServer, active: list[str], period: int
) -> None:
    end = now(server)
    start = end - {1: 9 * 86_400, 60: 700 * 86_400, 1440: 900 * 86_400}[period]
    oldest = active[-1]
    [result] = ask(api(server), [oldest], start_ts=start, end_ts=end, period_interval=period).json["results"]
    expected = []
    step = 4000 * period * 60
    for first in range(start, end + 1, step):
        part = {
            "market_tickers": oldest,
            "start_ts": first,
            "end_ts": min(first + step - 1, end),
            "period_interval": period,
        }
        [market] = fetch(server, part)["markets"]
        expected += market["candlesticks"]
    assert result["candlesticks"] == expected
    assert expected


def fetch(server: ExchangeServer, parameters: dict[str, Any]) -> Any:
    import httpx

    return httpx.get(server.url + "/markets/candlesticks", params=parameters).json()


def test_both_ends_are_included(api: Callable[..., ApiClient], server: ExchangeServer, active: list[str]) -> None:
    function = api(server)
    [result] = ask(function, active[-1:], start_ts=now(server) - 500 * HOUR).json["results"]
    first, last = (result["candlesticks"][at]["end_period_ts"] for at in (0, -1))
    [bounded] = ask(function, active[-1:], start_ts=first, end_ts=last).json["results"]
    assert bounded == result


def test_few_calls_carry_many_tickers(api: Callable[..., ApiClient]) -> None:
    with ScriptedServer([Reply(body=b'{"markets": []}')]) as exchange:
        ask(api(exchange), [f"T{n}" for n in range(1000)])
        # Ten for the candlesticks, ten to look up the omitted ones in the archive.
        assert len(exchange.requests) == 20


def test_an_exchange_failure_is_reported_per_ticker_and_is_retryable(
    api: Callable[..., ApiClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "INITIAL_BACKOFF", 0.01)
    known = {"markets": [{"market_ticker": f"T{n}", "candlesticks": [{"end_period_ts": HOUR}]} for n in range(100)]}
    with ScriptedServer([Reply(body=json.dumps(known).encode()), Reply(503)]) as exchange:
        monkeypatch.setattr("api.candlesticks.exchange_calls.MAX_CONCURRENT_CALLS", 1)
        answer = ask(api(exchange), [f"T{n}" for n in range(150)], start_ts=0, end_ts=DAY).json
    assert [result["error"] for result in answer["results"][:100]] == [None] * 100
    assert all("503" in result["error"] for result in answer["results"][100:])
    assert {result["code"] for result in answer["results"][100:]} == {"exchange_error"}
    assert answer["unanswered"] == [f"T{n}" for n in range(100, 150)]


@pytest.mark.parametrize("is_live", [True, False])
def test_a_market_settled_before_the_cutoff_is_looked_for_in_both_tiers(
    api: Callable[..., ApiClient], database: Database, is_live: bool
) -> None:
    ticker = f"KXOLD-{is_live}"  # unique, because candles of settled markets are cached
    market = {"ticker": ticker, "status": "finalized", "close_time": "2026-01-01T10:00:00Z"}
    store_markets(database, market | {"open_time": "2026-01-01T00:00:00Z", "settlement_ts": "2026-01-01T11:00:00Z"})
    candle = {"end_period_ts": 1_767_258_000}
    live = {"markets": [{"market_ticker": ticker, "candlesticks": [candle]}] if is_live else []}
    paths = {
        "/historical/cutoff": [Reply(body=b'{"market_settled_ts": "2026-09-01T00:00:00Z"}')],
        "/historical/*": [Reply(404, b'{"error": {"code": "not_found", "message": "not found"}}')],
    }
    with ScriptedServer([Reply(body=json.dumps(live).encode())], paths) as exchange:
        answer = ask(api(exchange), [ticker], start_ts=1_767_225_600, end_ts=1_767_268_800).json
        requested_paths = [path.partition("?")[0].removeprefix("/trade-api/v2") for path, _ in exchange.requests]
    delete_market(database, ticker)
    assert requested_paths == [
        "/historical/cutoff",
        f"/historical/markets/{ticker}/candlesticks",
        "/markets/candlesticks",
    ]
    assert answer["unanswered"] == []
    [result] = answer["results"]
    if is_live:
        assert (result["candlesticks"], result["error"]) == ([candle], None)
    else:
        assert result["code"] == "unknown_ticker"


def test_an_authentication_failure_is_reported_and_not_retried(api: Callable[..., ApiClient]) -> None:
    with ScriptedServer([Reply(401, b'{"error": {"code": "authentication_error", "message": "no"}}')]) as exchange:
        answer = ask(api(exchange), ["A"]).json
    assert "no" in answer["results"][0]["error"]
    assert answer["unanswered"] == []


@pytest.mark.parametrize("ticker", ["A,B", "A&limit=1", "../x", "..", "é", "a b", "字" * 200])
def test_an_invalid_ticker_never_reaches_the_exchange_and_affects_no_other(
    api: Callable[..., ApiClient], ticker: str
) -> None:
    known = Reply(body=b'{"markets": [{"market_ticker": "GOOD", "candlesticks": [{"end_period_ts": 3600}]}]}')
    with ScriptedServer([known]) as exchange:
        answer = ask(api(exchange), [ticker, "GOOD"], start_ts=0, end_ts=DAY).json
        assert [parse_qs(path.partition("?")[2])["market_tickers"] for path, _ in exchange.requests] == [["GOOD"]]
    assert answer["results"][0]["code"] == "invalid_ticker"
    assert answer["results"][1] == {
        "ticker": "GOOD",
        "candlesticks": [{"end_period_ts": HOUR}],
        "error": None,
        "code": None,
    }
    assert answer["unanswered"] == []


@pytest.mark.parametrize("candlesticks", [[None], "text", [1], {"a": 1}])
def test_malformed_candles_are_reported_as_an_exchange_error(
    api: Callable[..., ApiClient], candlesticks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "INITIAL_BACKOFF", 0.01)
    body = json.dumps({"markets": [{"market_ticker": "A", "candlesticks": candlesticks}]}).encode()
    with ScriptedServer([Reply(body=body)]) as exchange:
        answer = ask(api(exchange), ["A"]).json
    assert "invalid candlesticks" in answer["results"][0]["error"]


def test_odd_text_of_the_exchange_is_passed_on_escaped(api: Callable[..., ApiClient]) -> None:
    body = b'{"markets": [{"market_ticker": "A", "candlesticks": [{"end_period_ts": 3600, "note": "\\ud800", "price": 0.10}]}]}'
    with ScriptedServer([Reply(body=body)]) as exchange:
        answer = ask(api(exchange), ["A"], start_ts=0, end_ts=DAY)
    assert '"note":"\\ud800"' in answer.text
    assert answer.json["results"][0]["candlesticks"][0]["price"] == "0.10"


def test_tickers_not_reached_before_the_deadline_are_listed_and_answered_on_the_next_request(
    api: Callable[..., ApiClient], server: ExchangeServer, active: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.app.RESPONSE_RESERVE_SECONDS", 25.0)
    monkeypatch.setattr("api.candlesticks.planner.BATCH_TICKERS", 1)
    function, left, rounds = api(server, EXCHANGE_RATE="5"), active[:40], 0
    while left:
        answer = ask(function, left).json
        assert [result["ticker"] for result in answer["results"]] == left
        late = [result["ticker"] for result in answer["results"] if result["code"] == "deadline"]
        assert late == answer["unanswered"]
        assert left[0] not in late
        left, rounds = late, rounds + 1
    assert rounds > 1


def test_one_market_that_the_exchange_does_not_answer_for_is_a_503(
    api: Callable[..., ApiClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "INITIAL_BACKOFF", 0.01)
    with ScriptedServer([Reply(503)]) as exchange:
        answer = api(exchange).get("/markets/KXA-1/candlesticks")
    assert (answer.status, answer.json["code"]) == (503, "exchange_unavailable")


def test_a_ticker_with_more_calls_than_time_permits_is_rejected_before_any_call(api: Callable[..., ApiClient]) -> None:
    with ScriptedServer([Reply(body=b'{"markets": []}')]) as exchange:
        answer = ask(api(exchange, EXCHANGE_RATE="5"), ["T1", "T2"], start_ts=0, period_interval=1)
        assert exchange.requests == []
    assert answer.status == 422
    assert answer.json["code"] == "too_many_calls"
    assert "calls" in answer.json["detail"][0]["msg"]


def test_without_the_migrations_the_error_says_so(api: Callable[..., ApiClient]) -> None:
    with ScriptedServer([Reply()]) as exchange:
        answer = ask(api(exchange, MARKETS_TABLE="unknown"), ["A"])
    assert (answer.status, answer.json["code"]) == (503, "table_missing")
