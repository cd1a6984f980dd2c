"""Lambda events: which of them are HTTP requests, and whose paths are decoded already."""

from collections.abc import Mapping
from typing import Any


def is_http_request(event: Any) -> bool:
    """Return whether API Gateway, a load balancer or a function URL sent the event; schedules and warm-ups did not."""
    if not isinstance(event, dict) or not isinstance(event.get("requestContext"), dict):
        return False
    return "httpMethod" in event or "http" in event["requestContext"]


def decoded_path(event: Mapping[str, Any]) -> str | None:
    """Return the path of an HTTP API's event, in which it is percent-decoded. None: Mangum's own decoding is right.

    REST APIs, function URLs and load balancers send it as it came (observed by others on AWS:
    github.com/middleapi/standard-server, pull request 93).
    """
    context = event.get("requestContext", {})
    if "version" not in event or ".lambda-url." in context.get("domainName", ""):
        return None
    return str(context["http"]["path"] if "http" in context else event["path"])
