"""The API function: an API Gateway HTTP API event (payload 2.0) in, its response out."""

import asyncio
from typing import Any

from mangum.types import LambdaContext

from api.app import adapter
from api.service import Service

# Mangum runs every request on this loop; kept, so that connections to the exchange outlive a request.
asyncio.set_event_loop(asyncio.new_event_loop())

_adapter = adapter(Service())


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers one HTTP request."""
    return _adapter(event, context)
