"""The API function: an API Gateway HTTP API event (payload 2.0) in, its response out.

With SnapStart many processes go on from one that was frozen after its import. What they must not share, connections and
secrets, stays out of the snapshot (docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks.html).
"""

import gc

gc.disable()  # looking for garbage during the imports takes a tenth of the cold start

import asyncio
from contextlib import suppress
from typing import Any

from mangum.types import LambdaContext
from snapshot_restore_py import register_after_restore, register_before_snapshot

from api.app import lambda_handler
from api.events import is_http_request
from api.resources import Resources
from kalshi_markets.database import DatabaseError
from kalshi_markets.secrets_manager import SecretUnavailable, clear_cache
from kalshi_markets.settings import SettingsError

# Mangum runs every request on this loop; kept, so that connections to the exchange outlive a request.
_loop = asyncio.new_event_loop()
asyncio.set_event_loop(_loop)

_resources = Resources()
_adapter = lambda_handler(_resources)

gc.freeze()  # what is here now stays: it is never looked through
gc.set_threshold(100_000)  # of objects; the candlesticks of a full answer are as many, and none of them is garbage
gc.enable()


def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Return the response to an HTTP request; for any other event, such as a warm-up, a sentence that says so."""
    if not is_http_request(event):
        return {"message": "This function answers HTTP requests; the event is none."}
    return _adapter(event, context)


def before_snapshot() -> None:
    """Closes the connections, and drops the secrets."""
    _loop.run_until_complete(_resources.aclose())
    clear_cache()


def after_restore() -> None:
    """Logs in to the database, so that the first request finds it open; if that fails, the request will tell."""
    with suppress(DatabaseError, SettingsError, SecretUnavailable):
        _resources.database.query("SELECT 1")


register_before_snapshot(before_snapshot)
register_after_restore(after_restore)
