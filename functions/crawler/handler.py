"""The crawler function: invoked every minute, it goes on where the last invocation ended."""

import asyncio
import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from crawler.crawl import MARGIN_SECONDS, Crawl, Summary
from crawler.jobs import walks
from crawler.store import Store
from kalshi_markets.database import Database
from kalshi_markets.exchange import ExchangeClient
from kalshi_markets.settings import CrawlerSettings, DatabaseSettings, ExchangeSettings

logger = Logger(service="crawler")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Returns the run's summary. Raises DatabaseError, SettingsError, SecretUnavailable."""
    began = time.monotonic()
    settings = CrawlerSettings.read()
    time_left = min(settings.run_seconds, context.get_remaining_time_in_millis() / 1000) - MARGIN_SECONDS
    summary = asyncio.run(_crawl(settings, began + time_left)).as_dict()
    summary["seconds"] = round(time.monotonic() - began, 2)
    logger.info("run ended", extra=summary)
    return summary


async def _crawl(settings: CrawlerSettings, ends_at: float) -> Summary:
    database = Database(DatabaseSettings.read(), application_name="crawler")
    try:
        async with ExchangeClient(ExchangeSettings.read()) as exchange:
            return await Crawl(walks(settings), Store(database), exchange, ends_at=ends_at).run()
    finally:
        database.close()
