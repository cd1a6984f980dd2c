"""Pooler that enforces PgBouncer's rule for startup parameters, in front of a real server."""

import socket
import struct
import threading
from typing import Final, Self

ACCEPTED: Final = {"user", "database", "client_encoding", "datestyle", "timezone", "application_name"}
"""Startup parameters that PgBouncer tracks; it rejects all others (pgbouncer.org/config.html)."""


class Pooler:
    """Context manager that rejects the startup parameters that PgBouncer rejects, with PgBouncer's message.

    rejected: names of the parameters for which sessions were rejected.
    started: number of sessions that reached the server.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self.rejected: list[str] = []
        self.started = 0
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            self._start(client)

    def _start(self, client: socket.socket) -> None:
        (length,) = struct.unpack("!I", _exactly(client, 4))
        packet = _exactly(client, length - 4)
        if length == 8:  # SSLRequest
            client.sendall(b"N")
            client.close()
            return
        fields = packet[4:].split(b"\0")
        for name in (field.decode() for field in fields[0::2] if field):
            if name not in ACCEPTED:
                self.rejected.append(name)
                client.sendall(_fatal("08P01", f"unsupported startup parameter: {name}"))
                client.close()
                return
        self.started += 1
        server = socket.create_connection(self._server)
        self._open.append(server)
        server.sendall(struct.pack("!I", length) + packet)
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += connection.recv(size - len(data)) or b"\0" * size
    return data


def _fatal(sqlstate: str, message: str) -> bytes:
    """Return an ErrorResponse (postgresql.org/docs, protocol-message-formats)."""
    fields = b"".join(f"{kind}{text}\0".encode() for kind, text in (("S", "FATAL"), ("C", sqlstate), ("M", message)))
    return b"E" + struct.pack("!I", len(fields) + 5) + fields + b"\0"


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
