"""What the routes share, made when first needed and kept while the function is warm."""

from functools import cached_property
from typing import TYPE_CHECKING

from kalshi_markets.database import Database
from kalshi_markets.settings import ApiSettings, DatabaseSettings, ExchangeSettings

if TYPE_CHECKING:
    from kalshi_markets.exchange import ExchangeClient


class Service:
    """Settings, the database and the exchange. Its attributes raise SettingsError until the settings are right."""

    @cached_property
    def settings(self) -> ApiSettings:
        """The HTTP side's limits."""
        return ApiSettings.read()

    @cached_property
    def database(self) -> Database:
        """Reads only, each under the statement timeout."""
        timeout = self.settings.statement_timeout_ms
        parameters = {"statement_timeout": str(timeout), "default_transaction_read_only": "on"}
        # The server ends a statement first; this is for a server that no longer answers at all.
        seconds = timeout / 1000 + 2
        return Database(DatabaseSettings.read(), application_name="api", parameters=parameters, timeout=seconds)

    @cached_property
    def exchange(self) -> "ExchangeClient":
        """The authenticated client, or an anonymous one where there is no key."""
        # httpx and cryptography cost 150 ms to import; most requests never need them.
        from kalshi_markets.exchange import ExchangeClient

        return ExchangeClient(ExchangeSettings.read())
