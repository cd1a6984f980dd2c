"""A uvicorn server within an event loop that it does not own."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

KEEP_ALIVE_SECONDS: Final = 3600
"""Longer than any function runs: a connection closed under the runtime client ends its process."""


HEAD_BYTES: Final = 1024 * 1024
"""Of a request line and headers: far more than the applications take, so that they answer, and in their own words."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tells when it is done."""
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to the supervisor."""
        yield


def listen(port: int = 0) -> socket.socket:
    """A listening socket on the loopback interface; port 0 takes a free one. Raises OSError."""
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    # Its connections inherit it, and answer 40 ms sooner; asyncio sets it only where a socket's protocol was named.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def port_of(listener: socket.socket) -> int:
    """The port that a socket listens on."""
    port: int = listener.getsockname()[1]
    return port


@asynccontextmanager
async def serve(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serves the application on the socket, which it closes; at the end it waits for open requests, 3 s at most."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=3,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await server.ready.wait()
        yield
    finally:
        server.should_exit = True
        await serving
