"""Proxy between the functions and AWS. It records each call and can fail as AWS does."""

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.support.aws import Account
from tests.support.http_server import HttpServer, Request, Response

DOWN = "down"
"""Fault that closes the connection without a response. Any other fault is an error code (AccessDeniedException)."""


class AwsProxy(HttpServer):
    """Proxy for `with AwsProxy(account) as proxy:`.

    environment: variables that route a function's calls to the proxy, for all services.
    calls: name in IAM and secret of each request.
    faults: faults in place of responses, one for each request, until there are no more.
    """

    def __init__(self, account: Account) -> None:
        super().__init__(["GET", "HEAD", "POST", "PUT", "DELETE"])
        self.environment = account.environment | {"AWS_ENDPOINT_URL": self.address}
        self.calls: list[tuple[str, str]] = []
        self.faults: Iterator[str] = iter(())
        self._account = urlsplit(account.environment["AWS_ENDPOINT_URL"]).netloc

    def respond(self, request: Request) -> Response | None:
        """Return the next fault, or the account's response."""
        self.calls.append((_action(request.headers), json.loads(request.body or "{}").get("SecretId")))
        fault = next(self.faults, None)
        if fault == DOWN:
            return None
        if fault:
            return _json(400, json.dumps({"__type": fault, "Message": "no"}).encode())
        connection = HTTPConnection(self._account)
        connection.request(request.method, request.path, request.body, request.headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return _json(response.status, body)


def _json(status: int, body: bytes) -> Response:
    return Response(status, body, {"content-type": "application/x-amz-json-1.1"})


def _action(headers: Mapping[str, str]) -> str:
    """Return the IAM action: service from the signature's scope, operation from the X-Amz-Target header."""
    service = headers["Authorization"].split("Credential=")[1].split("/")[3]
    return f"{service}:{headers.get('X-Amz-Target', '').split('.')[-1]}"
