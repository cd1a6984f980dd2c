"""Batches that the exchange rejects, and the results of their tickers."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from api.candlesticks.result import DEADLINE
from tests.integration.test_candlesticks import DAY, HOUR, api, ask
from tests.support.api_client import ApiClient
from tests.support.scripted_server import Reply, ScriptedServer

__all__ = ["api"]

TICKERS = [f"T{number}" for number in range(100)]
REJECTION = Reply(400, b'{"error": {"code": "bad_request", "message": "bad request", "details": "not this one"}}')
MESSAGE = "The exchange returned no candlesticks: bad request: not this one"
ANSWER = Reply(
    body=json.dumps(
        {"markets": [{"market_ticker": name, "candlesticks": [{"end_period_ts": HOUR}]} for name in TICKERS]}
    ).encode()
)


def answered(function: ApiClient, tickers: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the error of each ticker, and `unanswered`."""
    answer = ask(function, tickers, start_ts=0, end_ts=DAY).json
    return {result["ticker"]: result["error"] for result in answer["results"]}, answer["unanswered"]


@pytest.mark.parametrize("rejected", [["BAD1"], ["BAD1", "BAD2"], ["BAD1", "BAD2", "BAD3", "BAD4"]])
@pytest.mark.parametrize("positions", [(0, 1, 2, 3), (99, 98, 97, 96), (0, 40, 41, 99)])
def test_only_the_rejected_ticker_has_the_error(
    api: Callable[..., ApiClient], rejected: list[str], positions: tuple[int, ...]
) -> None:
    tickers = list(TICKERS)
    for position, ticker in zip(positions, rejected, strict=False):
        tickers[position] = ticker
    with ScriptedServer([ANSWER], {"*BAD*": [REJECTION]}) as exchange:
        errors, unanswered = answered(api(exchange), tickers)
        assert len(exchange.requests) <= 15 * len(rejected)
    assert errors == {ticker: MESSAGE if ticker in rejected else None for ticker in tickers}
    assert unanswered == []


def test_a_rejected_range_is_not_bisected_to_single_tickers(api: Callable[..., ApiClient]) -> None:
    with ScriptedServer([REJECTION]) as exchange:
        errors, unanswered = answered(api(exchange), TICKERS)
        assert len(exchange.requests) <= 25
    assert errors == dict.fromkeys(TICKERS, MESSAGE)
    assert unanswered == []


def test_an_authentication_failure_is_not_bisected(api: Callable[..., ApiClient]) -> None:
    with ScriptedServer([Reply(401, b'{"error": {"code": "authentication_error", "message": "no"}}')]) as exchange:
        answered(api(exchange), TICKERS)
        assert len(exchange.requests) == 1


def test_tickers_not_reached_during_a_bisection_are_unanswered(
    api: Callable[..., ApiClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.app.RESPONSE_RESERVE_SECONDS", 28)
    with ScriptedServer([ANSWER], {"*T0*": [Reply(400, REJECTION.body, delay=0.4)]}) as exchange:
        errors, unanswered = answered(api(exchange), TICKERS)
    assert errors["T0"] is not None
    assert MESSAGE not in errors.values()
    assert unanswered == [ticker for ticker, error in errors.items() if error]
    assert DEADLINE.message in errors.values()
