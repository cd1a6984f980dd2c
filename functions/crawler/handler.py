"""Handler of the crawler function. Each invocation, once per minute, resumes where the last one stopped."""

import asyncio
import time
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from crawler.crawl import GRACE_SECONDS, SHUTDOWN_SECONDS, CrawlRun
from crawler.jobs import all_jobs
from crawler.metrics import publish
from crawler.store import Store
from crawler.summary import Summary
from kalshi_markets.database import Database
from kalshi_markets.exchange import DatabaseTokenBucket, ExchangeClient, RateLimiter
from kalshi_markets.logs import make_logger
from kalshi_markets.settings import CrawlerSettings, DatabaseSettings, ExchangeSettings

_SESSION: Final = {"client_connection_check_interval": "1s"}
"""Session parameters. The server ends an abandoned statement when its connection closes."""

logger = make_logger("crawler")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Run the crawler once and return the summary. Raises DatabaseError, SettingsError, SecretUnavailable."""
    began = time.monotonic()
    settings = CrawlerSettings.from_env()
    time_left = min(settings.run_seconds, context.get_remaining_time_in_millis() / 1000) - SHUTDOWN_SECONDS
    summary = asyncio.run(_crawl(settings, began + time_left, context.function_name)).as_dict()
    summary["seconds"] = round(time.monotonic() - began, 2)
    logger.info("run ended", extra=summary)
    return summary


async def _crawl(settings: CrawlerSettings, deadline: float, function: str) -> Summary:
    database_settings, exchange_settings = DatabaseSettings.from_env(), ExchangeSettings.from_env()
    # No wait for the server may outlast the run.
    timeout = max(1.0, deadline + GRACE_SECONDS - time.monotonic())
    database = Database(database_settings, application_name="crawler", parameters=_SESSION, timeout=timeout)
    reader = Database(database_settings, application_name="crawler reads", parameters=_SESSION, timeout=timeout)
    tokens = DatabaseTokenBucket(database_settings, "crawler", exchange_settings.rate)
    try:
        async with ExchangeClient(exchange_settings, RateLimiter(tokens)) as exchange:
            store = Store(database, reader, outbox_mb=settings.outbox_mb if settings.lake_url else 0)
            crawl = CrawlRun(all_jobs(settings), store, exchange, deadline=deadline, combos=settings.combos)
            summary = await crawl.run()
            publish(summary, crawl.states, function)
            return summary
    finally:
        database.close()
        reader.close()
