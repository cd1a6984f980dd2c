"""Exchange that computes each batch of candlesticks once: python -m tests.bench.memoized_exchange MARKETS ARCHIVED

It simulates the basic tier (RATE requests per second, 429 beyond) with a latency of LATENCY seconds. Repeated requests
are served from memory, so that a measured run does not wait for the exchange to compute.
"""

import signal
import sys
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any, Final
from unittest import mock

import httpx
from starlette.requests import Request

from kalshi_markets.exchange.parsing import parse_json
from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.endpoints import Endpoints
from local.exchange.http.server import ExchangeServer
from tests.bench.exchange import program

RATE: Final = 20.0
LATENCY: Final = 0.15


def remembering(markets: int, archived: int) -> AbstractContextManager[tuple[int, str]]:
    """Run the exchange in a process of its own. Yield its process id and URL."""
    return program("-m", "tests.bench.memoized_exchange", markets, archived)


def listed(url: str, path: str, count: int, **query: str) -> list[dict[str, Any]]:
    """Return the first Market objects of a listing."""
    markets: list[dict[str, Any]] = []
    parameters = {"limit": "1000", "mve_filter": "exclude", **query}
    while len(markets) < count:
        answer = httpx.get(url + path, params=parameters, timeout=60).raise_for_status()
        page = parse_json(answer.content, parse_float=Decimal)
        markets += page["markets"]
        parameters["cursor"] = page["cursor"]
    return markets[:count]


def _serve(markets: int, archived: int) -> None:
    """Serve until the process is killed."""
    batch, responses = Endpoints.batch_candlesticks, dict[str, bytes]()

    def remembered(self: Endpoints, request: Request) -> bytes:
        query = request.url.query
        if query not in responses:
            responses[query] = batch(self, request)
        return responses[query]

    exchange = generate(11, markets, Clock(), archived=archived)
    faults = ({"kind": "latency", "seconds": LATENCY},)
    setup = ServerOptions(tier="basic", unsigned_rate=round(RATE * 10), faults=faults)
    with (
        mock.patch.object(Endpoints, "batch_candlesticks", remembered),
        ExchangeServer(exchange, options=setup) as server,
    ):
        print(f"exchange: {markets} markets at {server.url}", flush=True)
        signal.pause()


if __name__ == "__main__":
    _serve(*map(int, sys.argv[1:]))
