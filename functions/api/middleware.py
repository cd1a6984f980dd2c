"""ASGI middleware: HEAD requests, decoded paths, request IDs and the start time of a request."""

import time
import uuid

from aws_lambda_powertools.utilities.typing import LambdaContext
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.lambda_events import decoded_path

GATEWAY_SECONDS = 29.0
"""Time limit of a request in seconds. API Gateway's is 30 s (docs.aws.amazon.com/apigateway, HTTP API quotas)."""


class RequestContextMiddleware:
    """Middleware that handles HEAD as GET without a body, adds X-Request-ID and records the start time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application for one ASGI request."""
        head = scope["method"] == "HEAD"
        scope["began"] = time.monotonic()
        event = scope.setdefault("aws.event", {})
        if path := decoded_path(event):
            scope["path"] = path  # Mangum would decode it a second time
        event.setdefault("requestContext", {}).setdefault("requestId", str(uuid.uuid4()))

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id(scope)
            elif head:
                message["body"] = b""
            await send(message)

        await self._app({**scope, "method": "GET"} if head else scope, receive, send_on)


def request_id(scope: Scope) -> str:
    """Return API Gateway's request ID, or a random UUID where the event has none."""
    return str(scope["aws.event"]["requestContext"]["requestId"])


def remaining_seconds(request: Request) -> float:
    """Return the seconds until API Gateway or Lambda times out, whichever is first."""
    began: float = request.scope["began"]
    context: LambdaContext = request.scope["aws.context"]
    return min(GATEWAY_SECONDS - (time.monotonic() - began), context.get_remaining_time_in_millis() / 1000)
