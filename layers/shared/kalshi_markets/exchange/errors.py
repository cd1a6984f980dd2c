"""Errors of the exchange client, grouped by what the caller can do.

ExchangeError
├── ExchangeUnavailable       no response, or only 408, 425, 429 or 5xx: retry later
├── ExchangeClientError       another 4xx: do not retry
│   └── AuthenticationFailed  401 or 403: the API key was rejected
└── InvalidResponse           a response that differs from the documentation
    └── FilterIgnored         a response whose rows do not satisfy the filter of the request
"""


class ExchangeError(Exception):
    """Base class of the errors of the exchange client."""


class ExchangeUnavailable(ExchangeError):
    """No usable response after all attempts, or before the deadline."""


class ExchangeClientError(ExchangeError):
    """Response with a 4xx status. status: HTTP status. code: the exchange's error code, which may be any string."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class AuthenticationFailed(ExchangeClientError):
    """Response 401 or 403: wrong key id, private key, environment or clock.

    The exchange does not report which of them is wrong.
    exchange_time: Date header of the response, in Unix seconds; None: missing.
    """

    def __init__(self, status: int, code: str, message: str, *, exchange_time: float | None) -> None:
        super().__init__(status, code, message)
        self.exchange_time = exchange_time


class InvalidResponse(ExchangeError):
    """Response that is not JSON, or lacks required members."""


class FilterIgnored(InvalidResponse):
    """Response whose rows do not satisfy the filter of the request. A row that is missing from it proves nothing."""
