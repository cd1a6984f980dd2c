"""POST /mcp through the local gateway, with the official client in both of its modes."""

import asyncio
import csv
import io
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent

from api.mcp.get_market import MAX_OUTCOMES
from api.mcp.search_markets import FIELDS
from crawler.event_writer import EventWriter
from kalshi_markets.database import Database
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from local.lambda_runtime.functions import function_spec
from local.lambda_runtime.gateway import gateway_in_thread
from tests.support.database import connect, store_markets
from tests.support.event_rows import event
from tests.support.mcp_messages import rpc

MODES = ("auto", "2026-07-28", "legacy")
TOOLS = ["search_markets", "get_market", "get_candlesticks", "get_freshness"]


@pytest.fixture(scope="module")
def service(environment: Mapping[str, str], markets: Sequence[Any], clock: Clock) -> Iterator[str]:
    with ExchangeServer(generate(3, 1500, clock)) as exchange:
        variables = {**environment, "DB_SSLMODE": "disable", "EXCHANGE_URL": exchange.url, "EXCHANGE_RATE": "1000"}
        with gateway_in_thread(function_spec("api", variables), workers=1, log=lambda _: None) as url:
            yield url


@pytest.fixture(scope="module")
def http(service: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service, timeout=60) as client:
        yield client


def with_client(service: str, use: Callable[[Client], Awaitable[Any]], mode: str = "auto") -> Any:
    """Return what a coroutine of the official client returns."""

    async def run() -> Any:
        async with Client(f"{service}/mcp", mode=mode) as client:
            return await use(client)

    return asyncio.run(run())


def call(service: str, name: str, mode: str = "auto", **arguments: Any) -> CallToolResult:
    result = with_client(service, lambda client: client.call_tool(name, arguments), mode)
    assert isinstance(result, CallToolResult)
    return result


def texts(result: CallToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, TextContent)]


def answer(service: str, name: str, **arguments: Any) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return the facts and the rows of a tool's answer."""
    result = call(service, name, **arguments)
    assert not result.is_error, texts(result)
    facts, *table = texts(result)
    rows = csv.DictReader(io.StringIO(table[0], newline="")) if table else []
    return json.loads(facts, parse_float=str), [*rows]


def failure(service: str, name: str, **arguments: Any) -> dict[str, Any]:
    result = call(service, name, **arguments)
    assert result.is_error
    [text] = texts(result)
    error: dict[str, Any] = json.loads(text)
    return error


@pytest.mark.parametrize("mode", MODES)
def test_the_official_client_lists_and_calls_the_tools(service: str, mode: str) -> None:
    async def use(client: Client) -> tuple[Any, Any]:
        return await client.list_tools(), await client.call_tool("get_freshness", {})

    listed, called = with_client(service, use, mode)
    assert [tool.name for tool in listed.tools] == TOOLS
    assert all(tool.annotations.read_only_hint for tool in listed.tools)
    assert not called.is_error


def test_discovery_has_every_revision_and_the_old_handshake_the_newest_one_of_its_kind(service: str) -> None:
    async def versions(client: Client) -> tuple[str, str | None]:
        return client.protocol_version, client.instructions

    new, instructions = with_client(service, versions)
    assert new == "2026-07-28"
    assert with_client(service, versions, "legacy") == ("2025-11-25", instructions)
    assert instructions


def test_a_search_has_the_rows_of_the_listing(service: str, http: httpx.Client) -> None:
    facts, rows = answer(service, "search_markets", status="active", order_by="volume", filters={"volume__gte": 1.5})
    assert facts["count"] == len(rows) == 20
    assert tuple(rows[0]) == FIELDS
    page = http.get(facts["api_url"]).json()
    assert facts["api_url"].startswith(f"{service}/markets?")
    assert [row["ticker"] for row in rows] == [item["ticker"] for item in page["items"]]
    assert facts["next_cursor"] == page["next_cursor"]
    assert facts["crawled_at"] == http.get("/markets?limit=1").headers["x-crawled-at"]


def test_the_cursor_leads_through_all_pages(service: str, markets: Sequence[Mapping[str, Any]]) -> None:
    seen: list[str] = []
    arguments: dict[str, Any] = {"status": "active", "fields": ["ticker"], "limit": 50, "order_by": "ticker"}
    cursor = None
    while cursor or not seen:
        facts, rows = answer(service, "search_markets", **arguments, **({"cursor": cursor} if cursor else {}))
        assert [item["ticker"] for item in httpx.get(facts["api_url"], timeout=60).json()["items"]] == [
            row["ticker"] for row in rows
        ]
        seen += [row["ticker"] for row in rows]
        cursor = facts["next_cursor"]
    expected = [market["ticker"] for market in markets if market["status"] == "active"]
    assert sorted(seen) == sorted(expected)


def test_numbers_keep_their_digits(service: str, database: Database, markets: Sequence[Mapping[str, Any]]) -> None:
    digits = "12345678901234.56"
    store_markets(database, {**markets[3], "volume_fp": digits})
    _, [row] = answer(service, "search_markets", filters={"ticker__in": [markets[3]["ticker"]], "volume": digits})
    assert row["volume"] == digits
    facts, _ = answer(service, "get_market", ticker=markets[3]["ticker"])
    assert facts["market"]["volume"] == digits
    store_markets(database, markets[3])


@pytest.mark.parametrize("limit", [0, 51, "many"])
def test_more_rows_than_the_maximum_are_an_error(http: httpx.Client, limit: object) -> None:
    result = rpc(http, "tools/call", {"name": "search_markets", "arguments": {"limit": limit}}).json()["result"]
    assert result["isError"]
    error = json.loads(result["content"][0]["text"])
    assert error["detail"][0]["msg"] == "limit must be an integer between 1 and 50"
    assert "GET /markets has up to 10,000" in error["hint"]


def test_an_unknown_filter_is_an_error_with_a_suggestion(service: str) -> None:
    error = failure(service, "search_markets", filters={"statsu": "active", "nosuch": 1})
    assert error["code"] == "unknown_parameter"
    assert "did you mean status?" in error["detail"][0]["msg"]
    assert len(error["detail"]) == 2
    assert "filters must be an object" in failure(service, "search_markets", filters="status")["detail"][0]["msg"]
    assert failure(service, "search_markets", filters={"status": ["active"]})["hint"] == "Use status__in for a list."


def test_a_filter_given_twice_is_an_error(service: str) -> None:
    error = failure(service, "search_markets", status="active", filters={"status": "closed"})
    assert error["detail"][0]["msg"] == "status must not be repeated"


def test_a_url_that_is_too_long_is_left_out(service: str, markets: Sequence[Mapping[str, Any]]) -> None:
    tickers = [market["ticker"] for market in markets[:200]]
    facts, rows = answer(service, "search_markets", filters={"ticker__in": tickers}, fields=["ticker"])
    assert facts["api_url"] is None
    assert len(rows) == 20
    assert {row["ticker"] for row in rows} <= set(tickers)


@pytest.fixture(scope="module")
def ladder(environment: Mapping[str, str], markets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Store an event with more outcomes than an answer has, in another order than their strikes, and return them."""
    base = next(market for market in markets if market["status"] == "active")
    outcomes = [
        {
            **base,
            "ticker": f"LADDER-{index:03}",
            "event_ticker": "LADDER",
            "status": "closed",
            "yes_sub_title": f'At least {index}, "or more",\r\nin all',
            "floor_strike": index,
            "last_price_dollars": f"0.{(index * 37) % 100:02}00",
        }
        for index in reversed(range(60))
    ]
    database = connect(environment)
    store_markets(database, *outcomes)
    EventWriter(database).write([event("LADDER", "S", "How many?", mutually_exclusive=True)], [], [])
    database.close()
    return outcomes


def test_a_market_has_its_event_and_the_outcomes_by_strike(service: str, ladder: Sequence[Mapping[str, Any]]) -> None:
    facts, rows = answer(service, "get_market", ticker="LADDER-007")
    assert facts["market"]["ticker"] == "LADDER-007"
    assert (facts["event"]["title"], facts["event"]["mutually_exclusive"]) == ("How many?", True)
    assert facts["crawled_at"]
    assert facts["api_url"] == f"{service}/markets/LADDER-007?fields=all"
    assert httpx.get(facts["api_url"], timeout=60).json().keys() > facts["market"].keys()
    assert facts["outcomes"] == {
        "count": MAX_OUTCOMES,
        "total": 60,
        "order": "strike",
        "api_url": f"{service}/events/LADDER/markets?fields=all&limit=10000",
    }
    assert [row["ticker"] for row in rows] == [f"LADDER-{index:03}" for index in range(MAX_OUTCOMES)]
    assert httpx.get(facts["outcomes"]["api_url"], timeout=60).json()["count"] == 60


def test_outcomes_by_probability_begin_with_the_highest_price(
    service: str, ladder: Sequence[Mapping[str, Any]]
) -> None:
    facts, rows = answer(service, "get_market", ticker="LADDER-000", outcomes_order="probability")
    prices = sorted((Decimal(outcome["last_price_dollars"]) for outcome in ladder), reverse=True)
    assert [Decimal(row["last_price_dollars"]) for row in rows] == prices[:MAX_OUTCOMES]
    assert (facts["outcomes"]["count"], facts["outcomes"]["total"]) == (MAX_OUTCOMES, 60)
    assert {row["subtitle"] for row in rows} <= {outcome["yes_sub_title"] for outcome in ladder}


def test_a_market_of_an_event_that_is_not_stored_has_no_event(
    service: str, markets: Sequence[Mapping[str, Any]]
) -> None:
    facts, rows = answer(service, "get_market", ticker=markets[5]["ticker"])
    assert facts["event"] is None
    assert markets[5]["ticker"] in {row["ticker"] for row in rows}


def test_an_unknown_market_and_a_missing_ticker_are_errors(service: str) -> None:
    assert failure(service, "get_market", ticker="NO/SUCH")["code"] == "market_not_found"
    assert failure(service, "get_candlesticks", ticker="NOSUCH")["code"] == "market_not_found"
    for name in ("get_market", "get_candlesticks"):
        assert failure(service, name)["detail"][0]["msg"] == "ticker is missing"
    assert failure(service, "get_market", ticker="A", order="strike")["code"] == "unknown_parameter"


@pytest.fixture(scope="module")
def traded(markets: Sequence[Mapping[str, Any]]) -> str:
    """Return the ticker of an active market with trades."""
    active = [market for market in markets if market["status"] == "active" and "mve_selected_legs" not in market]
    ticker: str = max(active, key=lambda market: Decimal(market["volume_fp"]))["ticker"]
    return ticker


def test_candlesticks_are_those_of_the_api(service: str, http: httpx.Client, traded: str) -> None:
    facts, rows = answer(service, "get_candlesticks", ticker=traded)
    assert facts["period_chosen"]
    assert 0 < facts["count"] == len(rows) <= 200
    candles = http.get(facts["api_url"]).json()["candlesticks"][-200:]
    assert [row["volume"] for row in rows] == [candle["volume_fp"] for candle in candles]
    assert [row["close"] for row in rows] == [candle["price"].get("close_dollars", "") for candle in candles]
    assert [row["yes_ask"] for row in rows] == [candle["yes_ask"]["close_dollars"] for candle in candles]


@pytest.mark.parametrize(
    ("hours", "period"), [(3, 1), (16, 5), (24, 15), (24 * 8, 60), (24 * 30, 240), (24 * 300, 1440)]
)
def test_the_period_is_chosen_from_the_range(service: str, traded: str, hours: int, period: int) -> None:
    end = 1_795_521_600
    facts, _ = answer(service, "get_candlesticks", ticker=traded, start_ts=end - hours * 3600, end_ts=end)
    assert (facts["period_interval"], facts["period_chosen"]) == (period, True)
    assert facts["end"] == "2026-11-24T12:00:00Z"


def test_a_given_period_is_used_and_only_the_newest_candles_are_returned(service: str, traded: str) -> None:
    start = int(time.time()) - 36 * 3600
    facts, rows = answer(service, "get_candlesticks", ticker=traded, period_interval=1, fill="mid", start_ts=start)
    assert (facts["period_interval"], facts["period_chosen"], facts["count"], facts["truncated"]) == (
        1,
        False,
        200,
        True,
    )
    assert facts["total"] > len(rows) == 200
    assert rows[-1]["end"] <= facts["end"]
    assert "true" in {row["filled"] for row in rows}
    assert "fill=mid" in facts["api_url"]


def test_a_settled_market_has_the_candles_of_its_life(service: str, markets: Sequence[Mapping[str, Any]]) -> None:
    settled = [market for market in markets if market["status"] == "finalized" and Decimal(market["volume_fp"]) > 0]
    market = max(settled, key=lambda market: Decimal(market["volume_fp"]))
    facts, rows = answer(service, "get_candlesticks", ticker=market["ticker"])
    assert facts["start"][:16] == market["open_time"][:16]
    assert facts["end"] > market["close_time"]
    assert sum(Decimal(row["volume"]) for row in rows) == Decimal(market["volume_fp"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"period_interval": 7}, "period_interval must be a number of minutes"),
        ({"start_ts": "yesterday"}, "start_ts must be ISO 8601"),
        ({"start_ts": 1_795_521_600, "end_ts": 1_795_521_000}, "start_ts must not be after end_ts"),
        ({"tz": "Europe/Berlin", "period_interval": 60}, "tz is for daily candles only"),
        ({"tz": "No/Where", "period_interval": 1440}, "tz must be the name of an IANA time zone"),
    ],
)
def test_invalid_candlestick_arguments_are_the_errors_of_the_api(
    service: str, traded: str, arguments: Mapping[str, Any], message: str
) -> None:
    assert failure(service, "get_candlesticks", ticker=traded, **arguments)["detail"][0]["msg"].startswith(message)


def test_freshness_is_an_extract_of_the_status(service: str, http: httpx.Client) -> None:
    facts, rows = answer(service, "get_freshness")
    status = http.get(facts["api_url"]).json()
    assert facts["api_url"] == f"{service}/status"
    for name in ("markets", "removed", "live", "archive", "statuses"):
        assert facts[name] == status[name]
    assert [row["job"] for row in rows] == [job["job"] for job in status["jobs"]]
    assert facts["crawled_at"] == http.get("/markets?limit=1").headers["x-crawled-at"]
    assert failure(service, "get_freshness", job="live")["code"] == "unknown_parameter"


def test_an_unknown_tool_is_an_error_of_the_protocol(service: str) -> None:
    for mode in MODES:
        with pytest.raises(ExceptionGroup) as caught:
            call(service, "no_such_tool", mode)
        error = caught.value.exceptions[0]
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        assert isinstance(error, MCPError)
        assert error.code == -32602
        assert "search_markets, get_market" in str(error)
