"""Proxy between the functions and AWS. It records each call and can fail as AWS does."""

import json
import threading
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

from tests.support.aws import Account

DOWN = "down"
"""Fault that closes the connection without a response. Any other fault is an error code (AccessDeniedException)."""


class AwsProxy:
    """Proxy for `with AwsProxy(account) as proxy:`.

    environment: variables that route a function's calls to the proxy, for all services.
    calls: name in IAM and secret of each request.
    faults: faults in place of responses, one for each request, until there are no more.
    """

    def __init__(self, account: Account) -> None:
        self.calls: list[tuple[str, str]] = []
        self.faults: Iterator[str] = iter(())
        proxy = self
        behind = urlsplit(account.environment["AWS_ENDPOINT_URL"]).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                proxy.calls.append((_action(dict(self.headers)), json.loads(body or "{}").get("SecretId")))
                fault = next(proxy.faults, None)
                if fault == DOWN:
                    self.close_connection = True
                elif fault:
                    self._answer(400, json.dumps({"__type": fault, "Message": "no"}).encode())
                else:
                    connection = HTTPConnection(behind)
                    connection.request("POST", self.path, body, dict(self.headers))
                    response = connection.getresponse()
                    self._answer(response.status, response.read())
                    connection.close()

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response_only(status)
                self.send_header("content-type", "application/x-amz-json-1.1")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        for method in ("GET", "HEAD", "PUT", "DELETE"):  # methods of other services
            setattr(Handler, f"do_{method}", Handler.do_POST)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.environment = account.environment | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}"}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _action(headers: Mapping[str, str]) -> str:
    """Return the IAM action: service from the signature's scope, operation from the X-Amz-Target header."""
    service = headers["Authorization"].split("Credential=")[1].split("/")[3]
    return f"{service}:{headers.get('X-Amz-Target', '').split('.')[-1]}"
