"""HTTP proxy with a TLS server that stands in for every requested host."""

import asyncio
import contextlib
from pathlib import Path

from tests.support.tls import TlsFront, pump


class Proxy(TlsFront):
    """Proxy that accepts CONNECT, terminates TLS and forwards to one plain HTTP server.

    requests: the first line of each request to the proxy itself.
    """

    def __init__(self, server: tuple[str, int], cert: Path, key: Path) -> None:
        super().__init__(server, cert, key)
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head.partition(b"\r\n")[0].decode())
            if not head.startswith(b"CONNECT "):
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                writer.close()
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.start_tls(self._context)
            server_reader, server_writer = await asyncio.open_connection(*self._server)
            await asyncio.gather(pump(reader, server_writer), pump(server_reader, writer))
