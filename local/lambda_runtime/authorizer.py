"""Lambda authorizer for API keys in front of the gateway, as in template.yaml.

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

import json
import re
import time
from typing import Any, Final

from local.lambda_runtime.events import HttpRequest, MalformedResponse, authorizer_event
from local.lambda_runtime.lambda_errors import LambdaError
from local.lambda_runtime.lambda_function import LambdaFunction
from local.lambda_runtime.sandbox import Log

HEADER: Final = "x-api-key"
RESULT_SECONDS: Final = 300
"""Time for which the gateway caches the result for a key (AuthorizerResultTtlInSeconds)."""
OPEN_ROUTES: Final = (
    "ANY /",
    "ANY /explore",
    "ANY /explore/{proxy+}",
    "ANY /docs",
    "ANY /assets/{proxy+}",
    "ANY /favicon.ico",
    "ANY /llms.txt",
    "OPTIONS /{proxy+}",
)
"""Routes without an authorizer: the pages, their assets, the guide for language models, and requests before CORS."""


def is_open(method: str, path: str) -> bool:
    """Return whether a route without an authorizer matches the request."""
    return any(_matches(route, method, path) for route in OPEN_ROUTES)


class Authorizer:
    """Authorizer of the gateway. It invokes the function for the requests with a key and caches its results."""

    def __init__(self, function: LambdaFunction, log: Log = print) -> None:
        self._function = function
        self._log = log
        self._results: dict[str, tuple[float, bool]] = {}
        """Time (time.monotonic()) and result of each key."""

    async def reject(self, request: HttpRequest, request_id: str) -> int | None:
        """Return the status of a rejection: 401, 403, or 500 if the function fails. None: the request is authorized."""
        if is_open(request.method, request.path):
            return None
        key = ",".join(value for name, value in request.headers if name == HEADER)
        if not key:
            return 401
        decided_at, authorized = self._results.get(key, (-float("inf"), False))
        if time.monotonic() - decided_at > RESULT_SECONDS:
            try:
                authorized = await self._invoke(authorizer_event(request, request_id, key))
            except (LambdaError, MalformedResponse) as error:
                self._log(f"the authorizer failed: {error}")
                return 500
            self._results[key] = time.monotonic(), authorized
        return None if authorized else 403

    async def _invoke(self, event: dict[str, Any]) -> bool:
        response = json.loads(await self._function.invoke(json.dumps(event).encode()))
        match response:
            case {"isAuthorized": bool(authorized)}:
                return authorized
        raise MalformedResponse("the response of an authorizer must have isAuthorized, a boolean")


def _matches(route: str, method: str, path: str) -> bool:
    route_method, _, route_path = route.partition(" ")
    pattern = re.escape(route_path).replace(r"\{proxy\+\}", ".+")
    return route_method in ("ANY", method) and re.fullmatch(pattern, path) is not None
