"""Errors of the API: the documented codes, and the one body that every error response has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from kalshi_markets.database import (
    DatabaseError,
    LoginFailed,
    NoFreeConnection,
    StatementError,
    StatementTimeout,
    UndefinedObject,
)
from kalshi_markets.secrets_manager import SecretUnavailable
from kalshi_markets.settings import SettingsError


class ErrorCode(Enum):
    """Error codes. Each has a stable code for programs, an HTTP status and a description for people."""

    MALFORMED_QUERY = "malformed_query", 400, "the query string is not percent-encoded UTF-8"
    UNKNOWN_PARAMETER = "unknown_parameter", 422, "unknown query parameter"
    INVALID_PARAMETER = "invalid_parameter", 422, "invalid value of a query parameter"
    INVALID_BODY = "invalid_body", 422, "invalid request body"
    TOO_MANY_CALLS = (
        "too_many_calls",
        422,
        "one ticker requires more calls to the exchange than the deadline allows",
    )
    ANSWER_TOO_LARGE = "answer_too_large", 422, "one row alone exceeds the response size limit"
    CHANGE_NUMBER_AHEAD = "change_number_ahead", 409, "changed_since is greater than the latest change number"
    MARKET_NOT_FOUND = "market_not_found", 404, "unknown ticker"
    EVENT_NOT_FOUND = "event_not_found", 404, "unknown event ticker"
    SERIES_NOT_FOUND = "series_not_found", 404, "unknown series ticker"
    LAKE_NOT_FOUND = "lake_not_found", 404, "this service has no lake"
    NOT_FOUND = "not_found", 404, "unknown path"
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "the path does not support the method"
    QUERY_TIMEOUT = "query_timeout", 503, "the query exceeded the statement timeout"
    DATABASE_UNAVAILABLE = "database_unavailable", 503, "the database is unreachable or closed the connection"
    DATABASE_BUSY = "database_busy", 503, "the database has no free connection for the API"
    DATABASE_LOGIN_FAILED = "database_login_failed", 503, "the database rejected the user, password or database name"
    TABLE_MISSING = "table_missing", 503, "the migrations have not been applied"
    EXCHANGE_UNAVAILABLE = "exchange_unavailable", 503, "the exchange returned nothing before the deadline"
    LAKE_UNAVAILABLE = "lake_unavailable", 503, "the storage of the lake is unavailable"
    NOT_CONFIGURED = "not_configured", 503, "a setting or a secret of the service is missing or invalid"
    INTERNAL_ERROR = "internal_error", 500, "internal server error"

    def __init__(self, code: str, status: int, description: str) -> None:
        self.code = code
        self.status = status
        self.description = description


@dataclass(frozen=True)
class Problem:
    """A single validation error of a request. loc: a location in FastAPI's format, such as ("query", "limit")."""

    code: ErrorCode
    loc: tuple[str | int, ...]
    message: str
    hint: str


class ApiError(Exception):
    """An error response of the API.

    detail: a sentence, or a list with one object for each problem.
    hint: an action that may resolve the error.
    """

    def __init__(self, code: ErrorCode, detail: str | Sequence[Mapping[str, Any]], hint: str) -> None:
        super().__init__(code.code)
        self.code = code
        self.detail = detail
        self.hint = hint

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the body of the error response. request_id: the ID that the logs contain."""
        return {"detail": self.detail, "code": self.code.code, "hint": self.hint, "request_id": request_id}


def validation_error(problems: Sequence[Problem]) -> ApiError:
    """Return the 422 error that lists all problems. Its code and its hint are those of the first problem."""
    detail = [{"type": p.code.code, "loc": list(p.loc), "msg": p.message} for p in problems]
    return ApiError(problems[0].code, detail, problems[0].hint)


def market_not_found() -> ApiError:
    """Return the 404 error for a ticker that is not in the table."""
    return ApiError(
        ErrorCode.MARKET_NOT_FOUND,
        "Market not found",
        "Search with /markets?ticker__icontains= and a part of the ticker.",
    )


RETRY_HINT: Final = "Retry in a few seconds."
RETRY_AFTER_SECONDS: Final = 5
"""Retry-After of the codes in RETRIED."""
RETRIED: Final = (ErrorCode.DATABASE_BUSY, ErrorCode.DATABASE_UNAVAILABLE)
"""Codes of errors that pass without a change of the request or of the service."""


SQLSTATES: Final = (
    ("08", ErrorCode.DATABASE_UNAVAILABLE),  # connection exception
    ("0B", ErrorCode.DATABASE_UNAVAILABLE),  # invalid transaction initiation
    ("22", ErrorCode.INVALID_PARAMETER),  # data exception
    ("24", ErrorCode.DATABASE_UNAVAILABLE),  # invalid cursor state
    ("25", ErrorCode.DATABASE_UNAVAILABLE),  # invalid transaction state, such as a server that became read-only
    ("26", ErrorCode.DATABASE_UNAVAILABLE),  # missing prepared statement, as with a connection pooler
    ("28", ErrorCode.DATABASE_LOGIN_FAILED),  # invalid authorization
    ("2D", ErrorCode.DATABASE_UNAVAILABLE),  # invalid transaction termination
    ("34", ErrorCode.DATABASE_UNAVAILABLE),  # missing cursor
    ("3B", ErrorCode.DATABASE_UNAVAILABLE),  # missing savepoint
    ("3D000", ErrorCode.DATABASE_LOGIN_FAILED),  # missing database
    ("3F000", ErrorCode.TABLE_MISSING),  # missing schema
    ("40", ErrorCode.DATABASE_UNAVAILABLE),  # transaction rollback: conflicts with other transactions, twice
    ("42501", ErrorCode.NOT_CONFIGURED),  # insufficient privilege
    ("42P01", ErrorCode.TABLE_MISSING),  # missing table
    ("42P03", ErrorCode.DATABASE_UNAVAILABLE),  # duplicate cursor, as with a connection pooler
    ("42P05", ErrorCode.DATABASE_UNAVAILABLE),  # duplicate prepared statement, as with a connection pooler
    ("42703", ErrorCode.TABLE_MISSING),  # missing column
    ("53300", ErrorCode.DATABASE_BUSY),  # too many connections
    ("53", ErrorCode.DATABASE_UNAVAILABLE),  # insufficient resources: memory, disk
    ("54", ErrorCode.INVALID_PARAMETER),  # program limit exceeded
    ("55", ErrorCode.DATABASE_UNAVAILABLE),  # object not in prerequisite state, or in use
    ("57014", ErrorCode.QUERY_TIMEOUT),  # query canceled
    ("57", ErrorCode.DATABASE_UNAVAILABLE),  # operator intervention: the server is shutting down or starting
    ("58", ErrorCode.DATABASE_UNAVAILABLE),  # system error
    ("72", ErrorCode.DATABASE_UNAVAILABLE),  # snapshot too old
    ("F0", ErrorCode.DATABASE_UNAVAILABLE),  # configuration file error of the server
    ("HV", ErrorCode.DATABASE_UNAVAILABLE),  # foreign data wrapper error
    ("XX", ErrorCode.DATABASE_UNAVAILABLE),  # internal error of the server
)
"""SQLSTATE prefixes and their error codes (postgresql.org/docs, Appendix A). The first match applies.

Any other SQLSTATE is a bug of this service: its SQL is invalid, or violates a constraint of its own tables.
"""

_MESSAGES: Final = {
    ErrorCode.INVALID_PARAMETER: (
        "The database cannot evaluate a value of this query.",
        "Remove parameters one by one to find the invalid value.",
    ),
    ErrorCode.NOT_CONFIGURED: (
        "The service's database role lacks permission to read the table.",
        "Run the migrator with the role's name, then retry.",
    ),
    ErrorCode.DATABASE_UNAVAILABLE: ("The database is temporarily unavailable.", RETRY_HINT),
    ErrorCode.INTERNAL_ERROR: (
        "The database rejected the query (server bug).",
        "Include request_id when reporting this.",
    ),
}


def from_service_error(error: DatabaseError | SettingsError | SecretUnavailable) -> ApiError:
    """Convert an error of the database, the settings or the secrets. The result contains no value of the request."""
    match error:
        case SettingsError() | SecretUnavailable():
            hint = "Contact the operator of this service."
            return ApiError(ErrorCode.NOT_CONFIGURED, f"The service is not configured: {error}", hint)
        case UndefinedObject():
            hint = "Run the migrator, then retry."
            return ApiError(ErrorCode.TABLE_MISSING, "The markets table or one of its columns is missing.", hint)
        case StatementTimeout():
            hint = "Filter by an exact status, event_ticker or close_time, or use a longer literal in a pattern."
            return ApiError(ErrorCode.QUERY_TIMEOUT, "The query exceeded the statement timeout.", hint)
        case LoginFailed():
            detail = "The database rejected the service's login: wrong user, password or database name."
            return ApiError(ErrorCode.DATABASE_LOGIN_FAILED, detail, RETRY_HINT)
        case NoFreeConnection():
            detail = "The database has no free connection: all that the API may open are in use."
            hint = f"Retry after {RETRY_AFTER_SECONDS} seconds, with fewer requests at the same time."
            return ApiError(ErrorCode.DATABASE_BUSY, detail, hint)
        case StatementError(sqlstate=sqlstate):
            code = next((code for prefix, code in SQLSTATES if sqlstate.startswith(prefix)), ErrorCode.INTERNAL_ERROR)
            return ApiError(code, *_MESSAGES[code])
        case _:
            detail = "The database is unreachable or closed the connection."
            return ApiError(ErrorCode.DATABASE_UNAVAILABLE, detail, RETRY_HINT)
