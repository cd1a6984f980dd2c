"""PostgreSQL connection through pg8000. Only this module and database_errors use the driver."""

import json
import logging
import socket
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import pg8000.native
from pg8000 import core

from kalshi_markets import tls
from kalshi_markets.database_errors import (
    Conflict,
    DatabaseError,
    DatabaseUnavailable,
    LoginFailed,
    StatementError,
    StatementTimeout,
    UndefinedObject,
    map_error,
)
from kalshi_markets.settings import Credentials, DatabaseSettings

__all__ = [
    "Conflict",
    "Database",
    "DatabaseError",
    "DatabaseUnavailable",
    "LoginFailed",
    "Row",
    "StatementError",
    "StatementTimeout",
    "UndefinedObject",
    "map_error",
]

Row = list[Any]
Statement = tuple[str, Sequence[object]]

_OF_TEXTS: Final = {"timezone": "UTC", "datestyle": "ISO"}
"""Parameters of every session.

PgBouncer accepts these two and client_encoding in a startup packet, and no others.
"""
_PROTOCOL_VIOLATION: Final = "08P01"
_SET: Final = "SELECT FROM json_each_text($1::json) AS p WHERE set_config(p.key, p.value, true) IS NULL"

logger = logging.getLogger(__name__)


class Database:
    """Database connection that opens on first use and reconnects after a failure. Not thread-safe.

    parameters: run-time parameters of the session. They are part of the startup packet, because a SET pins the
    connection of RDS Proxy. If a pooler rejects them there (PgBouncer), each transaction sets them itself.
    timeout: seconds that a single wait for the server may take.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        application_name: str,
        parameters: Mapping[str, str] | None = None,
        timeout: float = 30,
    ) -> None:
        self.settings = settings
        self._application_name = application_name
        self._parameters = dict(parameters or {})
        self._timeout = timeout
        self._is_pooled = False
        self._in_transaction = False
        self._connection: pg8000.native.Connection | None = None

    def query(self, sql: str, *values: object) -> list[Row]:
        """Return the rows of a statement that is safe to retry. Raises DatabaseError.

        Outside a transaction the statement is retried once: on a new connection if an open one failed, or after a
        conflict.
        """
        reused = self._connection is not None
        try:
            return self.execute(sql, *values)
        except LoginFailed:
            raise
        except (DatabaseUnavailable, Conflict) as error:
            if self._in_transaction or not (reused or isinstance(error, Conflict)):
                raise
            return self.execute(sql, *values)

    def execute(self, sql: str, *values: object) -> list[Row]:
        """Return the rows of one parameterized statement ($1, $2, …). Raises DatabaseError."""
        with self._mapped_errors() as connection:
            if not self._is_pooled or self._in_transaction:
                return _execute(connection, (sql, values))
            try:
                return _execute(connection, *self._begin(), (sql, values), ("COMMIT", ()))
            except pg8000.native.DatabaseError:
                _execute(connection, ("ROLLBACK", ()))
                raise

    def execute_script(self, sql: str) -> None:
        """Run trusted SQL of several statements, such as a migration. Raises DatabaseError."""
        with self._mapped_errors() as connection:
            connection.execute_simple(sql)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction: commit at its end, roll back on an exception. Raises DatabaseError."""
        with self._mapped_errors() as connection:
            _execute(connection, *self._begin())
        self._in_transaction = True
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._connection is not None:  # the server rolls back when a connection closes
                with suppress(DatabaseError):
                    self.execute("ROLLBACK")
            raise
        finally:
            self._in_transaction = False

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Run the block in a savepoint: a StatementError rolls back the block, not the transaction."""
        self.execute("SAVEPOINT one")
        try:
            yield
        except StatementError:
            self.execute("ROLLBACK TO SAVEPOINT one")
            raise
        self.execute("RELEASE SAVEPOINT one")

    def abort(self) -> None:
        """Abort the statement of another thread, where it raises DatabaseUnavailable. Uncommitted changes are lost."""
        connection = self._connection
        if connection is not None:
            with suppress(OSError):
                connection._usock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection. The next statement opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(pg8000.native.Error, OSError, ValueError):  # the connection has failed already
                connection.close()

    @contextmanager
    def _mapped_errors(self) -> Iterator[pg8000.native.Connection]:
        """Map the driver's errors to ours. Every exception except an error of the server closes the connection.

        After a client-side error, pg8000 1.31 returns the previous statement's response to the next statement.
        """
        try:
            if self._connection is None and self._in_transaction:
                raise DatabaseUnavailable("the connection of this transaction is closed")
            if self._connection is None:
                self._connection = self._connect()
            yield self._connection
        except pg8000.native.DatabaseError as error:
            mapped_error = map_error(error)
            if isinstance(mapped_error, DatabaseUnavailable):
                self.close()
            raise mapped_error from None
        except (pg8000.native.Error, OSError) as error:
            traceback.clear_frames(error.__traceback__)  # frames would hold the socket open until garbage collection
            self.close()
            raise DatabaseUnavailable(f"cannot connect to the database at {self.settings.host}: {error}") from error
        except BaseException:
            self.close()
            raise

    def _connect(self) -> pg8000.native.Connection:
        try:
            return self._open(self.settings.credentials())
        except pg8000.native.DatabaseError as error:
            rotated = self.settings.secret_arn and isinstance(map_error(error), LoginFailed)
            if not rotated:
                raise
        return self._open(self.settings.credentials(fresh=True))

    def _open(self, credentials: Credentials) -> pg8000.native.Connection:
        try:
            return self._start(credentials, _OF_TEXTS | ({} if self._is_pooled else self._parameters))
        except pg8000.native.DatabaseError as error:
            rejection = map_error(error)
            if self._is_pooled or not self._parameters or rejection.sqlstate != _PROTOCOL_VIOLATION:
                raise
        connection = self._start(credentials, _OF_TEXTS)
        logger.warning("the pooler rejected startup parameters, so each transaction sets them: %s", rejection)
        self._is_pooled = True
        return connection

    def _start(self, credentials: Credentials, parameters: Mapping[str, str]) -> pg8000.native.Connection:
        attempts = tls.ssl_options(self.settings)
        for attempt in attempts:
            try:
                connection = pg8000.native.Connection(
                    credentials.username,
                    password=credentials.secret,
                    host=self.settings.host,
                    port=self.settings.port,
                    database=self.settings.name,
                    ssl_context=attempt,
                    timeout=self._timeout,
                    application_name=self._application_name,
                    startup_params=dict(parameters),
                )
                # Without it, the last packet of a long statement waits 40 ms for the acknowledgment of the first one.
                connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
            except (pg8000.native.Error, OSError):
                if attempt is attempts[-1]:
                    raise
        raise AssertionError("a mode has at least one attempt")

    def _begin(self) -> list[Statement]:
        """Return the statements that begin a transaction. Behind a pooler they set its parameters too."""
        if not self._is_pooled:
            return [("BEGIN", ())]
        own = dict(self._parameters)
        modes = {"on": "BEGIN READ ONLY", "off": "BEGIN READ WRITE", None: "BEGIN"}
        return [(modes[own.pop("default_transaction_read_only", None)], ()), (_SET, (json.dumps(own),))]


def _execute(connection: pg8000.native.Connection, *statements: Statement) -> list[Row]:
    """Execute statements in one round trip and return their rows. pg8000's execute_unnamed needs three round trips.

    It always uses the extended protocol. pg8000's run() uses the simple protocol for a statement without parameters,
    which permits several statements separated by `;`. After a failed statement the server skips the rest.
    """
    context = core.Context(statements[0][0])
    for sql, values in statements:
        connection.send_PARSE(core.NULL_BYTE, sql)
        connection.send_DESCRIBE_STATEMENT(core.NULL_BYTE)
        connection.send_BIND(core.NULL_BYTE, core.make_params(connection.py_types, [*map(_encode_text_array, values)]))
        connection.send_EXECUTE()
    core._write(connection._sock, core.SYNC_MSG)
    core._flush(connection._sock)
    connection.handle_messages(context)
    return context.rows or []


def _encode_text_array(value: object) -> object:
    """Return a list of texts as an array literal with every item quoted; return other values unchanged.

    pg8000 1.31 does not quote `null`, which PostgreSQL reads as NULL.
    """
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in value)
        return "{" + ",".join(f'"{item}"' for item in quoted) + "}"
    return value
