"""Client of Kalshi's Trade API v2. No other package contains the names of its endpoints and members."""

from kalshi_markets.exchange.candles import Candle
from kalshi_markets.exchange.client import CandleQuery, ExchangeClient
from kalshi_markets.exchange.errors import (
    AuthenticationFailed,
    ExchangeClientError,
    ExchangeError,
    ExchangeUnavailable,
    FilterIgnored,
    InvalidResponse,
)
from kalshi_markets.exchange.listings import BATCH_TICKERS, LIVE_FILTERS, Event, Listings, Page, Series
from kalshi_markets.exchange.market_rows import (
    InvalidMarket,
    MarketRow,
    ParsedMarket,
    full_row,
    market_row,
    parse_market,
)
from kalshi_markets.exchange.raw_markets import RawMarket
from kalshi_markets.exchange.schema_drift import Deviation, find_drift

__all__ = [
    "BATCH_TICKERS",
    "LIVE_FILTERS",
    "AuthenticationFailed",
    "Candle",
    "CandleQuery",
    "Deviation",
    "Event",
    "ExchangeClient",
    "ExchangeClientError",
    "ExchangeError",
    "ExchangeUnavailable",
    "FilterIgnored",
    "InvalidMarket",
    "InvalidResponse",
    "Listings",
    "MarketRow",
    "Page",
    "ParsedMarket",
    "RawMarket",
    "Series",
    "find_drift",
    "full_row",
    "market_row",
    "parse_market",
]
