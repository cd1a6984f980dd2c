"""Server that sends scripted responses, one after the other, and records the requests."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Reply:
    """Scripted response.

    delay: seconds before the response.
    cut: bytes of the body after which the connection is closed.
    """

    status: int = 200
    body: bytes = b'{"markets": [], "cursor": ""}'
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0
    cut: int | None = None


class ScriptedServer:
    """Scripted server for `with ScriptedServer([Reply(), …]) as server:`. The last reply repeats.

    paths: other replies for some patterns of path?query below the base URL, * for any text.
    """

    def __init__(self, replies: Sequence[Reply], paths: Mapping[str, Sequence[Reply]] | None = None) -> None:
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        lock = threading.Lock()
        given: Counter[str] = Counter()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler) -> None:  # noqa: N805  # the library's name; self is the scripted server
                with lock:
                    path = handler.path.removeprefix("/trade-api/v2")
                    script = next((name for name in paths or {} if fnmatchcase(path, name)), "")
                    given[script] += 1
                    answers = (paths or {}).get(script, replies)
                    reply = answers[min(given[script], len(answers)) - 1]
                    self.requests.append((handler.path, {k.lower(): v for k, v in handler.headers.items()}))
                time.sleep(reply.delay)
                handler.send_response_only(reply.status)
                for name, value in ({"content-length": str(len(reply.body))} | dict(reply.headers)).items():
                    handler.send_header(name, value)
                with suppress(OSError):  # the client did not wait
                    handler.end_headers()
                    handler.wfile.write(reply.body[: reply.cut])
                handler.close_connection = reply.cut is not None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/trade-api/v2"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
