"""Server that sends scripted responses, one after the other, and records the requests."""

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from fnmatch import fnmatchcase
from typing import Any

from kalshi_markets.settings import API_PATH
from tests.support.http_server import HttpServer, Request, Response


@dataclass(frozen=True)
class Reply(Response):
    """Scripted response. delay: seconds before the response."""

    body: bytes = b'{"markets": [], "cursor": ""}'
    delay: float = 0


def answer(**members: Any) -> Reply:
    """Return a JSON object as the exchange sends it, with the current date."""
    date = format_datetime(datetime.now(UTC), usegmt=True)
    return Reply(body=json.dumps(members).encode(), headers={"date": date})


def page(*markets: Any, cursor: str = "") -> Reply:
    """Return a page of markets."""
    return answer(markets=markets, cursor=cursor)


class ScriptedServer(HttpServer):
    """Scripted server for `with ScriptedServer([Reply(), …]) as server:`. The last reply repeats.

    paths: other replies for some patterns of path?query below the base URL, * for any text.
    """

    def __init__(self, replies: Sequence[Reply], paths: Mapping[str, Sequence[Reply]] | None = None) -> None:
        super().__init__(["GET"])
        self.url = self.address + API_PATH
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self._replies = replies
        self._paths = paths or {}
        self._given: Counter[str] = Counter()
        self._lock = threading.Lock()

    def respond(self, request: Request) -> Response:
        """Return the next reply of the request's script."""
        path = request.path.removeprefix(API_PATH)
        script = next((pattern for pattern in self._paths if fnmatchcase(path, pattern)), "")
        replies = self._paths.get(script, self._replies)
        with self._lock:
            reply = replies[min(self._given[script], len(replies) - 1)]
            self._given[script] += 1
            self.requests.append((request.path, {k.lower(): v for k, v in request.headers.items()}))
        time.sleep(reply.delay)
        return reply
