"""Entry point of the API function, for API Gateway HTTP API events (payload 2.0).

With SnapStart, many processes resume from one snapshot, which is taken after the imports. They must not share
connections and secrets, so both are removed before the snapshot
(docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks.html).
"""

import gc

gc.disable()  # garbage collection during the imports takes a tenth of the cold start

import asyncio
from contextlib import suppress
from typing import Any

from mangum.types import LambdaContext
from snapshot_restore_py import register_after_restore, register_before_snapshot

from api.app import lambda_handler
from api.lambda_events import is_http_request
from api.resources import Resources
from kalshi_markets.database import DatabaseError
from kalshi_markets.secrets_manager import SecretUnavailable, clear_cache
from kalshi_markets.settings import SettingsError

# Mangum runs every request on this loop. One loop for all requests keeps the exchange's connections open between them.
_loop = asyncio.new_event_loop()
asyncio.set_event_loop(_loop)

_resources = Resources()
_adapter = lambda_handler(_resources)

gc.freeze()  # imported objects live as long as the process: exclude them from every collection
gc.set_threshold(100_000)  # objects; the candlesticks of a full response are about as many, and none is garbage
gc.enable()


def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Return the response to an HTTP request. Any other event, such as a warm-up, gets a message."""
    if not is_http_request(event):
        return {"message": "This function answers HTTP requests; the event is none."}
    return _adapter(event, context)


def before_snapshot() -> None:
    """Close all connections and clear the cached secrets."""
    _loop.run_until_complete(_resources.aclose())
    clear_cache()


def after_restore() -> None:
    """Open the database connection before the first request. Errors are ignored: the request raises them again."""
    with suppress(DatabaseError, SettingsError, SecretUnavailable):
        _resources.database.query("SELECT 1")


register_before_snapshot(before_snapshot)
register_after_restore(after_restore)
