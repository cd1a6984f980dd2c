"""Kalshi's Trade API v2: the only place that knows its names."""

from kalshi_markets.exchange.client import CandleQuery, ExchangeClient, Page
from kalshi_markets.exchange.errors import (
    AnswerUnreadable,
    ExchangeError,
    ExchangeRefused,
    ExchangeUnavailable,
    KeyRefused,
)
from kalshi_markets.exchange.projection import Refused, Row, project

__all__ = [
    "AnswerUnreadable",
    "CandleQuery",
    "ExchangeClient",
    "ExchangeError",
    "ExchangeRefused",
    "ExchangeUnavailable",
    "KeyRefused",
    "Page",
    "Refused",
    "Row",
    "project",
]
