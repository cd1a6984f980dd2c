"""CORS headers of API Gateway for the stack's HTTP API (CorsConfiguration in template.yaml).

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import MutableHeaders

ORIGIN: Final = "*"
METHODS: Final = ("GET", "HEAD", "POST")
HEADERS: Final = ("accept", "authorization", "content-type", "if-none-match", "x-api-key")
EXPOSED: Final = "*"
MAX_AGE_SECONDS: Final = 3600


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether the request is a CORS preflight request."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def replace_cors_headers(method: str, request_headers: Mapping[str, str], response_headers: MutableHeaders) -> None:
    """Remove the function's CORS headers. If the request has an Origin header, add those of API Gateway."""
    for name in [name for name in response_headers if name.startswith("access-control-")]:
        del response_headers[name]
    if "origin" not in request_headers:
        return
    response_headers["access-control-allow-origin"] = ORIGIN
    if is_preflight(method, request_headers):
        response_headers["access-control-allow-methods"] = ",".join(METHODS)
        response_headers["access-control-allow-headers"] = ",".join(HEADERS)
        response_headers["access-control-max-age"] = str(MAX_AGE_SECONDS)
    else:
        response_headers["access-control-expose-headers"] = EXPOSED
