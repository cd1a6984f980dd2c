"""The official SDK of the exchange, kalshi-python-sync, over the simulated exchange."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.server import ExchangeServer
from tests.conftest import SDK_PYTHON

if TYPE_CHECKING or sys.version_info >= SDK_PYTHON:
    from kalshi_python_sync import KalshiClient
    from kalshi_python_sync.api.account_api import AccountApi
    from kalshi_python_sync.api.events_api import EventsApi
    from kalshi_python_sync.api.exchange_api import ExchangeApi
    from kalshi_python_sync.api.historical_api import HistoricalApi
    from kalshi_python_sync.api.market_api import MarketApi
    from kalshi_python_sync.configuration import Configuration
    from kalshi_python_sync.exceptions import (
        ApiException,
        BadRequestException,
        NotFoundException,
        ServiceException,
        UnauthorizedException,
    )

pytestmark = pytest.mark.sdk

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
KEYS: dict[str, PrivateKey] = {
    "rsa-key": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ed25519-key": ed25519.Ed25519PrivateKey.generate(),
}


@pytest.fixture(scope="module")
def server() -> Iterator[ExchangeServer]:
    keys = {name: key.public_key() for name, key in KEYS.items()}
    with ExchangeServer(
        generate(7, 1500, Clock(), archived=200), keys, ServerOptions(tier="prestige", unsigned_rate=12_000)
    ) as server:
        yield server


def connect(server: ExchangeServer, key_id: str | None = None, signing: str | None = None) -> KalshiClient:
    """Return the SDK's client. signing: the name of the key that signs, if it is not `key_id`."""
    configuration = Configuration(host=server.url, retries=False)
    if key_id:
        key_format = PrivateFormat.TraditionalOpenSSL if (signing or key_id) == "rsa-key" else PrivateFormat.PKCS8
        pem = KEYS[signing or key_id].private_bytes(Encoding.PEM, key_format, NoEncryption())
        configuration.api_key_id, configuration.private_key_pem = key_id, pem.decode()
    return KalshiClient(configuration)  # type: ignore[no-untyped-call] # the SDK's constructor has no types


@pytest.fixture(scope="module", params=[None, *KEYS])
def client(server: ExchangeServer, request: pytest.FixtureRequest) -> KalshiClient:
    return connect(server, request.param)


def test_the_sdk_pages_through_the_markets(client: KalshiClient) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        page = MarketApi(client).get_markets(limit=500, cursor=cursor, status="open", mve_filter="exclude")
        seen += [market.ticker for market in page.markets]
        assert all(market.status in ("active", "closed", "inactive") for market in page.markets)
        cursor = page.cursor
        if not cursor:
            break
    assert len(seen) == len(set(seen)) > 300


def test_the_sdk_reads_a_market_its_event_and_its_series(client: KalshiClient) -> None:
    listed = MarketApi(client).get_markets(limit=1, mve_filter="exclude").markets[0]
    assert MarketApi(client).get_market(listed.ticker).market.ticker == listed.ticker
    event = EventsApi(client).get_event(listed.event_ticker, with_nested_markets=True).event
    assert listed.ticker in {market.ticker for market in event.markets or []}
    assert MarketApi(client).get_series(event.series_ticker).series.ticker == event.series_ticker


def test_the_sdk_lists_events_and_series(client: KalshiClient) -> None:
    events = EventsApi(client).get_events(limit=50, status="open", with_nested_markets=True).events
    assert len(events) > 20
    assert all(event.markets for event in events)
    series = {item.ticker for item in MarketApi(client).get_series_list().series or []}
    assert {event.series_ticker for event in events} <= series


def test_the_sdk_reads_candlesticks_of_one_market_of_several_and_of_an_event(client: KalshiClient) -> None:
    markets = MarketApi(client).get_markets(limit=1000, status="open", mve_filter="exclude").markets
    traded = [market for market in markets if float(market.volume_fp) > 0][-20:]
    end = int(time.time())
    bounds = {"start_ts": end - 80 * 3600, "end_ts": end, "period_interval": 60}
    batch = MarketApi(client).batch_get_market_candlesticks(
        market_tickers=",".join(market.ticker for market in traded), **bounds
    )
    candles = {market.market_ticker: market.candlesticks for market in batch.markets}
    assert list(candles) == [market.ticker for market in traded]
    busy = next(market for market in traded if candles[market.ticker])
    series = EventsApi(client).get_event(busy.event_ticker).event.series_ticker
    single = MarketApi(client).get_market_candlesticks(series, busy.ticker, **bounds)
    assert single.candlesticks == candles[busy.ticker]
    event_candles = EventsApi(client).get_market_candlesticks_by_event(busy.event_ticker, series, **bounds)
    assert busy.ticker in event_candles.market_tickers


def test_the_sdk_reads_the_archive(client: KalshiClient) -> None:
    cutoff = HistoricalApi(client).get_historical_cutoff().market_settled_ts
    markets = HistoricalApi(client).get_historical_markets(limit=20, mve_filter="exclude").markets
    assert markets
    assert all(market.settlement_ts and market.settlement_ts < cutoff for market in markets)
    newest = markets[0]
    assert HistoricalApi(client).get_historical_market(newest.ticker).market == newest
    end = int(newest.close_time.timestamp())
    candles = HistoricalApi(client).get_market_candlesticks_historical(
        newest.ticker, start_ts=end - 300 * 86_400, end_ts=end + 86_400, period_interval=1440
    )
    assert candles.ticker == newest.ticker


def test_the_sdk_reads_trades_of_both_tiers(client: KalshiClient) -> None:
    page = MarketApi(client).get_trades(limit=50)
    rest = MarketApi(client).get_trades(limit=50, cursor=page.cursor)
    times = [trade.created_time for trade in page.trades + rest.trades]
    assert len({trade.trade_id for trade in page.trades + rest.trades}) == 100
    assert times == sorted(times, reverse=True)
    ticker = page.trades[0].ticker
    single = MarketApi(client).get_trades(limit=50, ticker=ticker, is_block_trade=False).trades
    assert {(trade.ticker, trade.is_block_trade) for trade in single} == {(ticker, False)}
    cutoff = HistoricalApi(client).get_historical_cutoff().trades_created_ts
    archived = HistoricalApi(client).get_trades_historical(limit=50).trades
    assert len(archived) == 50
    assert all(trade.created_time < cutoff for trade in archived)


def test_the_sdk_reads_orderbooks(client: KalshiClient) -> None:
    markets = MarketApi(client).get_markets(limit=100, status="open", mve_filter="exclude").markets
    orderbooks = MarketApi(client).get_market_orderbooks([market.ticker for market in markets]).orderbooks
    assert [book.ticker for book in orderbooks] == [market.ticker for market in markets]
    quoted = next(market for market in markets if market.yes_bid_size_fp != "0.00")
    book = MarketApi(client).get_market_orderbook(quoted.ticker, depth=2).orderbook_fp
    assert book.yes_dollars[-1] == [quoted.yes_bid_dollars, quoted.yes_bid_size_fp]
    assert len(book.yes_dollars) <= 2


def test_the_sdk_refreshes_series_and_events(client: KalshiClient) -> None:
    since = int(time.time()) - 5 * 86_400
    series = MarketApi(client).get_series_list(min_updated_ts=since, include_product_metadata=True).series
    assert 0 < len(series) < 60
    assert all(entry.last_updated_ts and entry.last_updated_ts.timestamp() > since for entry in series)
    events = EventsApi(client).get_events(limit=20, min_updated_ts=since).events
    assert all(event.last_updated_ts and event.last_updated_ts.timestamp() > since for event in events)


def test_the_sdk_reads_the_exchange_status_and_the_endpoint_costs(client: KalshiClient) -> None:
    status = ExchangeApi(client).get_exchange_status()
    assert status.exchange_active
    assert status.trading_active
    assert AccountApi(client).get_account_endpoint_costs().default_cost == 10


@pytest.mark.parametrize("key_id", KEYS)
def test_the_sdk_reads_the_account_limits_with_either_type_of_key(server: ExchangeServer, key_id: str) -> None:
    limits = AccountApi(connect(server, key_id)).get_account_api_limits()
    assert (limits.usage_tier, limits.read.refill_rate, limits.write.refill_rate) == ("prestige", 12_000, 9_600)


def error_body(error: pytest.ExceptionInfo[ApiException]) -> str:
    return str(error.value.body)


def test_the_sdk_raises_the_errors_of_the_exchange(client: KalshiClient) -> None:
    with pytest.raises(NotFoundException) as missing:
        MarketApi(client).get_market("NOSUCH")
    assert '"not_found"' in error_body(missing)
    with pytest.raises(BadRequestException) as long:
        MarketApi(client).batch_get_market_candlesticks("A", start_ts=0, end_ts=9_000_000, period_interval=1)
    assert "max candlesticks: 10000" in error_body(long)
    with pytest.raises(BadRequestException) as mixed:
        MarketApi(client).get_markets(status="settled", min_close_ts=1)
    assert "close_ts filters are incompatible with status settled" in error_body(mixed)


@pytest.mark.parametrize(
    ("key_id", "signing", "code"),
    [
        (None, None, "signature_is_missing"),
        ("nobody", "rsa-key", "NOT_FOUND"),
        ("rsa-key", "ed25519-key", "INCORRECT_API_KEY_SIGNATURE"),
        ("ed25519-key", "rsa-key", "INCORRECT_API_KEY_SIGNATURE"),
    ],
)
def test_the_sdk_raises_a_401_without_the_right_key(
    server: ExchangeServer, key_id: str | None, signing: str | None, code: str
) -> None:
    with pytest.raises(UnauthorizedException) as error:
        AccountApi(connect(server, key_id, signing)).get_account_api_limits()
    assert code in error_body(error)


def test_the_sdk_raises_a_401_when_the_clocks_differ() -> None:
    clock = Clock()
    clock.set(clock.now() + 60_000_000)
    with ExchangeServer(generate(1, 5, clock), {"rsa-key": KEYS["rsa-key"].public_key()}) as ahead:
        with pytest.raises(UnauthorizedException) as error:
            MarketApi(connect(ahead, "rsa-key")).get_markets()
        assert "header_timestamp_expired" in error_body(error)


def test_the_sdk_raises_a_429_and_a_503() -> None:
    with ExchangeServer(
        generate(1, 5, Clock()), options=ServerOptions(faults=[{"kind": "429", "requests": 1}, {"kind": "5xx"}])
    ) as down:
        with pytest.raises(ApiException) as error:
            MarketApi(connect(down)).get_markets()
        assert error.value.status == 429
        with pytest.raises(ServiceException) as failure:
            MarketApi(connect(down)).get_markets()
        assert failure.value.status == 503
