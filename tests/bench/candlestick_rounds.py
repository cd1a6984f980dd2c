"""Requests for candlesticks and their costs: python -m tests.bench.candlestick_rounds

As a program it serves the request on its standard input and prints its peak memory in KiB.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from unittest import mock

import httpx

import api.handler  # noqa: F401  # its import configures garbage collection
from local import ROOT
from tests.bench.api_process import body
from tests.bench.memoized_exchange import RATE
from tests.bench.report import peak
from tests.support.api_client import ApiClient

PATH: Final = "/markets/candlesticks"
GZIP: Final = {"accept-encoding": "gzip"}


@dataclass
class Calls:
    """Candlestick requests to the exchange: their send times, and the number of 429 responses."""

    sent: list[float] = field(default_factory=list)
    rate_limited: int = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        send = httpx.AsyncClient.send

        async def spy(client: httpx.AsyncClient, request: httpx.Request, **rest: Any) -> httpx.Response:
            if "candlesticks" in request.url.path:
                self.sent.append(time.monotonic())
            response = await send(client, request, **rest)
            self.rate_limited += response.status_code == httpx.codes.TOO_MANY_REQUESTS
            return response

        with mock.patch.object(httpx.AsyncClient, "send", spy):
            yield

    @property
    def rate(self) -> float:
        """Requests per second from the first to the last."""
        return (len(self.sent) - 1) / max(1e-9, self.sent[-1] - self.sent[0])


@dataclass
class Round:
    """Result of one request: its duration in seconds, its calls and its tickers."""

    seconds: float
    calls: Calls
    answered: int
    unanswered: list[str]


@dataclass
class Asker:
    """Client of the API over an exchange. span: the time range, period and other parameters of every request."""

    environment: Mapping[str, str]
    url: str
    span: Mapping[str, int | str]

    def settings(self, cache_mb: int) -> dict[str, str]:
        """Return the function's environment."""
        exchange = {"EXCHANGE_URL": self.url, "EXCHANGE_RATE": f"{RATE:g}"}
        return {**self.environment, **exchange, "CANDLE_CACHE_MB": str(cache_mb)}

    @contextmanager
    def api(self, cache_mb: int = 1024) -> Iterator[ApiClient]:
        api = ApiClient(self.settings(cache_mb))
        try:
            yield api
        finally:
            api.close()

    def question(self, tickers: Sequence[str]) -> str:
        """Return the body of a request."""
        return json.dumps({"tickers": tickers, **self.span})

    def ask(self, api: ApiClient, tickers: Sequence[str]) -> Round:
        calls, question = Calls(), self.question(tickers)
        with calls.watched():
            began = time.monotonic()
            response = api.invoke("POST", PATH, question, GZIP)
            seconds = time.monotonic() - began
        answer = json.loads(body(response))
        answered = sum(1 for result in answer["results"] if result["error"] is None)
        return Round(seconds, calls, answered, answer["unanswered"])

    def ask_all(self, api: ApiClient, tickers: Sequence[str]) -> list[Round]:
        """Request the unanswered tickers until none is left."""
        rounds, left = [], list(tickers)
        while left:
            rounds.append(self.ask(api, left))
            assert len(rounds[-1].unanswered) < len(left), "no progress"
            left = rounds[-1].unanswered
        return rounds

    def peak(self, tickers: Sequence[str], cache_mb: int) -> float:
        """Return the peak memory of a request in MiB, measured in a separate process."""
        command = [sys.executable, "-m", "tests.bench.candlestick_rounds"]
        environment, question = os.environ | self.settings(cache_mb), self.question(tickers)
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, input=question, stdout=subprocess.PIPE, text=True, check=True
        )
        return int(ended.stdout) / 1024


if __name__ == "__main__":
    ApiClient({}).invoke("POST", PATH, sys.stdin.read(), GZIP)
    print(peak())
