"""Size limit of candlestick responses, and the results that exceed it."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.integration.test_candlesticks import DAY, HOUR, api, ask
from tests.support.api_client import ApiClient
from tests.support.scripted_server import Reply, ScriptedServer

__all__ = ["api"]


@pytest.mark.parametrize(("tickers", "candles", "fits"), [(1, 9000, True), (1, 25_000, False), (20, 2500, True)])
def test_a_large_response_makes_progress_and_a_result_that_never_fits_is_not_retryable(
    api: Callable[..., ApiClient], tickers: int, candles: int, fits: bool
) -> None:
    rng = random.Random(4)
    names = [f"T{n}" for n in range(tickers)]
    markets = [
        {
            "market_ticker": name,
            "candlesticks": [{"end_period_ts": n * HOUR, "x": rng.randbytes(180).hex()} for n in range(candles)],
        }
        for name in names
    ]
    with ScriptedServer([Reply(body=json.dumps({"markets": markets}).encode())]) as exchange:
        answer = ask(api(exchange), names, start_ts=0, end_ts=candles * HOUR)
    assert answer.size < 6_291_556
    answered = [result for result in answer.json["results"] if result["error"] is None]
    assert bool(answered) is fits
    assert len(answered) + len(answer.json["unanswered"]) == (tickers if fits else 0)


def noisy_candles(rng: random.Random) -> list[dict[str, Any]]:
    """Return a day of candles that hardly compress."""
    return [{"end_period_ts": n * HOUR, "noise": rng.randbytes(400).hex()} for n in range(25)]


def answer_for(names: Sequence[str], rng: random.Random) -> Reply:
    markets = [{"market_ticker": name, "candlesticks": noisy_candles(rng)} for name in names]
    return Reply(body=json.dumps({"markets": markets}).encode())


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_results_without_room_are_listed_and_can_be_requested_until_none_is_left(
    api: Callable[..., ApiClient], encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.candlesticks.exchange_calls.MAX_CONCURRENT_CALLS", 1)
    rng = random.Random(1)
    tickers = [f"T{n}" for n in range(900)]
    remaining, seen, rounds = tickers, [], 0
    while remaining:
        groups = [remaining[first : first + 100] for first in range(0, len(remaining), 100)]
        with ScriptedServer([answer_for(group, rng) for group in groups]) as exchange:
            answer = api(exchange).post(
                "/markets/candlesticks",
                {"tickers": remaining, "start_ts": 0, "end_ts": DAY},
                **{"accept-encoding": encoding},
            )
        assert answer.status == 200
        assert answer.size < 6_291_556
        assert [result["ticker"] for result in answer.json["results"]] == remaining
        seen += [result["ticker"] for result in answer.json["results"] if result["error"] is None]
        failed = [result["ticker"] for result in answer.json["results"] if result["error"]]
        assert failed == answer.json["unanswered"]
        assert len(failed) < len(remaining)
        remaining, rounds = failed, rounds + 1
    assert seen == tickers
    assert rounds > 1


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_ten_thousand_tickers_leave_room_for_telling_which_were_not_answered(
    api: Callable[..., ApiClient], encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.candlesticks.exchange_calls.MAX_CONCURRENT_CALLS", 1)
    rng = random.Random(2)
    tickers = [f"KX{rng.randbytes(12).hex().upper()}-{n}" for n in range(10_000)]
    with ScriptedServer([answer_for(tickers[first : first + 100], rng) for first in (0, 100, 200, 300)]) as exchange:
        answer = api(exchange).post(
            "/markets/candlesticks", {"tickers": tickers, "start_ts": 0, "end_ts": DAY}, **{"accept-encoding": encoding}
        )
    assert answer.status == 200
    assert answer.size < 6_291_556
    answered = [result for result in answer.json["results"] if result["candlesticks"]]
    assert 100 < len(answered) < 400
    assert len(answer.json["results"]) == 10_000
