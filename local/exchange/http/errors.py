"""Error responses of the exchange: nested objects from its services, a bare `msg` from its router.

Bodies as observed on production, 2026-08 to 2026-10; see also docs.kalshi.com, ErrorResponse.
"""

from collections.abc import Mapping


class ExchangeError(Exception):
    """Exception for a response with a status other than 200."""

    def __init__(self, status: int, body: Mapping[str, object]) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def service_error(status: int, code: str, message: str, details: str | None = None) -> ExchangeError:
    error = {"code": code, "message": message}
    if details is not None:
        error["details"] = details
    return ExchangeError(status, {"error": error})


def bad_request(details: str) -> ExchangeError:
    return service_error(400, "bad_request", "bad request", details)


def not_found() -> ExchangeError:
    return service_error(404, "not_found", "not found")


def unauthorized(code: str, details: str | None = None) -> ExchangeError:
    return service_error(401, code, code.replace("_", " "), details)


def too_many(*, is_object: bool) -> ExchangeError:
    """Return a 429 with the object observed on production, 2026-08, or the documented string.

    The string is from docs.kalshi.com, Rate Limits and Tiers.
    """
    message = "too many requests"
    return service_error(429, "too_many_requests", message) if is_object else ExchangeError(429, {"error": message})


def router_error(message: str) -> ExchangeError:
    return ExchangeError(400, {"msg": message})


def failed_validation(operation: str, field: str, rule: str) -> ExchangeError:
    """Return the router's 400 for a parsed value that breaks a rule, e.g. `GetMarkets`, `Limit`, `lte`."""
    return router_error(
        f"Parameter validation failed for {operation}: Key: '{operation}Params.{field}' "
        f"Error:Field validation for '{field}' failed on the '{rule}' tag"
    )
