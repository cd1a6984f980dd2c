"""What each path answers, as JSON text. Objects of the catalogue go in byte for byte, never through a decoder."""

from collections.abc import Iterable
from typing import Protocol

from starlette.requests import Request

from local.exchange.candles import PERIODS, candlesticks
from local.exchange.catalogue import Event, Exchange, Market, to_json
from local.exchange.clock import rfc3339
from local.exchange.errors import bad_request, failed_validation, not_found
from local.exchange.listing import list_events, list_markets
from local.exchange.parameters import Parameters

# Of the range that is asked for, not of the candles that are in it (observed on production, 2026-08).
MAX_CANDLES, MAX_BATCH_CANDLES, MAX_BATCH_MARKETS = 5_000, 10_000, 100


class Endpoints:
    """The GET operations of docs.kalshi.com, one method each. They raise ExchangeError."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def markets(self, request: Request) -> bytes:
        page = list_markets(self._exchange, _query(request))
        return _object(markets=_array(page.rows), cursor=to_json(page.cursor))

    def market(self, request: Request) -> bytes:
        return _object(market=self._market(request).json)

    def events(self, request: Request) -> bytes:
        query = _query(request)
        nested = query.boolean("with_nested_markets")
        page = list_events(self._exchange, query)
        events = [self._with_markets(event) if nested else event.json for event in page.rows]
        return _object(events=b"[" + b",".join(events) + b"]", cursor=to_json(page.cursor))

    def event(self, request: Request) -> bytes:
        event = self._exchange.event(request.path_params["event_ticker"])
        if event is None:
            raise not_found()
        nested = _query(request).boolean("with_nested_markets")
        markets = _array(self._exchange.markets_of(event))
        return _object(event=self._with_markets(event) if nested else event.json, markets=markets)

    def all_series(self, _: Request) -> bytes:
        return _object(series=_array(self._exchange.all_series()))

    def series(self, request: Request) -> bytes:
        series = self._exchange.series(request.path_params["series_ticker"])
        if series is None:
            raise not_found()
        return _object(series=series.json)

    def market_candlesticks(self, request: Request) -> bytes:
        """The series in the path is not compared with the market's (observed on production, 2026-08)."""
        start, end, period = _range(_query(request), "GetMarketCandlesticks")
        market = self._market(request)
        candles = (end - start) / (period * 60)
        if candles > MAX_CANDLES:
            details = f"requested time range with candlesticks: {candles:.6f}, max candlesticks: {MAX_CANDLES}"
            raise bad_request(details)
        return _object(ticker=to_json(market.ticker), candlesticks=self._candlesticks(market, period, start, end))

    def batch_candlesticks(self, request: Request) -> bytes:
        query = _query(request)
        tickers = query.required_text("market_tickers").split(",")
        start, end, period = _range(query, "BatchGetMarketCandlesticks")
        if len(tickers) > MAX_BATCH_MARKETS:
            raise bad_request(f"requested {len(tickers)} markets, max markets: {MAX_BATCH_MARKETS}")
        candles = len(tickers) * ((end - start) // (period * 60))
        if candles > MAX_BATCH_CANDLES:
            details = f"requested candlesticks across all markets: {candles}, max candlesticks: {MAX_BATCH_CANDLES}"
            raise bad_request(details)
        known = filter(None, map(self._exchange.market, dict.fromkeys(tickers)))
        members = [
            _object(market_ticker=to_json(market.ticker), candlesticks=self._candlesticks(market, period, start, end))
            for market in known
        ]
        return _object(markets=b"[" + b",".join(members) + b"]")

    def historical_cutoff(self, _: Request) -> bytes:
        names = ("market_settled_ts", "trades_created_ts", "orders_updated_ts", "market_positions_last_updated_ts")
        return to_json(dict.fromkeys(names, rfc3339(self._exchange.cutoff)))

    def exchange_status(self, _: Request) -> bytes:
        state = {"exchange_active": True, "trading_active": True, "intra_exchange_transfers_active": True}
        shards = ("Default", "Combos", "Crypto and commodities", "Tennis, baseball and basketball")
        statuses = [{"exchange_index": index, "description": text, **state} for index, text in enumerate(shards)]
        return to_json({**state, "exchange_index_statuses": statuses})

    def account_limits(self, _: Request) -> bytes:
        """Those of the basic tier, in tokens a second (docs.kalshi.com, Rate Limits, 2026-09)."""
        read = {"refill_rate": 200, "bucket_capacity": 600}
        write = {"refill_rate": 100, "bucket_capacity": 100}
        return to_json({"usage_tier": "basic", "read": read, "write": write, "grants": []})

    def _market(self, request: Request) -> Market:
        market = self._exchange.market(request.path_params["ticker"])
        if market is None:
            raise not_found()
        return market

    def _with_markets(self, event: Event) -> bytes:
        return event.json[:-1] + b',"markets":' + _array(self._exchange.markets_of(event)) + b"}"

    def _candlesticks(self, market: Market, period: int, start: int, end: int) -> bytes:
        return to_json(candlesticks(market, period, start, end, self._exchange.clock.start))


class HasJson(Protocol):
    @property
    def json(self) -> bytes: ...


def _query(request: Request) -> Parameters:
    return Parameters(request.query_params.multi_items())


def _range(query: Parameters, operation: str) -> tuple[int, int, int]:
    """The range in Unix seconds and the period in minutes."""
    start, end = query.required_integer("start_ts"), query.required_integer("end_ts")
    period = query.required_integer("period_interval")
    if period not in PERIODS:
        raise failed_validation(operation, "PeriodInterval", "oneof")
    return start, end, period


def _object(**members: bytes) -> bytes:
    """A JSON object of members that are JSON text already."""
    return b"{" + b",".join(to_json(name) + b":" + text for name, text in members.items()) + b"}"


def _array(rows: Iterable[HasJson]) -> bytes:
    return b"[" + b",".join(row.json for row in rows) + b"]"
