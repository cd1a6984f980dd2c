"""PostgreSQL session: transactions, retries and reconnection over the connections of driver.py."""

import json
import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

import pg8000.native

from kalshi_markets import tls
from kalshi_markets.credentials import Credentials
from kalshi_markets.database_errors import (
    Conflict,
    DatabaseError,
    DatabaseUnavailable,
    LoginFailed,
    NoFreeConnection,
    StatementError,
    StatementTimeout,
    UndefinedObject,
    map_error,
)
from kalshi_markets.driver import PipelinedConnection, Result, Row, Statement
from kalshi_markets.settings import DatabaseSettings

__all__ = [
    "Conflict",
    "Database",
    "DatabaseError",
    "DatabaseUnavailable",
    "LoginFailed",
    "NoFreeConnection",
    "Result",
    "Row",
    "StatementError",
    "StatementTimeout",
    "UndefinedObject",
    "map_error",
]

_FORMATS: Final = {"timezone": "UTC", "datestyle": "ISO"}
"""Parameters of every session: the formats of times.

PgBouncer accepts these two and client_encoding in a startup packet, and no others.
"""
_PROTOCOL_VIOLATION: Final = "08P01"
_SET_PARAMETERS: Final = "SELECT FROM json_each_text($1::json) AS p WHERE set_config(p.key, p.value, true) IS NULL"

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
        self._connection: PipelinedConnection | None = None

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
                return connection.execute((sql, values))
            try:
                return connection.execute(*self._begin_statements(), (sql, values), ("COMMIT", ()))
            except pg8000.native.DatabaseError:
                connection.execute(("ROLLBACK", ()))
                raise

    def execute_for_json(self, sql: str, max_rows: int) -> Result:
        """Return columns and rows of one statement without parameters, within a transaction. Raises DatabaseError."""
        with self._mapped_errors() as connection:
            return connection.execute_for_json(sql, max_rows)

    def execute_script(self, sql: str) -> None:
        """Run trusted SQL of several statements, such as a migration. Raises DatabaseError."""
        with self._mapped_errors() as connection:
            connection.execute_script(sql)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction: commit at its end, roll back on an exception. Raises DatabaseError.

        If an open connection has failed, the transaction begins on a new one.
        """
        reused = self._connection is not None
        try:
            self._begin()
        except DatabaseUnavailable:
            if not reused:
                raise
            self._begin()
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
        self.execute("SAVEPOINT block")
        try:
            yield
        except StatementError:
            self.execute("ROLLBACK TO SAVEPOINT block")
            raise
        self.execute("RELEASE SAVEPOINT block")

    def abort(self) -> None:
        """Abort the statement of another thread, where it raises DatabaseUnavailable. Uncommitted changes are lost."""
        connection = self._connection
        if connection is not None:
            with suppress(OSError):
                connection.abort()

    def close(self) -> None:
        """Close the connection. The next statement opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(pg8000.native.Error, OSError, ValueError):  # the connection has failed already
                connection.close()

    @contextmanager
    def _mapped_errors(self) -> Iterator[PipelinedConnection]:
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

    def _connect(self) -> PipelinedConnection:
        rejection: pg8000.native.DatabaseError | None = None
        for credentials in self.settings.logins():
            try:
                return self._open(credentials)
            except pg8000.native.DatabaseError as error:
                if not isinstance(map_error(error), LoginFailed):
                    raise
                rejection = error
        raise rejection or AssertionError("there is at least one login")

    def _open(self, credentials: Credentials) -> PipelinedConnection:
        try:
            return self._start(credentials, _FORMATS | ({} if self._is_pooled else self._parameters))
        except pg8000.native.DatabaseError as error:
            rejection = map_error(error)
            if self._is_pooled or not self._parameters or rejection.sqlstate != _PROTOCOL_VIOLATION:
                raise
        connection = self._start(credentials, _FORMATS)
        logger.warning("the pooler rejected startup parameters, so each transaction sets them: %s", rejection)
        self._is_pooled = True
        return connection

    def _start(self, credentials: Credentials, parameters: Mapping[str, str]) -> PipelinedConnection:
        options = tls.ssl_options(self.settings)
        for option in options:
            try:
                return PipelinedConnection(
                    self.settings,
                    credentials,
                    ssl_context=option,
                    timeout=self._timeout,
                    application_name=self._application_name,
                    parameters=parameters,
                )
            except (pg8000.native.Error, OSError):
                if option is options[-1]:
                    raise
        raise AssertionError("an sslmode has at least one option")

    def _begin(self) -> None:
        with self._mapped_errors() as connection:
            connection.execute(*self._begin_statements())

    def _begin_statements(self) -> list[Statement]:
        """Return the statements that begin a transaction. Behind a pooler they set its parameters too."""
        if not self._is_pooled:
            return [("BEGIN", ())]
        parameters = dict(self._parameters)
        modes = {"on": "BEGIN READ ONLY", "off": "BEGIN READ WRITE", None: "BEGIN"}
        begin = modes[parameters.pop("default_transaction_read_only", None)]
        return [(begin, ()), (_SET_PARAMETERS, (json.dumps(parameters),))]
