"""Candlesticks of random requests equal the exchange's.

Requests vary tickers of both tiers, ranges and periods, the state of the cache, the size of calls, and days before and
after both clock changes.
"""

import csv
import io
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.candlesticks import planner
from api.candlesticks.derivation import EXCHANGE_PERIODS
from api.candlesticks.request import PERIODS
from api.candlesticks.result import UNKNOWN_TICKER
from local.exchange.candles import compute_candles, to_live_object
from local.exchange.catalogue import ALL_MARKETS, MarketFilter, Order
from local.exchange.clock import SECOND, Clock, parse
from local.exchange.generated import generate
from local.exchange.http.server import ExchangeServer
from tests.properties.scale import SOAK, examples
from tests.support.api_client import ApiClient
from tests.support.database import connect, store_markets

HOUR, DAY = 3600, 86_400
NOWS = ["2026-11-25T15:20:07Z", "2026-11-03T09:00:00Z", "2026-03-10T04:30:00Z"]
"""Times of the exchange. The last two are days after New York's clocks went back and forward."""


@dataclass
class Setup:
    """Exchange with the API over it, and markets of both tiers, some of which are not in the table."""

    server: ExchangeServer
    api: ApiClient
    tickers: list[str]

    @property
    def now(self) -> int:
        return self.server.exchange.clock.now() // SECOND

    def break_with(self, rules: list[dict[str, Any]]) -> None:
        """Replace the exchange's faults."""
        httpx.post(f"{self.server.root}/admin/faults", json=rules).raise_for_status()

    def expected(self, ticker: str, period: int, start: int, end: int) -> list[dict[str, Any]]:
        """Return the expected candles in the live tier's format, computed from the market's tape."""
        exchange = self.server.exchange
        market = exchange.market(ticker) or exchange.market(ticker, archived=True)
        assert market is not None
        return [
            to_live_object(candle) for candle in compute_candles(market.tape, period, start, end, exchange.clock.now())
        ]


@pytest.fixture(scope="module", params=NOWS)
def setup(request: pytest.FixtureRequest, environment: Mapping[str, str]) -> Iterator[Setup]:
    exchange = generate(7, 300, Clock(parse(request.param), speed=0), archived=300)
    live = [market for _, market in exchange.markets(Order.CREATED, None, ALL_MARKETS)]
    archived = [market for _, market in exchange.markets(Order.CREATED, None, MarketFilter(archived=True))][:200]
    database = connect(environment)
    database.execute_script("TRUNCATE kalshi_markets_details, kalshi_markets_quotes, kalshi_markets_candles")
    known = [market for number, market in enumerate([*live, *archived]) if number % 7]
    store_markets(database, *(json.loads(market.json, parse_float=Decimal) for market in known))
    database.close()
    with ExchangeServer(exchange) as server:
        api = ApiClient({**environment, "EXCHANGE_URL": server.url, "EXCHANGE_RATE": "5000"})
        yield Setup(server, api, [market.ticker for market in [*live, *archived]])
        api.close()


@pytest.fixture(params=["small calls", "whole calls"])
def _caps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run with small calls too: they have many boundaries."""
    if request.param == "small calls":
        monkeypatch.setattr(planner, "MAX_BATCH_PERIODS", 130)
        monkeypatch.setattr(planner, "MAX_ARCHIVE_PERIODS", 60)
    planner._best_batch.cache_clear()
    yield
    planner._best_batch.cache_clear()


@dataclass
class CandlestickRequest:
    tickers: list[str]
    period: int
    start: int
    end: int

    def body(self) -> dict[str, Any]:
        return {"tickers": self.tickers, "start_ts": self.start, "end_ts": self.end, "period_interval": self.period}


def random_request(setup: Setup, data: st.DataObject) -> CandlestickRequest:
    """Generate a request whose range starts and ends at, just before or just after a boundary.

    Boundaries are the end of an hour, a day or a block, the present, an opening and a close.
    """
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    period = rng.choice([1, 60, 60, 1440])
    tickers = rng.sample(setup.tickers, rng.choice([1, 2, 30]))
    exchange, ticker = setup.server.exchange, rng.choice(tickers)
    market = exchange.market(ticker) or exchange.market(ticker, archived=True)
    assert market is not None
    about = rng.choice(
        [setup.now, market.tape.opens // SECOND, market.tape.ends // SECOND, parse(rng.choice(NOWS)) // SECOND]
    )
    grid = rng.choice([60, HOUR, 6 * HOUR, DAY])
    end = (about + rng.randrange(-3, 4) * grid) // grid * grid + rng.choice([-1, 0, 0, 1, rng.randrange(grid)])
    length = rng.choice([0, 1, 30, 400]) * rng.choice([1, period]) * 60 + rng.choice([0, 0, 1, rng.randrange(HOUR)])
    return CandlestickRequest(tickers, period, max(0, end - length), max(0, end))


def random_derived_request(setup: Setup, data: st.DataObject) -> CandlestickRequest:
    """Generate a request for periods that the exchange does not have: fewer tickers if it needs minutes."""
    period = data.draw(st.sampled_from([minutes for minutes in PERIODS if minutes not in EXCHANGE_PERIODS]))
    question = random_request(setup, data)
    tickers = question.tickers[: 30 if period % 60 == 0 else 2]
    length = data.draw(st.sampled_from([0, 1, 7])) * period * 60
    return CandlestickRequest(tickers, period, max(0, question.end - length), question.end)


def without_mean(candles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the candles without their means: those of the exchange are rounded before they are merged."""
    return [
        candle | {"price": {name: price for name, price in candle["price"].items() if name != "mean_dollars"}}
        for candle in candles
    ]


def check(setup: Setup, request: CandlestickRequest, results: list[dict[str, Any]]) -> None:
    assert [result["ticker"] for result in results] == request.tickers
    for result in results:
        expected = setup.expected(result["ticker"], request.period, request.start, request.end)
        assert result["candlesticks"] == expected, (request, result["ticker"], result["error"])
        assert (result["error"], result["code"]) == (None, None)


@pytest.mark.usefixtures("_caps")
@examples(40, 600)
@given(data=st.data())
def test_every_candle_is_the_exchanges(setup: Setup, data: st.DataObject) -> None:
    question = random_request(setup, data)
    for encoding in ("gzip", "identity"):
        answer = setup.api.post("/markets/candlesticks", question.body(), **{"accept-encoding": encoding})
        assert answer.status == 200, answer.text
        check(setup, question, answer.json["results"])
        assert answer.json["unanswered"] == []


@pytest.mark.usefixtures("_caps")
@examples(25, 400)
@given(data=st.data())
def test_candles_of_other_periods_are_those_of_the_same_trades(setup: Setup, data: st.DataObject) -> None:
    question = random_derived_request(setup, data)
    answer = setup.api.post("/markets/candlesticks", question.body(), **{"accept-encoding": "gzip"})
    assert answer.status == 200, answer.text
    for result in answer.json["results"]:
        expected = setup.expected(result["ticker"], question.period, question.start, question.end)
        assert without_mean(result["candlesticks"]) == without_mean(expected), (question, result["ticker"])
        for candle in result["candlesticks"]:
            price = candle["price"]
            assert ("mean_dollars" in price) == ("open_dollars" in price)
            assert float(price.get("low_dollars", 0)) <= float(price.get("mean_dollars", 0))
            assert float(price.get("mean_dollars", 0)) <= float(price.get("high_dollars", 0))
    assert answer.json["unanswered"] == []


@examples(25, 300)
@given(data=st.data())
def test_one_market_has_the_same_in_every_format(setup: Setup, data: st.DataObject) -> None:
    question = random_request(setup, data)
    ticker = question.tickers[0]
    url = f"/markets/{ticker}/candlesticks?start_ts={question.start}&end_ts={question.end}&period_interval={question.period}"
    expected = setup.expected(ticker, question.period, question.start, question.end)
    assert setup.api.get(url).json == {"ticker": ticker, "candlesticks": expected, "count": len(expected)}
    lines = setup.api.get(f"{url}&format=ndjson").text.splitlines()
    assert [json.loads(line) for line in lines] == expected
    records = list(csv.DictReader(io.StringIO(setup.api.get(f"{url}&format=csv", accept_encoding="gzip").text)))
    assert [flat for record in records if (flat := {k: v for k, v in record.items() if v})] == [
        flattened(candle) for candle in expected
    ]


def flattened(candle: Mapping[str, Any]) -> dict[str, str]:
    cells = {name: str(value) for name, value in candle.items() if not isinstance(value, dict)}
    return cells | {
        f"{name}_{member}": price for name in ("yes_bid", "yes_ask", "price") for member, price in candle[name].items()
    }


KINDS = [
    {"kind": "5xx", "status": 503},
    {"kind": "429"},
    {"kind": "truncated", "bytes": 300},
    {"kind": "malformed"},
    {"kind": "cut", "bytes": 200},
]


@pytest.mark.usefixtures("_caps")
@examples(14, 200)
@given(data=st.data(), kind=st.sampled_from(KINDS), seed=st.integers(0, 1000))
def test_faults_touch_only_their_tickers_and_asking_again_completes_the_set(
    setup: Setup, data: st.DataObject, kind: dict[str, Any], seed: int
) -> None:
    question = random_request(setup, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kalshi_markets.exchange.transport.INITIAL_BACKOFF", 0.001)
        patch.setattr("kalshi_markets.exchange.transport.MAX_ATTEMPTS", 1 if not SOAK else 2)
        rules = [{**kind, "path": "*candlesticks*", "probability": 0.4, "seed": seed}]
        missing = list(question.tickers)
        results: dict[str, dict[str, Any]] = {}
        for round_ in range(12):
            # The last rounds have no faults, because an unreadable response is not retryable.
            setup.break_with(rules if round_ < 10 else [])
            answer = setup.api.post("/markets/candlesticks", question.body() | {"tickers": missing})
            assert [result["ticker"] for result in answer.json["results"]] == missing
            results |= {result["ticker"]: result for result in answer.json["results"] if result["error"] is None}
            missing = [ticker for ticker in missing if ticker not in results]
            if not missing:
                break
        setup.break_with([])
    check(setup, question, [results[ticker] for ticker in question.tickers])


def test_an_unknown_ticker_is_reported(setup: Setup) -> None:
    question = CandlestickRequest(["KXNOSUCH-1", setup.tickers[0]], 60, setup.now - DAY, setup.now)
    answer = setup.api.post("/markets/candlesticks", question.body()).json
    assert answer["results"][0] == {
        "ticker": "KXNOSUCH-1",
        "candlesticks": [],
        "error": UNKNOWN_TICKER.message,
        "code": "unknown_ticker",
    }
    assert setup.api.get(f"/markets/KXNOSUCH-1/candlesticks?end_ts={setup.now}").json["code"] == "market_not_found"
