"""Errors of an invocation without a response.

LambdaError
├── FunctionError      the handler or its import raised; after a handler's error the sandbox continues
├── FunctionTimeout    the function exceeded its timeout: its sandbox was ended
├── SandboxEnded       the process ended by itself before it responded
├── ResponseTooLarge   the handler's response is over Lambda's limit
├── RequestTooLarge    the event is over Lambda's limit: the function did not receive it
└── Throttled          every sandbox is busy and the queue is full
"""

from collections.abc import Sequence
from typing import Any, Self


class LambdaError(Exception):
    """Invocation without a response."""


class FunctionError(LambdaError):
    """Error that the function reported: type, message and stack trace of its exception."""

    def __init__(self, error_type: str, message: str, stack_trace: Sequence[str] = ()) -> None:
        super().__init__(f"{error_type}: {message}" if message else error_type)
        self.error_type = error_type
        self.message = message
        self.stack_trace = list(stack_trace)

    @classmethod
    def from_report(cls, report: Any) -> Self:
        """Return the error for the runtime's error object (errorType, errorMessage, stackTrace)."""
        fields = report if isinstance(report, dict) else {}
        return cls(
            str(fields.get("errorType") or "Error"),
            str(fields.get("errorMessage") or ""),
            [str(line) for line in fields.get("stackTrace") or ()],
        )


class FunctionTimeout(LambdaError):
    """Function that exceeded its timeout."""


class SandboxEnded(LambdaError):
    """Process that ended before it responded."""


class ResponseTooLarge(LambdaError):
    """Response over Lambda's limit."""


class RequestTooLarge(LambdaError):
    """Event over Lambda's limit."""


class Throttled(LambdaError):
    """Event for which no sandbox is free, while the queue is full."""
