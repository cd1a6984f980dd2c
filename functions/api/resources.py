"""What the routes share, made when first needed and kept while the function is warm."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import kalshi_markets
from kalshi_markets.database import Database
from kalshi_markets.settings import ApiSettings, DatabaseSettings, ExchangeSettings

if TYPE_CHECKING:
    from api.candlesticks.cache import CandleCache
    from api.candlesticks.lifetimes import MarketLifetimes
    from kalshi_markets.exchange import ExchangeClient


PLANNER_SETTINGS: Final = {
    "random_page_cost": "1.1",  # the usual 4 is for discs that turn
    "jit": "off",  # compiling takes longer than any page
    "max_parallel_workers_per_gather": "0",  # starting a worker takes longer than most pages
    "work_mem": "16MB",
}


class Resources:
    """Settings, the database and the exchange. Its attributes raise SettingsError until the settings are right."""

    async def aclose(self) -> None:
        """Closes every connection that was made and forgets the rest: all of it is made anew when next needed."""
        instances = vars(self).copy()
        vars(self).clear()
        for name in ("database", "candle_cache"):
            if name in instances:
                instances[name].close()
        if "exchange" in instances:
            await instances["exchange"].aclose()

    @cached_property
    def settings(self) -> ApiSettings:
        """The HTTP side's limits."""
        return ApiSettings.from_env()

    @cached_property
    def source_fingerprint(self) -> str:
        """Of the code that answers: another one may write the same rows in another way."""
        digest = hashlib.blake2b(digest_size=6)
        for package in (Path(__file__).parent, Path(kalshi_markets.__file__).parent):
            for path in sorted(package.rglob("*.py")):
                digest.update(path.read_bytes())
        return digest.hexdigest()

    @cached_property
    def database(self) -> Database:
        """Reads only, each under the statement timeout."""
        timeout = self.settings.statement_timeout_ms
        parameters = {"statement_timeout": str(timeout), "default_transaction_read_only": "on"} | PLANNER_SETTINGS
        # The server ends a statement first; this is for a server that no longer answers at all.
        seconds = timeout / 1000 + 2
        return Database(DatabaseSettings.from_env(), application_name="api", parameters=parameters, timeout=seconds)

    @cached_property
    def exchange(self) -> "ExchangeClient":
        """The authenticated client, or an anonymous one where there is no key; it has people's share of the rate."""
        # httpx and cryptography cost 150 ms to import; most requests never need them.
        from kalshi_markets.exchange import ExchangeClient
        from kalshi_markets.exchange.rate_limiter import DatabaseTokenBucket, RateLimiter

        settings = ExchangeSettings.from_env()
        return ExchangeClient(
            settings, RateLimiter(DatabaseTokenBucket(DatabaseSettings.from_env(), "interactive", settings.rate))
        )

    @cached_property
    def candle_cache(self) -> "CandleCache":
        """Closed periods of candlesticks, over a connection that may write them."""
        from api.candlesticks.cache import CandleCache

        return CandleCache(DatabaseSettings.from_env(), self.settings.candle_cache_mb)

    @cached_property
    def market_lifetimes(self) -> "MarketLifetimes":
        """What candlesticks need to know of markets."""
        from api.candlesticks.lifetimes import MarketLifetimes

        return MarketLifetimes(self.database)
