"""Connection through pg8000. Only this module uses undocumented parts of the driver.

tests/integration/test_driver.py tests these parts in the pinned version.
"""

import json
import math
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pg8000.native
from pg8000 import core

from kalshi_markets.credentials import Credentials
from kalshi_markets.settings import DatabaseSettings

Row = list[Any]
Statement = tuple[str, Sequence[object]]

KEEPALIVE: Final = {"TCP_KEEPIDLE": 5, "TCP_KEEPALIVE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds without traffic, seconds between two probes, and number of probes (man 7 tcp).

The connection fails 20 s after the server's last packet. TCP_KEEPALIVE is macOS's name of TCP_KEEPIDLE.
"""


class Result(NamedTuple):
    """Result of one statement, with values that JSON has.

    affected: number of rows that the statement returned or changed; -1: it has no such number.
    """

    columns: list[str]
    rows: list[Row]
    affected: int


class PipelinedConnection:
    """Open connection that executes several statements in one round trip. Its methods raise pg8000's Error and OSError.

    settings: the server and the database.
    ssl_context: TLS context, or False for a connection without TLS.
    timeout: maximum seconds of connecting, and of each later wait for the server.
    application_name: name of the session in pg_stat_activity.
    parameters: run-time parameters of the startup packet.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        credentials: Credentials,
        *,
        ssl_context: ssl.SSLContext | bool,
        timeout: float,
        application_name: str,
        parameters: Mapping[str, str],
    ) -> None:
        tcp_socket = _connect(settings.host, settings.port, timeout)
        try:
            self._driver = pg8000.native.Connection(
                credentials.username,
                password=credentials.secret,
                host=settings.host,  # the name that TLS verifies
                database=settings.name,
                ssl_context=ssl_context,
                sock=tcp_socket,
                application_name=application_name,
                startup_params=dict(parameters),
            )
        except BaseException:
            tcp_socket.close()
            raise
        self._socket: socket.socket = self._driver._usock  # with TLS it replaces ours

    def execute(self, *statements: Statement) -> list[Row]:
        """Execute statements in one round trip and return all their rows. pg8000's own method needs three round trips.

        It always uses the extended protocol. pg8000's run() uses the simple protocol for a statement without
        parameters, which permits several statements separated by `;`. After a failed statement the server skips the
        rest.
        """
        return self._run(statements).rows or []

    def execute_for_json(self, sql: str, max_rows: int) -> Result:
        """Execute one statement without parameters, and receive at most max_rows rows.

        Integers, floats, booleans and JSON have their JSON types. Other values are PostgreSQL's text.
        """
        types, self._driver.pg_types = self._driver.pg_types, _JSON_TYPES
        try:
            context = self._run([(sql, ())], max_rows)
        finally:
            self._driver.pg_types = types
        columns = [str(column["name"]) for column in context.columns or []]
        return Result(columns, context.rows or [], context.row_count)

    def _run(self, statements: Sequence[Statement], max_rows: int = 0) -> Any:
        """Return the driver's context of the statements. max_rows: for each statement; 0: no limit."""
        driver = self._driver
        context = core.Context(statements[0][0])
        for sql, values in statements:
            driver.send_PARSE(core.NULL_BYTE, sql)
            driver.send_DESCRIBE_STATEMENT(core.NULL_BYTE)
            driver.send_BIND(core.NULL_BYTE, core.make_params(driver.py_types, [*map(_encode_text_array, values)]))
            driver._send_message(core.EXECUTE, core.NULL_BYTE + core.i_pack(max_rows))
        driver._sock.write(core.SYNC_MSG)
        driver._sock.flush()
        driver.handle_messages(context)
        return context

    def execute_script(self, sql: str) -> None:
        """Execute SQL of several statements, without parameters."""
        self._driver.run(sql)

    def abort(self) -> None:
        """Fail the wait of another thread for the server."""
        self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Log out and close the socket."""
        self._driver.close()


class _JsonTypes(dict[int, Callable[[str], Any]]):
    """Conversions of PostgreSQL's text by the OID of its type."""

    def __missing__(self, oid: int) -> Callable[[str], Any]:
        return str


def _parse_float(text: str) -> float | str:
    """Return a number, or the text of one that JSON does not have."""
    number = float(text)
    return number if math.isfinite(number) else text


_JSON_TYPES: Final = _JsonTypes(
    {
        16: lambda text: text == "t",  # bool
        **dict.fromkeys((20, 21, 23, 26), int),  # int8, int2, int4, oid
        **dict.fromkeys((114, 3802), json.loads),  # json, jsonb
        **dict.fromkeys((700, 701), _parse_float),  # float4, float8
    }
)
"""OIDs are those of pg_type.dat, which never change."""


def _connect(host: str, port: int, timeout: float) -> socket.socket:
    """Return a connected TCP socket with the options that pg8000 does not set."""
    tcp_socket = socket.create_connection((host, port), timeout)
    # Without it, the last packet of a long statement waits 40 ms for the acknowledgment of the first one.
    tcp_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tcp_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            tcp_socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return tcp_socket


def _encode_text_array(value: object) -> object:
    """Return a list of texts as an array literal with every item quoted; return other values unchanged.

    pg8000 1.31 does not quote `null`, which PostgreSQL reads as NULL.
    """
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in value)
        return "{" + ",".join(f'"{item}"' for item in quoted) + "}"
    return value
