"""Trades and order books of the simulated exchange over HTTP: parameters, errors, faults, costs and recordings."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.exchange.catalogue import MarketFilter, Order
from local.exchange.clock import SECOND, Clock, parse
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.server import ExchangeServer
from local.exchange.recording import replay

NOW = parse("2026-11-24T12:00:00Z")
NOW_S = NOW // SECOND

Json = dict[str, Any]


@pytest.fixture(scope="module")
def server() -> Iterator[ExchangeServer]:
    with ExchangeServer(generate(3, 1200, Clock(NOW, 0), archived=150)) as server:
        yield server


@pytest.fixture
def api(server: ExchangeServer) -> Iterator[httpx.Client]:
    """Yield a client of the exchange. Faults and time are reset afterwards."""
    with httpx.Client(base_url=server.url) as client:
        yield client
        client.delete(f"{server.root}/admin/faults")
        server.exchange.clock.set(NOW)


def strike(server: ExchangeServer, **rule: object) -> None:
    """Put one rule in force."""
    httpx.post(f"{server.root}/admin/faults", json=[rule]).raise_for_status()


def walk(api: httpx.Client, path: str, **query: str | int) -> list[list[Json]]:
    """Return the pages of trades, fetched by cursor."""
    pages: list[list[Json]] = []
    cursor = ""
    while len(pages) < 500:
        page = api.get(path, params={**query, "cursor": cursor}).json()
        pages.append(page["trades"] or [])
        cursor = page["cursor"]
        if not cursor:
            return pages
    raise AssertionError("it does not end")


def joined(pages: list[list[Json]]) -> list[str]:
    return [trade["trade_id"] for page in pages for trade in page]


@pytest.fixture(scope="module")
def busy(server: ExchangeServer) -> Json:
    """Return the open market with the most volume."""
    query: dict[str, str | int] = {"limit": 1000, "status": "open", "mve_filter": "exclude"}
    markets = httpx.get(f"{server.url}/markets", params=query).json()["markets"]
    market: Json = max(markets, key=lambda row: float(row["volume_fp"]))
    return market


@pytest.mark.parametrize("path", ["/markets/trades", "/historical/trades"])
def test_trades_come_newest_first_in_pages(api: httpx.Client, path: str) -> None:
    pages = walk(api, path, limit=200, min_ts=NOW_S - 61 * 86_400 - 20_000, max_ts=NOW_S - 61 * 86_400 + 40_000)
    times = [parse(trade["created_time"]) for page in pages for trade in page]
    assert times == sorted(times, reverse=True)
    assert {len(page) for page in pages[:-1]} == {200}
    assert len(set(joined(pages))) == len(times)
    assert len(api.get(path).json()["trades"]) == 100


@pytest.mark.parametrize("path", ["/markets/trades", "/historical/trades"])
def test_both_bounds_of_trades_are_exclusive(api: httpx.Client, busy: Json, path: str) -> None:
    trades = api.get(path, params={"ticker": busy["ticker"], "limit": 5}).json()["trades"]
    first = parse(trades[-1]["created_time"]) // SECOND
    bounds = {"ticker": busy["ticker"], "min_ts": first, "max_ts": first + 1}
    assert trades[-1] in api.get(path, params=bounds).json()["trades"]
    assert api.get(path, params={**bounds, "max_ts": first}).json() == {"trades": [], "cursor": ""}


@pytest.mark.parametrize(
    ("path", "operation"), [("/markets/trades", "GetTrades"), ("/historical/trades", "GetTradesHistorical")]
)
@pytest.mark.parametrize(("limit", "tag"), [(1001, "lte"), (-1, "gte")])
def test_the_limit_of_trades_is_checked(api: httpx.Client, path: str, operation: str, limit: int, tag: str) -> None:
    response = api.get(path, params={"limit": limit})
    message = (
        f"Parameter validation failed for {operation}: Key: '{operation}Params.Limit' "
        f"Error:Field validation for 'Limit' failed on the '{tag}' tag"
    )
    assert (response.status_code, response.json()) == (400, {"msg": message})


@pytest.mark.parametrize("query", ["min_ts=soon", "max_ts=1.5", "is_block_trade=maybe"])
def test_invalid_parameters_of_trades_are_rejected(api: httpx.Client, query: str) -> None:
    assert api.get(f"/markets/trades?{query}").status_code == 400


def test_an_unknown_ticker_has_no_trades(api: httpx.Client) -> None:
    for path in ("/markets/trades", "/historical/trades"):
        assert api.get(path, params={"ticker": "NOSUCH"}).json() == {"trades": [], "cursor": ""}


@pytest.mark.parametrize("kind", ["short_page", "empty_page", "null_list"])
def test_faults_of_pages_lose_no_trade(server: ExchangeServer, api: httpx.Client, busy: Json, kind: str) -> None:
    query = {"ticker": busy["ticker"], "limit": 50}
    intact = walk(api, "/markets/trades", **query)
    strike(server, kind=kind, path="/markets/trades")
    broken = walk(api, "/markets/trades", **query)
    assert joined(broken) == joined(intact)
    assert len(broken) > len(intact)


def test_a_cursor_of_trades_may_repeat(server: ExchangeServer, api: httpx.Client, busy: Json) -> None:
    query: dict[str, str | int] = {"ticker": busy["ticker"], "limit": 2}
    cursor = api.get("/markets/trades", params=query).json()["cursor"]
    strike(server, kind="repeated_cursor", path="/markets/*")
    assert api.get("/markets/trades", params={**query, "cursor": cursor}).json()["cursor"] == cursor


def test_the_bounds_of_trades_may_be_ignored(server: ExchangeServer, api: httpx.Client, busy: Json) -> None:
    query = {"ticker": busy["ticker"], "limit": 5}
    newest = api.get("/markets/trades", params=query).json()
    strike(server, kind="ignored_filters")
    assert api.get("/markets/trades", params={**query, "min_ts": 1, "max_ts": 2}).json() == newest


def test_amended_trades_are_undone_in_listings_and_volumes(server: ExchangeServer, api: httpx.Client) -> None:
    market = next(
        market
        for days in range(200)
        for market in amended(server, NOW + days * 86_400 * SECOND)
        if market.tape.trades > 5
    )
    query = {"ticker": market.ticker, "limit": 1000}
    before, volume = (
        walk(api, "/markets/trades", **query),
        api.get(f"/markets/{market.ticker}").json()["market"]["volume_fp"],
    )
    strike(server, kind="undone_trades", trades=2)
    undone = [float(trade["count_fp"]) for trade in before[0][:2]]
    assert joined(walk(api, "/markets/trades", **query)) == joined(before)[2:]
    remaining = api.get(f"/markets/{market.ticker}").json()["market"]["volume_fp"]
    assert float(remaining) == pytest.approx(float(volume) - sum(undone))


def amended(server: ExchangeServer, now: int) -> list[Any]:
    """Return the amended markets at an instant, to which the clock is set."""
    server.exchange.clock.set(now)
    closed = server.exchange.markets(Order.CREATED, None, MarketFilter(phase="closed"))
    return [market for _, market in closed if json.loads(market.json)["status"] == "amended"]


def test_trades_and_orderbooks_have_costs_of_their_own() -> None:
    costs = {"/markets/trades": 50, "/markets/{ticker}/orderbook": 0}
    options = ServerOptions(tier="basic", unsigned_rate=100, costs=costs)
    with (
        ExchangeServer(generate(1, 50, Clock(NOW, 0)), options=options) as server,
        httpx.Client(base_url=server.url) as api,
    ):
        statuses = [api.get("/markets/trades").status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert api.get("/markets/NOSUCH/orderbook").status_code == 404


def test_an_order_book_has_the_quotes_of_the_market_as_its_best_bids(api: httpx.Client, busy: Json) -> None:
    book = api.get(f"/markets/{busy['ticker']}/orderbook").json()["orderbook_fp"]
    quoted = api.get(f"/markets/{busy['ticker']}").json()["market"]
    for side, price, size in (
        ("yes_dollars", quoted["yes_bid_dollars"], quoted["yes_bid_size_fp"]),
        ("no_dollars", quoted["no_bid_dollars"], quoted["yes_ask_size_fp"]),
    ):
        assert book[side][-1:] == ([[price, size]] if size != "0.00" else [])
    assert api.get(f"/markets/{busy['ticker']}/orderbook?depth=0").json()["orderbook_fp"] == book


def test_several_orderbooks_come_in_the_order_of_the_request_without_unknown_markets(api: httpx.Client) -> None:
    listed = api.get("/markets", params={"limit": 20}).json()["markets"]
    tickers = [market["ticker"] for market in reversed(listed)]
    orderbooks = api.get("/markets/orderbooks", params={"tickers": [*tickers, "NOSUCH", tickers[0]]}).json()[
        "orderbooks"
    ]
    assert [book["ticker"] for book in orderbooks] == tickers
    for book in orderbooks:
        assert api.get(f"/markets/{book['ticker']}/orderbook").json()["orderbook_fp"] == book["orderbook_fp"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/markets/X/orderbook?depth=101", "'Depth' failed on the 'max' tag"),
        ("/markets/X/orderbook?depth=-1", "'Depth' failed on the 'min' tag"),
        ("/markets/orderbooks", "Query argument tickers is required, but not found"),
        ("/markets/orderbooks?" + "&".join(["tickers=X"] * 101), "'Tickers' failed on the 'max' tag"),
        ("/markets/orderbooks?tickers=X&tickers=" + "X" * 201, "'Tickers[1]' failed on the 'max' tag"),
    ],
)
def test_invalid_requests_for_orderbooks_are_rejected_by_the_router(api: httpx.Client, path: str, message: str) -> None:
    response = api.get(path)
    assert response.status_code == 400
    assert response.json()["msg"].endswith(message)


def test_the_order_book_of_an_unknown_market_is_a_404(api: httpx.Client) -> None:
    response = api.get("/markets/NOSUCH/orderbook")
    assert (response.status_code, response.json()) == (404, {"error": {"code": "not_found", "message": "not found"}})


def test_an_event_may_come_without_its_markets(api: httpx.Client, busy: Json) -> None:
    path = f"/events/{busy['event_ticker']}"
    with_markets = api.get(path).json()
    assert with_markets["markets"]
    assert api.get(path, params={"exclude_markets": "true"}).json() == {**with_markets, "markets": []}
    both = api.get(path, params={"exclude_markets": "true", "with_nested_markets": "true"})
    assert both.status_code == 400


def test_product_metadata_of_series_come_on_request(api: httpx.Client) -> None:
    plain = api.get("/series").json()["series"]
    full = api.get("/series", params={"include_product_metadata": "true"}).json()["series"]
    assert not any("product_metadata" in row for row in plain)
    assert any("product_metadata" in row for row in full)
    assert [{name: row[name] for name in row if name != "product_metadata"} for row in full] == plain


def test_a_recording_has_trades_up_to_its_volumes_and_orderbooks(tmp_path: Path) -> None:
    exchange = generate(5, 600, Clock(NOW, speed=0))
    recording = tmp_path / "markets.jsonl"
    recording.write_bytes(b"\n".join(market.json for _, market in exchange.markets(Order.CREATED, None)))
    later = Clock(NOW + 30_000 * 86_400 * SECOND, speed=0)
    with ExchangeServer(replay(recording, later)) as server, httpx.Client(base_url=server.url) as api:
        listed = api.get("/markets", params={"limit": 1000, "mve_filter": "exclude"}).json()["markets"]
        for market in sorted(listed, key=lambda row: -float(row["volume_fp"]))[:20]:
            rows = {
                trade["trade_id"]: float(trade["count_fp"])
                for path in ("/markets/trades", "/historical/trades")
                for page in walk(api, path, ticker=market["ticker"], limit=1000)
                for trade in page
            }
            assert sum(rows.values()) == pytest.approx(float(market["volume_fp"]))
        newest = api.get("/markets/trades", params={"limit": 1000}).json()
        rest = api.get("/markets/trades", params={"limit": 1000, "cursor": newest["cursor"]}).json()
        assert len(set(joined([newest["trades"], rest["trades"]]))) == 2000
        quoted = next(row for row in listed if row["status"] == "active" and row["yes_bid_size_fp"] != "0.00")
        book = api.get(f"/markets/{quoted['ticker']}/orderbook").json()["orderbook_fp"]
        assert book["yes_dollars"][-1] == [quoted["yes_bid_dollars"], quoted["yes_bid_size_fp"]]
