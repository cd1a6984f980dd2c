"""HTTP server in threads of the test's process: the base of the tests' own servers."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Request:
    """Request to a server. path: path and query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """Response of a server.

    headers: headers besides, or instead of, the right content-length.
    cut: bytes of the body after which the connection is closed.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None


class HttpServer(ABC):
    """Server for `with`. It answers the given methods; each connection has a thread.

    address: http://host:port.
    """

    def __init__(self, methods: Sequence[str], host: str = "127.0.0.1") -> None:
        respond = self.respond

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                response = respond(Request(self.command, self.path, dict(self.headers), body))
                self.close_connection = response is None or response.cut is not None
                if response is None:
                    return
                self.send_response_only(response.status)
                for name, value in ({"content-length": str(len(response.body))} | dict(response.headers)).items():
                    self.send_header(name, value)
                with suppress(OSError):  # the client did not wait
                    self.end_headers()
                    self.wfile.write(response.body[: response.cut])

        for method in methods:
            setattr(Handler, f"do_{method}", Handler.answer)
        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.address = f"http://{host}:{self._server.server_port}"

    @abstractmethod
    def respond(self, request: Request) -> Response | None:
        """Return the response, or None to close the connection without one. Called in many threads."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
