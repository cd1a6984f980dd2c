"""Errors of the database, by what the caller can do about them.

DatabaseError
├── Unavailable         no connection, or a session that only a new connection mends: the statement may be repeated
│   └── LoginRefused    wrong user, password or database, or no right to connect
└── StatementRefused    the server rejected this statement; `sqlstate` says why
    ├── Conflict        another transaction won: the statement may be repeated
    ├── TableMissing    the migrations have not been applied
    └── TimedOut        the statement exceeded the statement timeout
"""

from collections.abc import Mapping
from typing import Final

import pg8000.native


class DatabaseError(Exception):
    """Base class of the database's errors. sqlstate: five characters (postgresql.org/docs, Appendix A), or empty."""

    def __init__(self, message: str, sqlstate: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class Unavailable(DatabaseError):
    """There is no connection, or it cannot be used any more. The message has no value of a statement."""


class LoginRefused(Unavailable):
    """The server rejects this user, or has no such database."""


class StatementRefused(DatabaseError):
    """The server rejected a statement and keeps the session."""


class Conflict(StatementRefused):
    """The statement lost against another transaction."""


class TableMissing(StatementRefused):
    """A table, column or schema that the migrations make is missing."""


class TimedOut(StatementRefused):
    """The statement exceeded statement_timeout, or was canceled."""


_LOGIN: Final = ("28", "3D000")
_REPLACED: Final = (
    "08",  # connection exception; also most of what PgBouncer says itself
    *("0B", "25", "2D", "3B"),  # the transaction's state: read-only after a failover, failed, lost by a pooler
    *("24", "26", "34", "42P03", "42P05"),  # cursors and prepared statements that a pooler lost or shares
    "53300",  # too many connections
    "57P",  # the server shuts down, starts, or ended an idle session
    *("58", "F0", "XX"),  # the server's own failure: a system error, its configuration, an internal error
)
"""SQLSTATEs after which the connection is closed, by prefix: the next statement makes another one."""
_REJECTED: Final[Mapping[str, type[StatementRefused]]] = {
    "40": Conflict,  # serialization failure (also with the recovery of a standby), deadlock
    "72": Conflict,  # snapshot too old
    "42P01": TableMissing,
    "42703": TableMissing,
    "3F000": TableMissing,
    "57014": TimedOut,
}
_STALE_PLAN: Final = "RevalidateCachedQuery"
"""The server's routine behind "cached plan must not change result type", whose text is localized."""


def translated(error: pg8000.native.DatabaseError) -> DatabaseError:
    """Return the driver's report of a server error as one of ours."""
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    sqlstate, message = fields.get("C", ""), fields.get("M", "the server gave no reason")
    # V is not localized, S may be; PostgreSQL sends both. A fatal error ends the session, whatever its SQLSTATE.
    is_fatal = fields.get("V", fields.get("S")) in ("FATAL", "PANIC")
    if sqlstate.startswith(_LOGIN) or (is_fatal and sqlstate == "42501"):
        return LoginRefused(message, sqlstate)
    if is_fatal or not sqlstate or sqlstate.startswith(_REPLACED) or fields.get("R") == _STALE_PLAN:
        return Unavailable(message, sqlstate)
    kinds = (kind for prefix, kind in _REJECTED.items() if sqlstate.startswith(prefix))
    return next(kinds, StatementRefused)(message, sqlstate)
