"""What asking the exchange can raise, cut by what the caller can do about it.

ExchangeError
├── ExchangeUnavailable     it did not answer, or only with 408, 425, 429 or 5xx: ask later
├── ExchangeClientError         it answered that this question has no answer: do not ask again
│   └── AuthenticationFailed          it does not accept the API key
└── InvalidResponse        it answered something that is not what its documentation says
    └── FilterIgnored       it answered as if a filter had not been sent
"""


class ExchangeError(Exception):
    """The root of what the exchange client raises."""


class ExchangeUnavailable(ExchangeError):
    """No usable answer after all tries, or before the deadline."""


class ExchangeClientError(ExchangeError):
    """A 4xx. status: HTTP's; code: the exchange's own word for it, which may be any string."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class AuthenticationFailed(ExchangeClientError):
    """401 or 403: a wrong key id, key, environment or clock; the exchange does not tell which half is wrong.

    exchange_time: what the answer's Date header said, in seconds since 1970.
    """

    def __init__(self, status: int, code: str, message: str, *, exchange_time: float | None) -> None:
        super().__init__(status, code, message)
        self.exchange_time = exchange_time


class InvalidResponse(ExchangeError):
    """Not JSON, or without the members that were asked for."""


class FilterIgnored(InvalidResponse):
    """An answer whose rows do not satisfy the filter of the request: nothing follows from what is not in it."""
