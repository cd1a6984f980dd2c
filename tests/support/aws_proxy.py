"""Proxy between the functions and AWS. It records each call and can fail as AWS does."""

import json
import threading
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from urllib.parse import unquote, urlsplit

from tests.support.aws import Account
from tests.support.http_server import HttpServer, Request, Response

DOWN = "down"
"""Fault that closes the connection without a response. Any other fault is an error code (AccessDeniedException)."""
PASSES = "passes"
"""Fault that is none."""
S3_STATUSES = {"AccessDenied": 403, "ConditionalRequestConflict": 409, "SlowDown": 503}
"""Statuses of faults of S3."""
_OF_CONNECTION = ("connection", "content-length", "transfer-encoding")
"""Headers that are not passed on."""


class AwsProxy(HttpServer):
    """Proxy for `with AwsProxy(account) as proxy:`.

    environment: variables that route a function's calls to the proxy, for all services.
    calls: name in IAM of each request, and its secret or its object, as bucket/key.
    faults: faults in place of responses, one for each request, until there are no more.
    """

    def __init__(self, account: Account) -> None:
        super().__init__(["GET", "HEAD", "POST", "PUT", "DELETE"])
        self.environment = account.environment | {"AWS_ENDPOINT_URL": self.address}
        self.calls: list[tuple[str, str]] = []
        self.faults: Iterator[str] = iter(())
        self._lock = threading.Lock()
        self._account = urlsplit(account.environment["AWS_ENDPOINT_URL"]).netloc

    def respond(self, request: Request) -> Response | None:
        """Return the next fault, or the account's response."""
        service = _service(request.headers)
        self.calls.append(_object_call(request) if service == "s3" else _secret_call(request))
        fault = next(self.faults, None)
        if fault == PASSES:
            fault = None
        if fault == DOWN:
            return None
        if fault and service == "s3":
            return Response(S3_STATUSES[fault], f"<Error><Code>{fault}</Code></Error>".encode())
        if fault:
            return _json(400, json.dumps({"__type": fault, "Message": "no"}).encode())
        with self._lock:  # moto moves a staging label in two steps, AWS in one
            connection = HTTPConnection(self._account)
            connection.request(request.method, request.path, request.body, request.headers)
            response = connection.getresponse()
            body = response.read()
            connection.close()
        if service == "s3":
            headers = {name: value for name, value in response.getheaders() if name.lower() not in _OF_CONNECTION}
            return Response(response.status, body, headers)
        return _json(response.status, body)


def _json(status: int, body: bytes) -> Response:
    return Response(status, body, {"content-type": "application/x-amz-json-1.1"})


def _service(headers: Mapping[str, str]) -> str:
    """Return the service in the signature's scope."""
    return headers["Authorization"].split("Credential=")[1].split("/")[3]


def _secret_call(request: Request) -> tuple[str, str]:
    """Return the IAM action, with the operation from the X-Amz-Target header, and the secret."""
    operation = request.headers.get("X-Amz-Target", "").split(".")[-1]
    return f"{_service(request.headers)}:{operation}", json.loads(request.body or "{}").get("SecretId")


def _object_call(request: Request) -> tuple[str, str]:
    """Return the IAM action of a request with the bucket in its path, and its bucket and key."""
    name = unquote(urlsplit(request.path).path).strip("/")
    operations = {"PUT": "PutObject", "GET": "GetObject" if "/" in name else "ListBucket"}
    return f"s3:{operations[request.method]}", name
