"""Entry point of the API function, for API Gateway HTTP API events (payload 2.0)."""

import gc

gc.disable()  # garbage collection during the imports takes a tenth of the cold start

import asyncio
from typing import Any

from mangum.types import LambdaContext

from api.app import lambda_handler
from api.lambda_events import is_http_request
from api.resources import Resources

# Mangum runs every request on this loop. One loop for all requests keeps the exchange's connections open between them.
asyncio.set_event_loop(asyncio.new_event_loop())

_adapter = lambda_handler(Resources())

gc.freeze()  # imported objects live as long as the process: exclude them from every collection
gc.set_threshold(100_000)  # objects; the candlesticks of a full response are about as many, and none is garbage
gc.enable()


def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Return the response to an HTTP request. Any other event, such as a warm-up, gets a message."""
    if not is_http_request(event):
        return {"message": "This function answers HTTP requests; the event is none."}
    return _adapter(event, context)
