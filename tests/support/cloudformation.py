"""CloudFormation as a custom resource sees it: events, and the URL for the response."""

import json
from typing import Any

from tests.support.http_server import HttpServer, Request, Response

STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/kalshi-markets/51af3dc0-da77-11e4-872e-1234567db123"
_PATH = "/answer?Signature=a%2Fb"
_SIGNED_HEADERS = {"host", "accept-encoding", "content-length"}


class ResponseBucket(HttpServer):
    """Presigned URL for the response to CloudFormation. S3 rejects headers that the signature does not cover.

    statuses: statuses of the responses, one after the other. The last one repeats.
    """

    def __init__(self, *statuses: int, host: str = "127.0.0.1") -> None:
        super().__init__(["PUT"], host)
        self.url = self.address + _PATH
        self.bodies: list[bytes] = []
        self._statuses = statuses

    def respond(self, request: Request) -> Response:
        """Store the body and return the next status, or 403 if the signature does not cover the request."""
        status = self._statuses[min(len(self.bodies), len(self._statuses) - 1)]
        self.bodies.append(request.body)
        is_signed = {name.lower() for name in request.headers} == _SIGNED_HEADERS and request.path == _PATH
        return Response(status if is_signed else 403)

    @property
    def response(self) -> dict[str, Any]:
        """The only body that was received."""
        [body] = self.bodies
        assert len(body) <= 4096
        response: dict[str, Any] = json.loads(body)
        return response


def custom_resource_event(bucket: ResponseBucket, kind: str = "Create", **more: str) -> dict[str, Any]:
    """Return an event of a custom resource. kind: Create, Update or Delete."""
    return {
        "RequestType": kind,
        "ResponseURL": bucket.url,
        "StackId": STACK,
        "RequestId": "request-1",
        "LogicalResourceId": "Migrations",
        "ResourceType": "AWS::CloudFormation::CustomResource",
        "ResourceProperties": {"Digest": "1"},
        **more,
    }
