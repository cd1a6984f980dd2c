"""Errors of the database, by what the caller can do about them.

DatabaseError
├── DatabaseUnavailable   no connection, or a session that only a new connection mends: repeat the statement
│   └── LoginFailed       wrong user, password or database, or no right to connect
└── StatementError        the server rejected this statement; `sqlstate` says why
    ├── Conflict          another transaction won: the statement may be repeated
    ├── UndefinedObject   the migrations have not been applied
    └── StatementTimeout  the statement exceeded the statement timeout
"""

from collections.abc import Mapping
from typing import Final

import pg8000.native


class DatabaseError(Exception):
    """Base class of the database's errors. sqlstate: five characters (postgresql.org/docs, Appendix A), or empty."""

    def __init__(self, message: str, sqlstate: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class DatabaseUnavailable(DatabaseError):
    """There is no connection, or it cannot be used any more. The message has no value of a statement."""


class LoginFailed(DatabaseUnavailable):
    """The server rejects this user, or has no such database."""


class StatementError(DatabaseError):
    """The server rejected a statement and keeps the session."""


class Conflict(StatementError):
    """The statement lost against another transaction."""


class UndefinedObject(StatementError):
    """A table, column or schema that the migrations make is missing."""


class StatementTimeout(StatementError):
    """The statement exceeded statement_timeout, or was canceled."""


_LOGIN_FAILED: Final = ("28", "3D000")
_CONNECTION_LOST: Final = (
    "08",  # connection exception; also most of what PgBouncer says itself
    *("0B", "25", "2D", "3B"),  # the transaction's state: read-only after a failover, failed, lost by a pooler
    *("24", "26", "34", "42P03", "42P05"),  # cursors and prepared statements that a pooler lost or shares
    "53300",  # too many connections
    "57P",  # the server shuts down, starts, or ended an idle session
    *("58", "F0", "XX"),  # the server's own failure: a system error, its configuration, an internal error
)
"""SQLSTATEs after which the connection is closed, by prefix: the next statement makes another one."""
_ERROR_BY_SQLSTATE: Final[Mapping[str, type[StatementError]]] = {
    "40": Conflict,  # serialization failure (also with the recovery of a standby), deadlock
    "72": Conflict,  # snapshot too old
    "42P01": UndefinedObject,
    "42703": UndefinedObject,
    "3F000": UndefinedObject,
    "57014": StatementTimeout,
}
_STALE_PLAN: Final = "RevalidateCachedQuery"
"""The server's routine behind "cached plan must not change result type", whose text is localized."""


def map_error(error: pg8000.native.DatabaseError) -> DatabaseError:
    """Return the driver's report of a server error as one of ours."""
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    sqlstate, message = fields.get("C", ""), fields.get("M", "the server gave no reason")
    # V is not localized, S may be; PostgreSQL sends both. A fatal error ends the session, whatever its SQLSTATE.
    is_fatal = fields.get("V", fields.get("S")) in ("FATAL", "PANIC")
    if sqlstate.startswith(_LOGIN_FAILED) or (is_fatal and sqlstate == "42501"):
        return LoginFailed(message, sqlstate)
    if is_fatal or not sqlstate or sqlstate.startswith(_CONNECTION_LOST) or fields.get("R") == _STALE_PLAN:
        return DatabaseUnavailable(message, sqlstate)
    kinds = (kind for prefix, kind in _ERROR_BY_SQLSTATE.items() if sqlstate.startswith(prefix))
    return next(kinds, StatementError)(message, sqlstate)
