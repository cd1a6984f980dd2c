"""Client of Kalshi's Trade API v2. No other package contains the names of its endpoints and members.

Functions and `local` import from this package, not from its modules. A flat list of names costs nothing: the first
import of any module loads httpx and cryptography (150 ms), whichever name is used.
"""

from kalshi_markets.exchange.account import DEFAULT_REQUEST_COST, AccountLimits, Costs
from kalshi_markets.exchange.candles import Candle, parse_archived, parse_batch
from kalshi_markets.exchange.client import MAX_ARCHIVE_CANDLES, MAX_BATCH_CANDLES, CandleQuery, ExchangeClient
from kalshi_markets.exchange.column_values import Row
from kalshi_markets.exchange.errors import (
    AuthenticationFailed,
    ExchangeClientError,
    ExchangeError,
    ExchangeUnavailable,
    FilterIgnored,
    InvalidResponse,
)
from kalshi_markets.exchange.event_rows import event_row, series_row
from kalshi_markets.exchange.listings import BATCH_TICKERS, LIVE_FILTERS, PAGE_LIMIT, Listings, Page
from kalshi_markets.exchange.market_rows import (
    InvalidMarket,
    ParsedMarket,
    full_row,
    market_row,
    parse_market,
)
from kalshi_markets.exchange.orderbooks import Level, OrderBook
from kalshi_markets.exchange.parsing import parse_object
from kalshi_markets.exchange.rate_limiter import DatabaseTokenBucket, Grant, LocalTokenBucket, RateLimiter
from kalshi_markets.exchange.raw_markets import RawMarket, parse_page
from kalshi_markets.exchange.schema_drift import Deviation, find_drift
from kalshi_markets.exchange.signing import Signer
from kalshi_markets.exchange.trades import (
    MAX_TRADES,
    MICROSECONDS_PER_SECOND,
    Trade,
    TradePage,
    TradeQuery,
    parse_trade,
    to_microseconds,
)
from kalshi_markets.exchange.transport import CLOCK_TOLERANCE, HEADERS, Transport
from kalshi_markets.exchange.values import parse_time

__all__ = [
    "BATCH_TICKERS",
    "CLOCK_TOLERANCE",
    "DEFAULT_REQUEST_COST",
    "HEADERS",
    "LIVE_FILTERS",
    "MAX_ARCHIVE_CANDLES",
    "MAX_BATCH_CANDLES",
    "MAX_TRADES",
    "MICROSECONDS_PER_SECOND",
    "PAGE_LIMIT",
    "AccountLimits",
    "AuthenticationFailed",
    "Candle",
    "CandleQuery",
    "Costs",
    "DatabaseTokenBucket",
    "Deviation",
    "ExchangeClient",
    "ExchangeClientError",
    "ExchangeError",
    "ExchangeUnavailable",
    "FilterIgnored",
    "Grant",
    "InvalidMarket",
    "InvalidResponse",
    "Level",
    "Listings",
    "LocalTokenBucket",
    "OrderBook",
    "Page",
    "ParsedMarket",
    "RateLimiter",
    "RawMarket",
    "Row",
    "Signer",
    "Trade",
    "TradePage",
    "TradeQuery",
    "Transport",
    "event_row",
    "find_drift",
    "full_row",
    "market_row",
    "parse_archived",
    "parse_batch",
    "parse_market",
    "parse_object",
    "parse_page",
    "parse_time",
    "parse_trade",
    "series_row",
    "to_microseconds",
]
