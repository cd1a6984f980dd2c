"""Resources that all routes share: created on first use, then reused for the lifetime of the process."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import kalshi_markets
from kalshi_markets.database import Database
from kalshi_markets.lake.storage import LakeStorage, open_storage
from kalshi_markets.settings import ApiSettings, DatabaseSettings, ExchangeSettings

if TYPE_CHECKING:
    from api.candlesticks.cache import CandleCache
    from api.candlesticks.lifetimes import MarketLifetimes
    from api.trades.source import CutoffMemory
    from kalshi_markets.exchange import ExchangeClient


PLANNER_SETTINGS: Final = {
    "random_page_cost": "1.1",  # the default, 4, is for spinning disks
    "jit": "off",  # compilation takes longer than any page
    "max_parallel_workers_per_gather": "0",  # the start of a worker takes longer than most pages
    "work_mem": "16MB",
}
TIMEOUT_MARGIN_SECONDS: Final = 2
"""Seconds after the statement timeout until the client's.

The server cancels a slow statement first. The client's timeout is for a server that does not respond.
"""


class Resources:
    """Lazily created settings, database and exchange clients. Attributes raise SettingsError for invalid settings."""

    async def aclose(self) -> None:
        """Close all open connections and discard all resources. The next use creates them again."""
        instances = vars(self).copy()
        vars(self).clear()
        for name in ("database", "candle_cache"):
            if name in instances:
                instances[name].close()
        if "exchange" in instances:
            await instances["exchange"].aclose()

    @cached_property
    def settings(self) -> ApiSettings:
        """Settings of the API, from the environment."""
        return ApiSettings.from_env()

    @cached_property
    def source_fingerprint(self) -> str:
        """Fingerprint of the deployed source.

        Part of every ETag, because a new version may render the same rows differently.
        """
        digest = hashlib.blake2b(digest_size=6)
        for package in (Path(__file__).parent, Path(kalshi_markets.__file__).parent):
            for path in sorted(package.rglob("*.py")):
                digest.update(path.read_bytes())
        return digest.hexdigest()

    @cached_property
    def database(self) -> Database:
        """Read-only database connection. Every statement has the statement timeout."""
        timeout = self.settings.statement_timeout_ms
        parameters = {"statement_timeout": str(timeout), "default_transaction_read_only": "on"} | PLANNER_SETTINGS
        seconds = timeout / 1000 + TIMEOUT_MARGIN_SECONDS
        return Database(DatabaseSettings.from_env(), application_name="api", parameters=parameters, timeout=seconds)

    @cached_property
    def lake(self) -> LakeStorage | None:
        """Storage of the lake, or None if there is no lake."""
        url = self.settings.lake_url
        return open_storage(url) if url else None

    @cached_property
    def exchange(self) -> "ExchangeClient":
        """Exchange client: authenticated if there is a key. It has the interactive share of the rate limit."""
        # Imported here: httpx and cryptography take 150 ms to import, and most requests do not need them.
        from kalshi_markets.exchange import DatabaseTokenBucket, ExchangeClient, RateLimiter

        settings = ExchangeSettings.from_env()
        return ExchangeClient(
            settings, RateLimiter(DatabaseTokenBucket(DatabaseSettings.from_env(), "interactive", settings.rate))
        )

    @cached_property
    def candle_cache(self) -> "CandleCache":
        """Cache of candlesticks of closed periods and of trades, with its own connection that may write."""
        from api.candlesticks.cache import CandleCache

        return CandleCache(DatabaseSettings.from_env(), self.settings.candle_cache_mb)

    @cached_property
    def trade_cutoffs(self) -> "CutoffMemory":
        """Memory of the exchange's cutoff for trade requests."""
        from api.trades.source import CutoffMemory

        return CutoffMemory()

    @cached_property
    def market_lifetimes(self) -> "MarketLifetimes":
        """Market lifetimes for requests of candlesticks and trades."""
        from api.candlesticks.lifetimes import MarketLifetimes

        return MarketLifetimes(self.database)
