"""Lambda events: detection of HTTP requests, and the paths that API Gateway has already decoded."""

from collections.abc import Mapping
from typing import Any


def is_http_request(event: Any) -> bool:
    """Return whether API Gateway, a load balancer or a function URL sent the event, not a schedule or a warm-up."""
    if not isinstance(event, dict) or not isinstance(event.get("requestContext"), dict):
        return False
    return "httpMethod" in event or "http" in event["requestContext"]


def decoded_path(event: Mapping[str, Any]) -> str | None:
    """Return the path of an HTTP API event; None for other events, which Mangum decodes correctly.

    An HTTP API percent-decodes the path before it calls the function. REST APIs, function URLs and load balancers do
    not decode it (observed by others on AWS: github.com/middleapi/standard-server, pull request 93).
    """
    context = event.get("requestContext", {})
    if "version" not in event or ".lambda-url." in context.get("domainName", ""):
        return None
    return str(context["http"]["path"] if "http" in context else event["path"])
