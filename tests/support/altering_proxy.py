"""Reverse proxy that alters requests and responses."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

Query = dict[str, str]
BASE = "/trade-api/v2"


@dataclass(frozen=True)
class Alteration:
    """Change of the requests that match a pattern.

    pattern: for path?query below the base URL, * for any text.
    query: returns another query.
    status: status of a response without a request to the server.
    body: returns another JSON body.
    headers: headers that replace those of the response.
    indent: indentation of the JSON body.
    """

    pattern: str
    query: Callable[[Query], Query] | None = None
    status: int | None = None
    body: Callable[[Any], Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    indent: int | None = None


class Altering:
    """Reverse proxy for `with Altering(server.url, [Alteration(…)]) as front:`.

    url: address of the proxy.
    requests: number of requests.
    """

    def __init__(self, url: str, alterations: Sequence[Alteration]) -> None:
        self.requests = 0
        self._client = httpx.Client(timeout=30)
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler) -> None:  # noqa: N805  # the library's name; self is the proxy
                with lock:
                    self.requests += 1
                path = handler.path.removeprefix(BASE)
                matching = [alteration for alteration in alterations if fnmatchcase(path, alteration.pattern)]
                status, headers, body = self._answer(url, handler, matching)
                handler.send_response_only(status)
                for name, value in {**headers, "content-length": str(len(body))}.items():
                    handler.send_header(name, value)
                handler.end_headers()
                handler.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}{BASE}"

    def _answer(
        self, url: str, request: BaseHTTPRequestHandler, matching: Sequence[Alteration]
    ) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(request.path)
        query = dict(parse_qsl(parts.query))
        for alteration in matching:
            if alteration.status:
                return alteration.status, {}, json.dumps({"error": {"code": "altered", "message": "altered"}}).encode()
            query = alteration.query(query) if alteration.query else query
        forwarded = {name: value for name, value in request.headers.items() if name.lower().startswith("kalshi")}
        path = url + parts.path.removeprefix(BASE) + (f"?{urlencode(query)}" if query else "")
        answer = self._client.get(path, headers={**forwarded, "accept-encoding": "identity"})
        headers = {name: answer.headers[name] for name in ("date", "cache-control") if name in answer.headers}
        body = answer.content
        for alteration in matching:
            headers |= alteration.headers
            if answer.status_code == 200 and (alteration.body or alteration.indent):
                document = json.loads(body)
                altered = alteration.body(document) if alteration.body else document
                separators = None if alteration.indent else (",", ":")
                body = json.dumps(altered, indent=alteration.indent, separators=separators).encode()
        return answer.status_code, headers, body

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._client.close()
