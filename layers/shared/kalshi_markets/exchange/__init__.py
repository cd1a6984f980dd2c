"""Kalshi's Trade API v2: the only place that knows its names."""

from kalshi_markets.exchange.candles import Candle
from kalshi_markets.exchange.client import CandleQuery, ExchangeClient
from kalshi_markets.exchange.drift import Deviation, deviations
from kalshi_markets.exchange.errors import (
    AnswerUnreadable,
    ExchangeError,
    ExchangeRefused,
    ExchangeUnavailable,
    FilterIgnored,
    KeyRefused,
)
from kalshi_markets.exchange.listings import BATCH_TICKERS, LIVE_FILTERS, Event, Listings, Page, Series
from kalshi_markets.exchange.projection import Refused, Row, Sighting, is_storable, project, sight, whole
from kalshi_markets.exchange.sent import Sent

__all__ = [
    "BATCH_TICKERS",
    "LIVE_FILTERS",
    "AnswerUnreadable",
    "Candle",
    "CandleQuery",
    "Deviation",
    "Event",
    "ExchangeClient",
    "ExchangeError",
    "ExchangeRefused",
    "ExchangeUnavailable",
    "FilterIgnored",
    "KeyRefused",
    "Listings",
    "Page",
    "Refused",
    "Row",
    "Sent",
    "Series",
    "Sighting",
    "deviations",
    "is_storable",
    "project",
    "sight",
    "whole",
]
