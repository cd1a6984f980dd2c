"""Response bodies of the endpoints, as JSON text. Objects of the catalogue are inserted byte for byte."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from starlette.requests import Request

from local.exchange.candles import (
    PERIODS,
    compute_candle_before,
    compute_candles,
    to_archived_object,
    to_live_object,
    to_synthetic_object,
)
from local.exchange.catalogue import Event, Exchange, Market, to_json
from local.exchange.clock import rfc3339
from local.exchange.http.errors import bad_request, failed_validation, not_found, service_error
from local.exchange.http.listing import list_archived_markets, list_events, list_markets, list_series, list_trades
from local.exchange.http.parameters import Parameters
from local.exchange.orderbook import orderbook

# Limits of the requested range, not of the candles found in it (observed on production, 2026-08).
MAX_CANDLES, MAX_BATCH_CANDLES, MAX_BATCH_MARKETS = 5_000, 10_000, 100
# docs.kalshi.com, Get Market Orderbook and Get Multiple Market Orderbooks
MAX_DEPTH, MAX_ORDERBOOKS, MAX_TICKER_LENGTH = 100, 100, 200


class Endpoints:
    """GET operations of docs.kalshi.com, one method each. They raise ExchangeError."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def markets(self, request: Request) -> bytes:
        page = list_markets(self._exchange, _parse_query(request))
        return _object(markets=_array(page.rows), cursor=to_json(page.cursor))

    def market(self, request: Request) -> bytes:
        return _object(market=self._market(request).json)

    def events(self, request: Request) -> bytes:
        query = _parse_query(request)
        nested = query.boolean("with_nested_markets")
        page = list_events(self._exchange, query)
        events = [_with_markets(event) if nested else event.json for event in page.rows]
        return _object(events=b"[" + b",".join(events) + b"]", cursor=to_json(page.cursor))

    def event(self, request: Request) -> bytes:
        query = _parse_query(request)
        nested, without_markets = query.boolean("with_nested_markets"), query.boolean("exclude_markets")
        if nested and without_markets:
            raise bad_request("exclude_markets cannot be combined with with_nested_markets=true")
        event = self._exchange.event(request.path_params["event_ticker"])
        if event is None:
            raise not_found()
        markets = [] if without_markets else event.markets
        return _object(event=_with_markets(event) if nested else event.json, markets=_array(markets))

    def all_series(self, request: Request) -> bytes:
        query = _parse_query(request)
        with_metadata = query.boolean("include_product_metadata")
        rows = list_series(self._exchange, query)
        return _object(series=to_json([series.fields for series in rows]) if with_metadata else _array(rows))

    def series(self, request: Request) -> bytes:
        series = self._exchange.series(request.path_params["series_ticker"])
        if series is None:
            raise not_found()
        return _object(series=series.json)

    def market_candlesticks(self, request: Request) -> bytes:
        """Return the candles of one market.

        The series in the path is not compared with the market's series (observed on production, 2026-08).
        """
        query = _parse_query(request)
        range_ = _parse_range(query, "GetMarketCandlesticks")
        latest = query.boolean("include_latest_before_start")
        market = self._market(request)
        _reject_too_long(range_)
        return _object(ticker=to_json(market.ticker), candlesticks=self._candlesticks(market, range_, latest=latest))

    def batch_candlesticks(self, request: Request) -> bytes:
        query = _parse_query(request)
        tickers = query.required_text("market_tickers").split(",")
        range_ = _parse_range(query, "BatchGetMarketCandlesticks")
        latest = query.boolean("include_latest_before_start")
        if len(tickers) > MAX_BATCH_MARKETS:
            raise bad_request(f"requested {len(tickers)} markets, max markets: {MAX_BATCH_MARKETS}")
        candles = len(tickers) * ((range_.end - range_.start) // (range_.period * 60))
        if candles > MAX_BATCH_CANDLES:
            details = f"requested candlesticks across all markets: {candles}, max candlesticks: {MAX_BATCH_CANDLES}"
            raise bad_request(details)
        known = filter(None, map(self._exchange.market, dict.fromkeys(tickers)))
        results = [
            _object(
                market_ticker=to_json(market.ticker), candlesticks=self._candlesticks(market, range_, latest=latest)
            )
            for market in known
        ]
        return _object(markets=b"[" + b",".join(results) + b"]")

    def event_candlesticks(self, request: Request) -> bytes:
        """Return the candles of all live markets of an event.

        A range that is too long is shortened, and `adjusted_end_ts` is its new end.
        """
        range_ = _parse_range(_parse_query(request), "GetMarketCandlesticksByEvent")
        event = self._exchange.event(request.path_params["event_ticker"])
        if event is None:
            raise not_found()
        markets = event.markets
        periods = MAX_CANDLES // max(1, len(markets))
        adjusted = range_._replace(end=min(range_.end, range_.start + periods * range_.period * 60))
        candles = [self._candlesticks(market, adjusted) for market in markets]
        return _object(
            market_tickers=to_json([market.ticker for market in markets]),
            market_candlesticks=b"[" + b",".join(candles) + b"]",
            adjusted_end_ts=to_json(adjusted.end),
        )

    def trades(self, request: Request) -> bytes:
        return self._trades(request, archived=False)

    def historical_trades(self, request: Request) -> bytes:
        return self._trades(request, archived=True)

    def orderbook(self, request: Request) -> bytes:
        depth = _depth(_parse_query(request))
        return _object(orderbook_fp=to_json(orderbook(self._market(request), depth)))

    def orderbooks(self, request: Request) -> bytes:
        """Return the order books of the requested live markets. Unknown tickers are left out."""
        tickers = _parse_query(request).required_texts("tickers")
        _reject_tickers(tickers)
        known = filter(None, map(self._exchange.market, dict.fromkeys(tickers)))
        return to_json(
            {"orderbooks": [{"ticker": market.ticker, "orderbook_fp": orderbook(market, 0)} for market in known]}
        )

    def historical_markets(self, request: Request) -> bytes:
        page = list_archived_markets(self._exchange, _parse_query(request))
        return _object(markets=_array(page.rows), cursor=to_json(page.cursor))

    def historical_market(self, request: Request) -> bytes:
        return _object(market=self._archived_market(request).json)

    def historical_candlesticks(self, request: Request) -> bytes:
        range_ = _parse_range(_parse_query(request), "GetMarketCandlesticksHistorical")
        market = self._archived_market(request)
        _reject_too_long(range_)
        candles = compute_candles(market.tape, *range_, self._exchange.clock.now())
        return _object(ticker=to_json(market.ticker), candlesticks=to_json(list(map(to_archived_object, candles))))

    def historical_cutoff(self, _: Request) -> bytes:
        names = ("market_settled_ts", "trades_created_ts", "orders_updated_ts", "market_positions_last_updated_ts")
        return to_json(dict.fromkeys(names, rfc3339(self._exchange.cutoff)))

    def exchange_status(self, _: Request) -> bytes:
        state = {"exchange_active": True, "trading_active": True, "intra_exchange_transfers_active": True}
        shards = ("Default", "Combos", "Crypto and commodities", "Tennis, baseball and basketball")
        statuses = [{"exchange_index": index, "description": text, **state} for index, text in enumerate(shards)]
        return to_json({**state, "exchange_index_statuses": statuses})

    def _trades(self, request: Request, *, archived: bool) -> bytes:
        page = list_trades(self._exchange, _parse_query(request), archived=archived)
        return _object(trades=_array(page.rows), cursor=to_json(page.cursor))

    def _market(self, request: Request) -> Market:
        market = self._exchange.market(request.path_params["ticker"])
        if market is None:
            raise not_found()
        return market

    def _archived_market(self, request: Request) -> Market:
        """Return an archived market. Raises ExchangeError.

        The body of the 404 differs from that of a live market (observed on production, 2026-09).
        """
        market = self._exchange.market(request.path_params["ticker"], archived=True)
        if market is None:
            raise service_error(404, "failed_to_get_market_by_ticker:_not_found", "not found")
        return market

    def _candlesticks(self, market: Market, range_: "Range", *, latest: bool = False) -> bytes:
        now, tape = self._exchange.clock.now(), market.tape
        candles = [to_live_object(candle) for candle in compute_candles(tape, *range_, now)]
        before = compute_candle_before(tape, range_.period, range_.start, now) if latest else None
        # The synthetic candle ends at the first boundary. It is omitted if a real candle ends there, because production
        # never returned two candles with the same end.
        if before and before.end not in (member["end_period_ts"] for member in candles[:1]):
            candles.insert(0, to_synthetic_object(before))
        return to_json(candles)


class Range(NamedTuple):
    """Range of candles: their length in minutes, and the inclusive bounds of their ends in Unix seconds."""

    period: int
    start: int
    end: int


class HasJson(Protocol):
    @property
    def json(self) -> bytes: ...


def _parse_query(request: Request) -> Parameters:
    return Parameters(request.query_params.multi_items())


def _parse_range(query: Parameters, operation: str) -> Range:
    start, end = query.required_integer("start_ts"), query.required_integer("end_ts")
    period = query.required_integer("period_interval")
    if period not in PERIODS:
        raise failed_validation(operation, "PeriodInterval", "oneof")
    return Range(period, start, end)


def _reject_too_long(range_: Range) -> None:
    candles = (range_.end - range_.start) / (range_.period * 60)
    if candles > MAX_CANDLES:
        details = f"requested time range with candlesticks: {candles:.6f}, max candlesticks: {MAX_CANDLES}"
        raise bad_request(details)


def _depth(query: Parameters) -> int:
    depth = query.integer("depth") or 0
    if depth < 0:
        raise failed_validation("GetMarketOrderbook", "Depth", "min")
    if depth > MAX_DEPTH:
        raise failed_validation("GetMarketOrderbook", "Depth", "max")
    return depth


def _reject_tickers(tickers: list[str]) -> None:
    """Raise the router's 400 for too many tickers, or for one that is too long."""
    if len(tickers) > MAX_ORDERBOOKS:
        raise failed_validation("GetMarketOrderbooks", "Tickers", "max")
    for number, ticker in enumerate(tickers):
        if len(ticker) > MAX_TICKER_LENGTH:
            raise failed_validation("GetMarketOrderbooks", f"Tickers[{number}]", "max")


def _with_markets(event: Event) -> bytes:
    """Return the Event object with its live markets.

    Without a live market the field `markets` is missing (observed on production, 2026-09).
    """
    markets = event.markets
    return event.json[:-1] + b',"markets":' + _array(markets) + b"}" if markets else event.json


def _object(**members: bytes) -> bytes:
    """Return a JSON object whose values are JSON text already."""
    return b"{" + b",".join(to_json(name) + b":" + text for name, text in members.items()) + b"}"


def _array(rows: Iterable[HasJson]) -> bytes:
    return b"[" + b",".join(row.json for row in rows) + b"]"
