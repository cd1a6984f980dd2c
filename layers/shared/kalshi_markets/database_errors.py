"""Errors of the database, grouped by what the caller can do.

DatabaseError
├── DatabaseUnavailable   no usable connection: retry the statement on a new one
│   ├── LoginFailed       wrong user, password or database, or no right to connect
│   └── NoFreeConnection  every connection of the server or of the role is in use: retry later
└── StatementError        the server rejected this statement; `sqlstate` says why
    ├── Conflict          another transaction won: retry the statement
    ├── UndefinedObject   the migrations have not been applied
    └── StatementTimeout  the statement exceeded statement_timeout, or was canceled
"""

from collections.abc import Mapping
from typing import Final

import pg8000.native


class DatabaseError(Exception):
    """Base class of database errors. sqlstate: five characters (postgresql.org/docs, Appendix A), or empty."""

    def __init__(self, message: str, sqlstate: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class DatabaseUnavailable(DatabaseError):
    """Missing or unusable connection. The message contains no value of a statement."""


class LoginFailed(DatabaseUnavailable):
    """Login that the server rejected: wrong user, password or database, or no right to connect."""


class NoFreeConnection(DatabaseUnavailable):
    """Connection that the server rejected, because as many as it or the role permits are in use."""


class StatementError(DatabaseError):
    """Statement that the server rejected. The session stays usable."""


class Conflict(StatementError):
    """Statement that lost against another transaction: serialization failure or deadlock."""


class UndefinedObject(StatementError):
    """Missing table, column, function or schema: the migrations have not been applied."""


class StatementTimeout(StatementError):
    """Statement that exceeded statement_timeout, or was canceled."""


_LOGIN_FAILED: Final = ("28", "3D000")
_TOO_MANY_CONNECTIONS: Final = "53300"
"""SQLSTATE of three messages: the limit of the role, all connections, and all but the reserved ones."""
_CONNECTION_LOST: Final = (
    "08",  # connection exception; also most of PgBouncer's own errors
    *("0B", "25", "2D", "3B"),  # invalid transaction state: read-only after a failover, failed, lost by a pooler
    *("24", "26", "34", "42P03", "42P05"),  # cursors and prepared statements that a pooler lost or shares
    "57P",  # the server shuts down, starts, or ended an idle session
    *("58", "F0", "XX"),  # server failure: system error, configuration error, internal error
)
"""Prefixes of SQLSTATEs after which the connection is closed. The next statement opens another one."""
_ERROR_BY_SQLSTATE: Final[Mapping[str, type[StatementError]]] = {
    "40": Conflict,  # serialization failure (also a conflict with recovery on a standby), deadlock
    "72": Conflict,  # snapshot too old
    "42P01": UndefinedObject,
    "42703": UndefinedObject,
    "3F000": UndefinedObject,
    "57014": StatementTimeout,
}
_STALE_PLAN: Final = "RevalidateCachedQuery"
"""Server routine that raises "cached plan must not change result type". The text of that message is localized."""


def map_error(error: pg8000.native.DatabaseError) -> DatabaseError:
    """Return our error for a server error that the driver reports."""
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    sqlstate, message = fields.get("C", ""), fields.get("M", "the server gave no reason")
    # PostgreSQL sends the severity twice: V is not localized, S may be. A fatal error ends the session.
    is_fatal = fields.get("V", fields.get("S")) in ("FATAL", "PANIC")
    if sqlstate.startswith(_LOGIN_FAILED) or (is_fatal and sqlstate == "42501"):
        return LoginFailed(message, sqlstate)
    if sqlstate == _TOO_MANY_CONNECTIONS:
        return NoFreeConnection(message, sqlstate)
    if is_fatal or not sqlstate or sqlstate.startswith(_CONNECTION_LOST) or fields.get("R") == _STALE_PLAN:
        return DatabaseUnavailable(message, sqlstate)
    kinds = (kind for prefix, kind in _ERROR_BY_SQLSTATE.items() if sqlstate.startswith(prefix))
    return next(kinds, StatementError)(message, sqlstate)
