"""Exception handlers of the HTTP application: the response of every error, and the log line of a failure."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api import responses
from api.errors import RETRIED, RETRY_AFTER_SECONDS, ApiError, ErrorCode, from_service_error
from api.middleware import request_id
from api.resources import Resources
from kalshi_markets.database import DatabaseError, DatabaseUnavailable, NoFreeConnection
from kalshi_markets.logs import make_logger
from kalshi_markets.secrets_manager import SecretUnavailable
from kalshi_markets.settings import SettingsError

logger = make_logger("api")


def add_error_handlers(app: FastAPI, resources: Resources) -> None:
    """Answer every exception of a route with the body and the status of its error code."""

    async def handle_error(request: Request, error: Exception) -> Response:
        api_error = _as_api_error(error)
        id_ = request_id(request.scope)
        if api_error.code.status >= ErrorCode.INTERNAL_ERROR.status:
            # The text of a PostgreSQL error is not logged: it may quote a value of the query.
            fields = {
                "code": api_error.code.code,
                "error": type(error).__name__,
                "sqlstate": getattr(error, "sqlstate", None),
                "reason": str(error)
                if isinstance(error, DatabaseUnavailable | SettingsError | SecretUnavailable)
                else None,
            }
            logger.error("request failed", extra=fields | {"request_id": id_})
        if isinstance(error, NoFreeConnection):
            # A request needs up to three. Processes that keep one each could block each other.
            await resources.aclose()
        response = responses.json_response(request, api_error.body(id_), api_error.code.status)
        if api_error.code in RETRIED:
            response.headers["retry-after"] = str(RETRY_AFTER_SECONDS)
        if allow := (getattr(error, "headers", None) or {}).get("Allow"):
            methods = set(allow.split(", "))
            response.headers["allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
        return response

    for kind in (ApiError, DatabaseError, SettingsError, SecretUnavailable, HTTPException, Exception):
        app.add_exception_handler(kind, handle_error)


def _as_api_error(error: Exception) -> ApiError:
    match error:
        case ApiError():
            return error
        case DatabaseError() | SettingsError() | SecretUnavailable():
            return from_service_error(error)
        case HTTPException(status_code=404):
            return ApiError(ErrorCode.NOT_FOUND, "Path not found.", "See GET / for the list of endpoints.")
        case HTTPException(status_code=405):
            return ApiError(
                ErrorCode.METHOD_NOT_ALLOWED,
                "Method not allowed for this path.",
                "See GET / for the list of endpoints.",
            )
        case _:
            return ApiError(
                ErrorCode.INTERNAL_ERROR, "Internal server error.", "Include request_id when reporting this."
            )
