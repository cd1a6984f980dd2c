"""Concurrent processes that fetch candlesticks share one rate."""

import json
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from typing import Any

import httpx

from kalshi_markets.database import Database
from local.exchange.catalogue import MarketFilter, Order
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.server import ExchangeServer
from tests.integration.test_candlesticks import ask
from tests.support.api_client import ApiClient
from tests.support.database import store_markets

PERMITTED, RATE = 20, 16
"""Requests per second. PERMITTED has room for a burst after a delay on a busy machine, but not for twice RATE."""


def answer(environment: Mapping[str, str], tickers: Sequence[str]) -> Any:
    """Request candlesticks from an API in this process."""
    api = ApiClient(environment)
    try:
        return ask(api, tickers, start_ts=0, period_interval=1440).json
    finally:
        api.close()


def test_two_concurrent_processes_are_never_rate_limited_and_both_complete(
    environment: dict[str, str], database: Database
) -> None:
    exchange = generate(5, 100, Clock(), archived=100)
    archived = [market for _, market in exchange.markets(Order.CREATED, None, MarketFilter(archived=True))]
    store_markets(database, *(json.loads(market.json, parse_float=Decimal) for market in archived))
    tickers = [market.ticker for market in archived]
    processes = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    with (
        ExchangeServer(exchange, options=ServerOptions(tier="basic", unsigned_rate=10 * PERMITTED)) as server,
        processes,
    ):
        asking = {**environment, "EXCHANGE_URL": server.url, "EXCHANGE_RATE": str(RATE)}
        answers = [*processes.map(answer, [asking] * 2, [tickers[:40], tickers[40:]])]
        counted = httpx.get(f"{server.root}/admin/requests").json()
    assert [part["unanswered"] for part in answers] == [[], []]
    results = [result for part in answers for result in part["results"]]
    assert [result["ticker"] for result in results] == tickers
    assert {result["error"] for result in results} == {None}
    assert {counter["status"] for counter in counted} == {200}
    calls = sum(counter["count"] for counter in counted if counter["path"].endswith("{ticker}/candlesticks"))
    assert calls == len(tickers) > 3 * PERMITTED  # far more than the exchange permits at once
