"""Reverse proxy that alters requests and responses."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from kalshi_markets.settings import API_PATH
from tests.support.http_server import HttpServer, Request, Response

Query = dict[str, str]


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


class Altering(HttpServer):
    """Reverse proxy for `with Altering(server.url, [Alteration(…)]) as front:`.

    url: address of the proxy.
    requests: number of requests.
    """

    def __init__(self, url: str, alterations: Sequence[Alteration]) -> None:
        super().__init__(["GET"])
        self.url = self.address + API_PATH
        self.requests = 0
        self._server_url = url
        self._alterations = alterations
        self._client = httpx.Client(timeout=30)
        self._lock = threading.Lock()

    def respond(self, request: Request) -> Response:
        """Return the server's response with all alterations whose pattern matches."""
        with self._lock:
            self.requests += 1
        path = request.path.removeprefix(API_PATH)
        matching = [alteration for alteration in self._alterations if fnmatchcase(path, alteration.pattern)]
        parts = urlsplit(path)
        query = dict(parse_qsl(parts.query))
        for alteration in matching:
            if alteration.status:
                error = {"error": {"code": "altered", "message": "altered"}}
                return Response(alteration.status, json.dumps(error).encode())
            query = alteration.query(query) if alteration.query else query
        forwarded = {name: value for name, value in request.headers.items() if name.lower().startswith("kalshi")}
        url = self._server_url + parts.path + (f"?{urlencode(query)}" if query else "")
        answer = self._client.get(url, headers={**forwarded, "accept-encoding": "identity"})
        headers = {name: answer.headers[name] for name in ("date", "cache-control") if name in answer.headers}
        body = answer.content
        for alteration in matching:
            headers |= alteration.headers
            if answer.status_code == 200 and (alteration.body or alteration.indent):
                document = json.loads(body)
                altered = alteration.body(document) if alteration.body else document
                separators = None if alteration.indent else (",", ":")
                body = json.dumps(altered, indent=alteration.indent, separators=separators).encode()
        return Response(answer.status_code, body, headers)

    def __exit__(self, *details: object) -> None:
        super().__exit__(*details)
        self._client.close()
