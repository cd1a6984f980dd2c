"""Processes that ask for candlesticks at once have one rate between them."""

import json
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from typing import Any

import httpx

from api.candlesticks.result import NO_CANDLES
from kalshi_markets.database import Database
from local.exchange.app import Setup
from local.exchange.catalogue import Order, Wanted
from local.exchange.clock import Clock
from local.exchange.generator import generate
from local.exchange.server import Server
from tests.integration.conftest import keep
from tests.integration.lambdas import Api
from tests.integration.test_candlesticks import ask

PERMITTED, RATE = 20, 16
"""Requests a second. What a busy machine holds up comes in a bunch, for which there is room; twice RATE has none."""


def answer(environment: Mapping[str, str], tickers: Sequence[str]) -> Any:
    """Of the API in this process."""
    api = Api(environment)
    try:
        return ask(api, tickers, start_ts=0, period_interval=1440).json
    finally:
        api.close()


def test_two_processes_that_ask_at_once_are_never_refused_and_both_complete(
    environment: dict[str, str], database: Database
) -> None:
    exchange = generate(5, 100, Clock(), archived=100)
    archived = [market for _, market in exchange.markets(Order.CREATED, None, Wanted(archived=True))]
    keep(database, *(json.loads(market.json, parse_float=Decimal) for market in archived))
    tickers = [market.ticker for market in archived]
    processes = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    with Server(exchange, setup=Setup(tier="basic", unsigned_rate=10 * PERMITTED)) as server, processes:
        asking = {**environment, "EXCHANGE_URL": server.url, "EXCHANGE_RATE": str(RATE)}
        answers = [*processes.map(answer, [asking] * 2, [tickers[:40], tickers[40:]])]
        counted = httpx.get(f"{server.root}/admin/requests").json()
    assert [one["unanswered"] for one in answers] == [[], []]
    results = [result for one in answers for result in one["results"]]
    assert [result["ticker"] for result in results] == tickers
    assert {result["error"] for result in results} <= {None, NO_CANDLES}
    assert {one["status"] for one in counted} == {200}
    calls = sum(one["count"] for one in counted if one["path"].endswith("{ticker}/candlesticks"))
    assert calls == len(tickers) > 3 * PERMITTED  # many more than it lets anybody send at once
