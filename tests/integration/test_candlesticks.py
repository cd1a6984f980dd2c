import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs

import pytest

from kalshi_markets.exchange import transport
from local.exchange.catalogue import Order
from local.exchange.clock import SECOND, Clock
from local.exchange.generator import generate
from local.exchange.server import Server
from tests.integration.lambdas import Answer, Api
from tests.integration.scripted import Reply, Scripted

HOUR = 3600


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(generate(3, 700, Clock(speed=0))) as server:
        yield server


@pytest.fixture(scope="module")
def active(server: Server) -> list[str]:
    """Tickers of markets that are traded now."""
    markets = [json.loads(market.json) for _, market in server.exchange.markets(Order.CREATED, None)]
    return [
        market["ticker"] for market in markets if market["status"] == "active" and "mve_selected_legs" not in market
    ]


@pytest.fixture
def api(environment: dict[str, str]) -> Iterator[Callable[..., Api]]:
    """Makes the API function over an exchange."""
    made = []

    def over(exchange: Server | Scripted, **settings: str) -> Api:
        made.append(Api(environment | {"EXCHANGE_URL": exchange.url, "EXCHANGE_RATE": "1000"} | settings))
        return made[-1]

    yield over
    for one in made:
        one.close()


def ask(api: Api, tickers: Sequence[str], **rest: Any) -> Answer:
    return api.post("/markets/candlesticks", {"tickers": tickers, **rest}, **{"accept-encoding": "gzip"})


def now(server: Server) -> int:
    return server.exchange.clock.now() // SECOND


def test_each_distinct_ticker_has_a_result_in_the_order_asked(
    api: Callable[..., Api], server: Server, active: list[str]
) -> None:
    asked = [*active[:150][::-1], "KXNOSUCH-1", active[0], "KXNOSUCH-1"]
    answer = ask(api(server), asked).json
    assert list(answer) == ["results", "unanswered"]
    assert [result["ticker"] for result in answer["results"]] == [*active[:150][::-1], "KXNOSUCH-1"]
    assert [list(result) for result in answer["results"]] == [["ticker", "candlesticks", "error"]] * 151
    assert "no live market" in answer["results"][-1]["error"]
    assert {result["error"] for result in answer["results"][:-1]} == {None}
    assert answer["unanswered"] == []
    assert sum(len(result["candlesticks"]) for result in answer["results"]) > 150


def test_by_default_they_are_the_last_24_hours_hour_by_hour(
    api: Callable[..., Api], server: Server, active: list[str]
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
    api: Callable[..., Api], server: Server, active: list[str], period: int
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


def fetch(server: Server, parameters: dict[str, Any]) -> Any:
    import httpx

    return httpx.get(server.url + "/markets/candlesticks", params=parameters).json()


def test_both_ends_are_included(api: Callable[..., Api], server: Server, active: list[str]) -> None:
    function = api(server)
    [result] = ask(function, active[-1:], start_ts=now(server) - 500 * HOUR).json["results"]
    first, last = (result["candlesticks"][at]["end_period_ts"] for at in (0, -1))
    [again] = ask(function, active[-1:], start_ts=first, end_ts=last).json["results"]
    assert again == result


def test_few_calls_carry_many_tickers(api: Callable[..., Api]) -> None:
    with Scripted([Reply(body=b'{"markets": []}')]) as exchange:
        ask(api(exchange), [f"T{n}" for n in range(1000)])
        assert len(exchange.requests) == 10


def test_an_exchange_that_fails_is_told_per_ticker_and_may_be_asked_again(
    api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "FIRST_PAUSE", 0.01)
    known = {"markets": [{"market_ticker": f"T{n}", "candlesticks": [{"end_period_ts": n}]} for n in range(100)]}
    with Scripted([Reply(body=json.dumps(known).encode()), Reply(503)]) as exchange:
        monkeypatch.setattr("api.candlesticks._CALLS_AT_ONCE", 1)
        answer = ask(api(exchange), [f"T{n}" for n in range(150)]).json
    assert [result["error"] for result in answer["results"][:100]] == [None] * 100
    assert all("503" in result["error"] for result in answer["results"][100:])
    assert answer["unanswered"] == [f"T{n}" for n in range(100, 150)]


def test_a_refused_key_is_told_and_not_asked_again(api: Callable[..., Api]) -> None:
    with Scripted([Reply(401, b'{"error": {"code": "authentication_error", "message": "no"}}')]) as exchange:
        answer = ask(api(exchange), ["A"]).json
    assert "no" in answer["results"][0]["error"]
    assert answer["unanswered"] == []


@pytest.mark.parametrize("ticker", ["A,B", "A&limit=1", "../x", "é", "a b", "字" * 200])
def test_what_is_no_ticker_never_reaches_the_exchange_and_spoils_no_other(api: Callable[..., Api], ticker: str) -> None:
    known = Reply(body=b'{"markets": [{"market_ticker": "GOOD", "candlesticks": []}]}')
    with Scripted([known]) as exchange:
        answer = ask(api(exchange), [ticker, "GOOD"]).json
        assert [parse_qs(path.partition("?")[2])["market_tickers"] for path, _ in exchange.requests] == [["GOOD"]]
    assert "only letters" in answer["results"][0]["error"]
    assert answer["results"][1] == {"ticker": "GOOD", "candlesticks": [], "error": None}
    assert answer["unanswered"] == []


@pytest.mark.parametrize("candlesticks", [[None], "text", [1], {"a": 1}])
def test_candles_that_are_none_are_told_as_the_exchanges_error(
    api: Callable[..., Api], candlesticks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "FIRST_PAUSE", 0.01)
    body = json.dumps({"markets": [{"market_ticker": "A", "candlesticks": candlesticks}]}).encode()
    with Scripted([Reply(body=body)]) as exchange:
        answer = ask(api(exchange), ["A"]).json
    assert "cannot be read" in answer["results"][0]["error"]


def test_odd_text_of_the_exchange_is_passed_on_escaped(api: Callable[..., Api]) -> None:
    body = b'{"markets": [{"market_ticker": "A", "candlesticks": [{"note": "\\ud800", "price": 0.10}]}]}'
    with Scripted([Reply(body=body)]) as exchange:
        answer = ask(api(exchange), ["A"])
    assert '"note": "\\ud800"' in answer.text
    assert answer.json["results"][0]["candlesticks"][0]["price"] == "0.10"


@pytest.mark.parametrize(("tickers", "candles", "fits"), [(1, 9000, True), (1, 25_000, False), (20, 2500, True)])
def test_a_large_answer_gets_on_and_one_that_never_fits_is_not_to_be_asked_again(
    api: Callable[..., Api], tickers: int, candles: int, fits: bool
) -> None:
    rng = random.Random(4)
    names = [f"T{n}" for n in range(tickers)]
    markets = [
        {"market_ticker": name, "candlesticks": [{"x": rng.randbytes(180).hex()} for _ in range(candles)]}
        for name in names
    ]
    with Scripted([Reply(body=json.dumps({"markets": markets}).encode())]) as exchange:
        answer = ask(api(exchange), names)
    assert answer.size < 6_291_556
    answered = [result for result in answer.json["results"] if result["error"] is None]
    assert bool(answered) is fits
    assert len(answered) + len(answer.json["unanswered"]) == (tickers if fits else 0)


def noisy_candles(rng: random.Random) -> list[dict[str, Any]]:
    """A day of candles that hardly compress."""
    return [{"end_period_ts": n, "noise": rng.randbytes(400).hex()} for n in range(25)]


def answer_for(names: Sequence[str], rng: random.Random) -> Reply:
    found = [{"market_ticker": name, "candlesticks": noisy_candles(rng)} for name in names]
    return Reply(body=json.dumps({"markets": found}).encode())


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_what_has_no_room_is_told_and_can_be_asked_again_until_nothing_is_left(
    api: Callable[..., Api], encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.candlesticks._CALLS_AT_ONCE", 1)
    rng = random.Random(1)
    tickers = [f"T{n}" for n in range(900)]
    remaining, seen, rounds = tickers, [], 0
    while remaining:
        groups = [remaining[first : first + 100] for first in range(0, len(remaining), 100)]
        with Scripted([answer_for(group, rng) for group in groups]) as exchange:
            answer = api(exchange).post(
                "/markets/candlesticks", {"tickers": remaining}, **{"accept-encoding": encoding}
            )
        assert answer.status == 200
        assert answer.size < 6_291_556
        assert [result["ticker"] for result in answer.json["results"]] == remaining
        seen += [result["ticker"] for result in answer.json["results"] if result["error"] is None]
        refused = [result["ticker"] for result in answer.json["results"] if result["error"]]
        assert refused == answer.json["unanswered"]
        assert len(refused) < len(remaining)
        remaining, rounds = refused, rounds + 1
    assert seen == tickers
    assert rounds > 1


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_ten_thousand_tickers_leave_room_for_telling_which_were_not_answered(
    api: Callable[..., Api], encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.candlesticks._CALLS_AT_ONCE", 1)
    rng = random.Random(2)
    tickers = [f"KX{rng.randbytes(12).hex().upper()}-{n}" for n in range(10_000)]
    with Scripted([answer_for(tickers[first : first + 100], rng) for first in (0, 100, 200, 300)]) as exchange:
        answer = api(exchange).post("/markets/candlesticks", {"tickers": tickers}, **{"accept-encoding": encoding})
    assert answer.status == 200
    assert answer.size < 6_291_556
    answered = [result for result in answer.json["results"] if result["candlesticks"]]
    assert 100 < len(answered) < 400
    assert len(answer.json["results"]) == 10_000


@pytest.mark.parametrize(("start", "end", "period"), [(0, 10**9, 1440), (0, 10**11 - 1, 1)])
def test_more_calls_than_time_permits_are_refused_before_any_is_made(
    api: Callable[..., Api], start: int, end: int, period: int
) -> None:
    with Scripted([Reply(body=b'{"markets": []}')]) as exchange:
        answer = ask(
            api(exchange, EXCHANGE_RATE="5"),
            [f"T{n}" for n in range(10_000)],
            start_ts=0,
            end_ts=10**9,
            period_interval=1440,
        )
        assert exchange.requests == []
    assert answer.status == 422
    assert answer.json["code"] == "too_many_calls"
    assert "calls" in answer.json["detail"][0]["msg"]


def test_without_the_migrations_it_says_so(api: Callable[..., Api]) -> None:
    with Scripted([Reply()]) as exchange:
        answer = ask(api(exchange, MARKETS_TABLE="unknown"), ["A"])
    assert (answer.status, answer.json["code"]) == (503, "table_missing")


BODIES: list[tuple[str | bytes, list[Any]]] = [
    ("", ["body"]),
    ("nonsense", ["body"]),
    ("[]", ["body"]),
    ("null", ["body"]),
    ("{}", ["body", "tickers"]),
    ('{"tickers": []}', ["body", "tickers"]),
    ('{"tickers": "A"}', ["body", "tickers"]),
    ('{"tickers": [1]}', ["body", "tickers", 0]),
    ('{"tickers": ["A", ""]}', ["body", "tickers", 1]),
    ('{"tickers": ["\\ud800"]}', ["body"]),
    ('{"tickers": ["a\\u0000b"]}', ["body", "tickers", 0]),
    ('{"tickers": ["a\\nb"]}', ["body", "tickers", 0]),
    (json.dumps({"tickers": ["x" * 201]}), ["body", "tickers", 0]),
    (json.dumps({"tickers": ["A"] * 10_001}), ["body", "tickers"]),
    ('{"tickers": NaN}', ["body", "tickers"]),
    ('{"tickers": ["A"], "start_ts": NaN}', ["body", "start_ts"]),
    ('{"tickers": ["A"], "start_ts": Infinity}', ["body", "start_ts"]),
    ('{"tickers": ["A"], "start_ts": "0"}', ["body", "start_ts"]),
    ('{"tickers": ["A"], "start_ts": 1.5}', ["body", "start_ts"]),
    ('{"tickers": ["A"], "start_ts": -1}', ["body", "start_ts"]),
    ('{"tickers": ["A"], "start_ts": true}', ["body", "start_ts"]),
    ('{"tickers": ["A"], "end_ts": 1795521600000}', ["body", "end_ts"]),
    ('{"tickers": ["A"], "start_ts": 5, "end_ts": 4}', ["body"]),
    ('{"tickers": ["A"], "start_ts": 99999999999}', ["body"]),
    ('{"tickers": ["A"], "period_interval": 5}', ["body", "period_interval"]),
    ('{"tickers": ["A"], "period_interval": true}', ["body", "period_interval"]),
    ('{"tickers": ["A"], "perod_interval": 60}', ["body", "perod_interval"]),
    (b'{"tickers": ["\xff"]}', ["body"]),
    (b"\x00", ["body"]),
    ('{"tickers": ' + "[" * 100_000, ["body"]),
]


@pytest.mark.parametrize(("body", "place"), BODIES, ids=[str(body)[:40] for body, _ in BODIES])
def test_a_wrong_body_is_a_422_that_says_where(
    api: Callable[..., Api], server: Server, body: str | bytes, place: list[Any]
) -> None:
    answer = api(server).post("/markets/candlesticks", body)
    assert answer.status == 422, answer.text
    assert answer.json["code"] == "invalid_body"
    assert place in [problem["loc"] for problem in answer.json["detail"]]
    assert answer.json["hint"]


def test_a_members_name_is_not_repeated_at_length(api: Callable[..., Api], server: Server) -> None:
    answer = api(server).post("/markets/candlesticks", json.dumps({"tickers": ["A"], '"' * 3_000_000: 1}))
    assert answer.status == 422
    assert answer.size < 5000
