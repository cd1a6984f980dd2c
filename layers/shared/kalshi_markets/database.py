"""PostgreSQL, through pg8000. Only this module touches the driver.

DatabaseError
├── Unavailable         no connection, or it broke: what was asked may be asked again
│   └── LoginRefused    wrong user, password or database
└── StatementRefused    the server refused this statement; `sqlstate` says why
    ├── TableMissing    the migrations have not been applied
    └── TimedOut        it ran into the statement timeout
"""

import socket
import ssl
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Final

import pg8000.native
from pg8000 import core

from kalshi_markets.settings import Credentials, DatabaseSettings

Row = list[Any]


class DatabaseError(Exception):
    """The root of what the database can raise."""


class Unavailable(DatabaseError):
    """No connection could be made, or it broke."""


class LoginRefused(Unavailable):
    """The server does not let this user in, or has no such database."""


class StatementRefused(DatabaseError):
    """The server refused a statement. sqlstate: five characters (postgresql.org/docs, Appendix A)."""

    def __init__(self, message: str, sqlstate: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class TableMissing(StatementRefused):
    """A table or column that the migrations make is not there."""


class TimedOut(StatementRefused):
    """The statement ran into statement_timeout or was cancelled."""


# From the first match of a prefix of the SQLSTATE.
_LOGIN: Final = ("28", "3D000")
_GONE: Final = ("08", "53", "57P", "58")
_REFUSED: Final[Mapping[str, type[StatementRefused]]] = {
    "42P01": TableMissing,
    "42703": TableMissing,
    "3F000": TableMissing,
    "57014": TimedOut,
}


class Database:
    """One connection, made when first needed and replaced when it broke. Not for use by two threads.

    parameters: run-time parameters that the session starts with; in the startup packet, since a SET would pin a
    connection behind RDS Proxy. timeout: seconds that any single wait for the server may take.
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
        self._parameters = {"timezone": "UTC", "datestyle": "ISO"} | dict(parameters or {})
        self._timeout = timeout
        self._connection: pg8000.native.Connection | None = None

    def read(self, sql: str, *values: object) -> list[Row]:
        """Rows of a statement that changes nothing. A connection that turns out to be broken is replaced once."""
        reused = self._connection is not None
        try:
            return self.execute(sql, *values)
        except LoginRefused:
            raise
        except Unavailable:
            if not reused:
                raise
            return self.execute(sql, *values)

    def execute(self, sql: str, *values: object) -> list[Row]:
        """Rows of one parameterised statement ($1, $2, …). Raises DatabaseError."""
        with self._guarded() as connection:
            return _execute(connection, sql, values)

    def script(self, sql: str) -> None:
        """Runs trusted SQL of several statements, as a migration is. Raises DatabaseError."""
        with self._guarded() as connection:
            connection.execute_simple(sql)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything within is committed together, or not at all."""
        self.execute("BEGIN")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._connection is not None:  # on a closed one the server has ended the transaction itself
                with suppress(DatabaseError):
                    self.execute("ROLLBACK")
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Within a transaction: what is within is undone alone if the server refuses it."""
        self.execute("SAVEPOINT one")
        try:
            yield
        except StatementRefused:
            self.execute("ROLLBACK TO SAVEPOINT one")
            raise
        self.execute("RELEASE SAVEPOINT one")

    def abort(self) -> None:
        """Ends what another thread waits for: its statement raises Unavailable, and what is not committed is undone."""
        connection = self._connection
        if connection is not None:
            with suppress(OSError):
                connection._usock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the connection; the next statement makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(pg8000.native.Error, OSError, ValueError):  # broken already: nothing is left to close
                connection.close()

    @contextmanager
    def _guarded(self) -> Iterator[pg8000.native.Connection]:
        """Any exception but the server's own word closes the connection.

        Seen with pg8000 1.31: after a client-side error the next statement receives the previous one's answer.
        """
        try:
            if self._connection is None:
                self._connection = self._connect()
            yield self._connection
        except pg8000.native.DatabaseError as error:
            told = translated(error)
            if isinstance(told, Unavailable):
                self.close()
            raise told from None
        except (pg8000.native.Error, OSError) as error:
            traceback.clear_frames(error.__traceback__)  # they would keep the socket open until the next collection
            self.close()
            raise Unavailable(f"no connection to the database at {self.settings.host}: {error}") from error
        except BaseException:
            self.close()
            raise

    def _connect(self) -> pg8000.native.Connection:
        try:
            return self._open(self.settings.credentials())
        except pg8000.native.DatabaseError as error:
            rotated = self.settings.secret_arn and isinstance(translated(error), LoginRefused)
            if not rotated:
                raise
        return self._open(self.settings.credentials(fresh=True))

    def _open(self, credentials: Credentials) -> pg8000.native.Connection:
        attempts = _tls(self.settings)
        for attempt in attempts:
            try:
                connection = pg8000.native.Connection(
                    credentials.name,
                    password=credentials.secret,
                    host=self.settings.host,
                    port=self.settings.port,
                    database=self.settings.name,
                    ssl_context=attempt,
                    timeout=self._timeout,
                    application_name=self._application_name,
                    startup_params=self._parameters,
                )
                # The end of a long statement would wait 40 ms for the server to confirm its beginning.
                connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
            except (pg8000.native.Error, OSError):
                if attempt is attempts[-1]:
                    raise
        raise AssertionError("a mode has at least one attempt")


def _execute(connection: pg8000.native.Connection, sql: str, values: Sequence[object]) -> list[Row]:
    """The rows of a statement, in one round trip: pg8000's own execute_unnamed takes three for the same messages.

    Always the extended protocol: run() would take the simple one for a statement without parameters, where `;` works.
    """
    context = core.Context(sql)
    connection.send_PARSE(core.NULL_BYTE, sql)
    connection.send_DESCRIBE_STATEMENT(core.NULL_BYTE)
    connection.send_BIND(core.NULL_BYTE, core.make_params(connection.py_types, [*map(_parameter, values)]))
    connection.send_EXECUTE()
    core._write(connection._sock, core.SYNC_MSG)
    core._flush(connection._sock)
    connection.handle_messages(context)
    return context.rows or []


def _parameter(value: object) -> object:
    """Lists of texts with each of them quoted: pg8000 1.31 leaves `null` bare, which an array takes for no value."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        quoted = (one.replace("\\", "\\\\").replace('"', '\\"') for one in value)
        return "{" + ",".join(f'"{one}"' for one in quoted) + "}"
    return value


def _tls(settings: DatabaseSettings) -> Sequence[ssl.SSLContext | bool]:
    """What to try, in order, for libpq's sslmode (postgresql.org/docs, libpq-ssl): False is plain."""
    if settings.sslmode == "disable":
        return [False]
    context = _context(settings.sslmode, settings.sslrootcert)
    if settings.sslmode == "allow":
        return [False, context]
    return [context, False] if settings.sslmode == "prefer" else [context]


@lru_cache(maxsize=8)
def _context(sslmode: str, sslrootcert: str | None) -> ssl.SSLContext:
    """Kept, since reading the authorities takes 40 ms."""
    # As libpq does it: require with an authority to trust means verify-ca.
    if sslmode in ("verify-ca", "verify-full") or (sslmode == "require" and sslrootcert):
        context = ssl.create_default_context(cafile=sslrootcert)
        context.check_hostname = sslmode == "verify-full"
        # libpq asks for no more than X.509 does; Python 3.13 would refuse chains without an authority key identifier.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def translated(error: pg8000.native.DatabaseError) -> DatabaseError:
    """The driver's report of a server's error, as one of ours."""
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    sqlstate, message = fields.get("C", ""), fields.get("M", "the server gave no reason")
    if sqlstate.startswith(_LOGIN):
        return LoginRefused(message)
    if sqlstate in _REFUSED:
        return _REFUSED[sqlstate](message, sqlstate)
    if not sqlstate or sqlstate.startswith(_GONE):
        return Unavailable(message)
    return StatementRefused(message, sqlstate)
