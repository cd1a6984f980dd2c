"""CORS as API Gateway does it for the stack's HTTP API (CorsConfiguration in template.yaml).

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import MutableHeaders

ORIGIN: Final = "*"
METHODS: Final = ("GET", "HEAD", "POST")
HEADERS: Final = ("accept", "authorization", "content-type", "if-none-match")
EXPOSED: Final = "*"
MAX_AGE_SECONDS: Final = 3600


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether a browser asks what another origin's page may send."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def permit(method: str, request: Mapping[str, str], response: MutableHeaders) -> None:
    """Put API Gateway's CORS headers in place of the function's, where the request names its origin."""
    for name in [name for name in response if name.startswith("access-control-")]:
        del response[name]
    if "origin" not in request:
        return
    response["access-control-allow-origin"] = ORIGIN
    if is_preflight(method, request):
        response["access-control-allow-methods"] = ",".join(METHODS)
        response["access-control-allow-headers"] = ",".join(HEADERS)
        response["access-control-max-age"] = str(MAX_AGE_SECONDS)
    else:
        response["access-control-expose-headers"] = EXPOSED
