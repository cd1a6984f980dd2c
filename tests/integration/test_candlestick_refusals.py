"""A batch that the exchange refuses, and what becomes of its tickers."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from api.candlesticks.result import NOT_REACHED
from tests.integration.lambdas import Api
from tests.integration.scripted import Reply, Scripted
from tests.integration.test_candlesticks import DAY, HOUR, api, ask

__all__ = ["api"]

TICKERS = [f"T{number}" for number in range(100)]
REFUSED = Reply(400, b'{"error": {"code": "bad_request", "message": "bad request", "details": "not this one"}}')
TOLD = "The exchange gave no candlesticks: bad request: not this one"
ANSWER = Reply(
    body=json.dumps(
        {"markets": [{"market_ticker": name, "candlesticks": [{"end_period_ts": HOUR}]} for name in TICKERS]}
    ).encode()
)


def answered(function: Api, tickers: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The error of each ticker, and unanswered."""
    answer = ask(function, tickers, start_ts=0, end_ts=DAY).json
    return {result["ticker"]: result["error"] for result in answer["results"]}, answer["unanswered"]


@pytest.mark.parametrize("refused", [["BAD1"], ["BAD1", "BAD2"], ["BAD1", "BAD2", "BAD3", "BAD4"]])
@pytest.mark.parametrize("places", [(0, 1, 2, 3), (99, 98, 97, 96), (0, 40, 41, 99)])
def test_only_the_refused_ticker_has_the_error(
    api: Callable[..., Api], refused: list[str], places: tuple[int, ...]
) -> None:
    tickers = list(TICKERS)
    for place, ticker in zip(places, refused, strict=False):
        tickers[place] = ticker
    with Scripted([ANSWER], {"*BAD*": [REFUSED]}) as exchange:
        errors, unanswered = answered(api(exchange), tickers)
        assert len(exchange.requests) <= 15 * len(refused)
    assert errors == {ticker: TOLD if ticker in refused else None for ticker in tickers}
    assert unanswered == []


def test_a_range_that_is_refused_is_not_asked_for_ticker_by_ticker(api: Callable[..., Api]) -> None:
    with Scripted([REFUSED]) as exchange:
        errors, unanswered = answered(api(exchange), TICKERS)
        assert len(exchange.requests) <= 25
    assert errors == dict.fromkeys(TICKERS, TOLD)
    assert unanswered == []


def test_a_refused_key_is_not_tried_again_with_fewer_tickers(api: Callable[..., Api]) -> None:
    with Scripted([Reply(401, b'{"error": {"code": "authentication_error", "message": "no"}}')]) as exchange:
        answered(api(exchange), TICKERS)
        assert len(exchange.requests) == 1


def test_who_is_not_reached_while_a_refused_ticker_is_looked_for_may_be_asked_again(
    api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.app.MARGIN_SECONDS", 28)
    with Scripted([ANSWER], {"*T0*": [Reply(400, REFUSED.body, delay=0.4)]}) as exchange:
        errors, unanswered = answered(api(exchange), TICKERS)
    assert errors["T0"] is not None
    assert TOLD not in errors.values()
    assert unanswered == [ticker for ticker, error in errors.items() if error]
    assert NOT_REACHED in errors.values()
