"""Around the application: HEAD, the path, the request's id and its time."""

import time
import uuid

from aws_lambda_powertools.utilities.typing import LambdaContext
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.events import decoded_path

GATEWAY_SECONDS = 29.0
"""The answer must be there before API Gateway gives up, at 30 s (docs.aws.amazon.com/apigateway, HTTP API quotas)."""


class RequestContextMiddleware:
    """Answers HEAD as GET without a body, gives every answer its request id, notes when the request began."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        head = scope["method"] == "HEAD"
        scope["began"] = time.monotonic()
        event = scope.setdefault("aws.event", {})
        if path := decoded_path(event):
            scope["path"] = path  # Mangum decodes it once more
        event.setdefault("requestContext", {}).setdefault("requestId", str(uuid.uuid4()))

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id(scope)
            elif head:
                message["body"] = b""
            await send(message)

        await self._app({**scope, "method": "GET"} if head else scope, receive, send_on)


def request_id(scope: Scope) -> str:
    """The gateway's id of the request."""
    return str(scope["aws.event"]["requestContext"]["requestId"])


def remaining_seconds(request: Request) -> float:
    """Seconds until the gateway or Lambda gives up on the request, whichever comes first."""
    began: float = request.scope["began"]
    context: LambdaContext = request.scope["aws.context"]
    return min(GATEWAY_SECONDS - (time.monotonic() - began), context.get_remaining_time_in_millis() / 1000)
