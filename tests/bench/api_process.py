"""The API function as Lambda invokes it, and its SQL statements: python -m tests.bench.api_process URL

As a program it serves one request in a fresh process and prints the process's peak memory in KiB.
"""

import base64
import gzip
import json
import os
import re
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock
from urllib.parse import urlsplit

from kalshi_markets.database import Database
from tests.bench.report import peak

Statement = tuple[str, tuple[object, ...]]
Response = dict[str, Any]

_CONTEXT: Final = SimpleNamespace(aws_request_id="request", get_remaining_time_in_millis=lambda: 29_000)
_STARTED_WITH: Final = "SELECT name, setting FROM pg_settings WHERE source = 'client'"


class ResponseNotSent(Exception):
    """Error response of the API: its status and code."""


class ApiProcess:
    """API handler in this process's environment. Raises ResponseNotSent."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        os.environ.update({"POWERTOOLS_LOG_LEVEL": "CRITICAL", **environment})
        from api.handler import handler  # logging is configured from the environment at import

        self._handler: Any = handler

    def get(self, url: str, **headers: str) -> Response:
        """Return the Lambda response to a GET that accepts gzip; a `_` in a header's name stands for `-`."""
        parts = urlsplit(url)
        event = {
            "version": "2.0",
            "rawPath": parts.path,
            "rawQueryString": parts.query,
            "headers": {"host": "bench", "accept-encoding": "gzip"}
            | {name.replace("_", "-"): value for name, value in headers.items()},
            "requestContext": {
                "requestId": "request",
                "http": {"method": "GET", "path": parts.path, "sourceIp": "127.0.0.1"},
            },
            "isBase64Encoded": False,
        }
        response: Response = self._handler(event, _CONTEXT)
        if response["statusCode"] not in (200, 304):
            error = json.loads(body(response))
            raise ResponseNotSent(f"{response['statusCode']} {error['code']}: {str(error['detail'])[:200]}")
        return response

    def json(self, url: str) -> dict[str, Any]:
        """Return the parsed body of a response."""
        answer: dict[str, Any] = json.loads(body(self.get(url)))
        return answer

    def statements_of(self, url: str) -> list[Statement]:
        """Return the SQL statements of one request."""
        statements, _ = self._spied(url)
        return statements

    def session(self) -> dict[str, str]:
        """Return the run-time parameters that the API's session starts with."""
        _, connection = self._spied("/markets?limit=1")
        return {name: setting for name, setting in connection.execute(_STARTED_WITH) if name != "application_name"}

    def _spied(self, url: str) -> tuple[list[Statement], Database]:
        statements: list[Statement] = []
        askers: list[Database] = []
        execute = Database.execute

        def spy(connection: Database, sql: str, *values: object) -> list[list[Any]]:
            statements.append((sql, values))
            askers.append(connection)
            return execute(connection, sql, *values)

        with mock.patch.object(Database, "execute", spy):
            self.get(url)
        return statements, askers[0]


def body(response: Response) -> bytes:
    """Return a response's body, decoded and decompressed."""
    raw: str = response.get("body") or ""
    data = base64.b64decode(raw) if response["isBase64Encoded"] else raw.encode()
    return gzip.decompress(data) if response["headers"].get("content-encoding") == "gzip" else data


def next_url(response: Response) -> str | None:
    """Return the URL of the Link header's rel="next", if there is one."""
    links = {name.lower(): value for name, value in response["headers"].items()}.get("link", "")
    link = re.search(r'<([^>]*)>; rel="?next', links)
    return link[1] if link else None


if __name__ == "__main__":
    ApiProcess({}).get(sys.argv[1])
    print(peak())
