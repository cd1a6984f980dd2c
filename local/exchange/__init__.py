"""Simulated Kalshi exchange: the public market data of its REST API over generated or recorded markets.

Run `python -m local.exchange --help` for the options.
"""

from local.exchange.clock import Clock
from local.exchange.generated import generate
from local.exchange.http.app import ServerOptions
from local.exchange.http.server import ExchangeServer

__all__ = ["Clock", "ExchangeServer", "ServerOptions", "generate"]
