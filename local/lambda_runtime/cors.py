"""CORS headers of API Gateway for the stack's HTTP API (CorsConfiguration in template.yaml).

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
    """Return whether the request is a CORS preflight request."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def set_cors_headers(method: str, request: Mapping[str, str], response: MutableHeaders) -> None:
    """Replace the function's CORS headers by API Gateway's, if the request has an Origin header."""
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
