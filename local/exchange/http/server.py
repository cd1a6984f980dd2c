"""Server of the simulated exchange on a TCP socket."""

import logging
import socket
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import uvicorn

from local.exchange.catalogue import Exchange
from local.exchange.http.app import BASE, ServerOptions, create_app
from local.exchange.http.signatures import PublicKey

DEFAULT_OPTIONS = ServerOptions()


def bind(host: str, port: int) -> tuple[socket.socket, str]:
    """Return a listening socket and the base URL of the API; port 0 selects a free port. Raises OSError."""
    # With protocol 0, asyncio would not set TCP_NODELAY: 40 ms more for every response.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener, f"http://{host}:{listener.getsockname()[1]}{BASE}"


def make_server(
    exchange: Exchange, keys: Mapping[str, PublicKey], options: ServerOptions = DEFAULT_OPTIONS, *, verbose: bool
) -> uvicorn.Server:
    """Return a uvicorn server of the exchange. Raises ValueError for invalid faults or costs."""
    config = uvicorn.Config(
        create_app(exchange, keys, options),
        lifespan="off",
        ws="none",
        date_header=False,  # the middleware sets it from the exchange's clock
        server_header=False,
        access_log=verbose,
        log_level="info" if verbose else "warning",
        timeout_graceful_shutdown=2,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_not_a_cut_response)
    return uvicorn.Server(config)


def _is_not_a_cut_response(record: logging.LogRecord) -> bool:
    """Filter out the log record of a response that a fault has cut."""
    return record.msg != "ASGI callable returned without completing response."


class ExchangeServer:
    """Context manager that serves an exchange at `url`, on a free port, from its own thread.

    Usage: `with ExchangeServer(exchange) as server:`.
    """

    def __init__(
        self, exchange: Exchange, keys: Mapping[str, PublicKey] | None = None, options: ServerOptions = DEFAULT_OPTIONS
    ) -> None:
        self.exchange = exchange
        self._server = make_server(exchange, keys or {}, options, verbose=False)
        self._listener, self.url = bind("127.0.0.1", 0)
        self.root = self.url.removesuffix(BASE)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), name="exchange")

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
