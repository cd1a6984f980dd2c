"""What stands between the functions and AWS: it notes each call, and fails as AWS does."""

import json
import threading
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

from tests.support.aws import Account

DOWN = "down"
"""A fault: the connection is closed without an answer. Any other is the code of an error (AccessDeniedException)."""


class AwsProxy:
    """`with AwsProxy(account) as proxy:`

    environment: what makes a function ask here, whatever the service.
    calls: the requests, each by its name in IAM and the secret that it names.
    faults: what happens instead of an answer, one fault a request, until there are no more.
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

        for method in ("GET", "HEAD", "PUT", "DELETE"):  # what other services take
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
    """The service from the scope of the signature, the operation from the target of its JSON protocols."""
    service = headers["Authorization"].split("Credential=")[1].split("/")[3]
    return f"{service}:{headers.get('X-Amz-Target', '').split('.')[-1]}"
