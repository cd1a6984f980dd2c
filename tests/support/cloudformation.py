"""CloudFormation as a custom resource sees it: events, and the URL for the response."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/kalshi-markets/51af3dc0-da77-11e4-872e-1234567db123"


class ResponseBucket:
    """Presigned URL for the response to CloudFormation. S3 rejects headers that the signature does not cover.

    statuses: statuses of the responses, one after the other. The last one repeats.
    """

    def __init__(self, *statuses: int, host: str = "127.0.0.1") -> None:
        self.bodies: list[bytes] = []
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                signed = {"host", "accept-encoding", "content-length"}
                body = self.rfile.read(int(self.headers["content-length"]))
                status = statuses[min(len(bucket.bodies), len(statuses) - 1)]
                if {name.lower() for name in self.headers} != signed or self.path != "/answer?Signature=a%2Fb":
                    status = 403
                bucket.bodies.append(body)
                self.send_response_only(status)
                self.send_header("content-length", "0")
                self.end_headers()

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://{host}:{self._server.server_port}/answer?Signature=a%2Fb"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

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
