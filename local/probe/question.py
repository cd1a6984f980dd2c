"""Questions about the exchange, and their verdicts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from kalshi_markets.exchange import ExchangeClientError, ExchangeUnavailable, InvalidResponse
from local.probe.budget import BudgetSpentError
from local.probe.session import Session

_SHAPE_ERRORS: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError)
"""Exceptions that a response of an unexpected shape causes."""


class Verdict(StrEnum):
    """Result of the comparison with an assumption of the code."""

    AGREES = "agrees"
    UNOBSERVABLE = "not observable"
    DIFFERS = "differs"


class Finding(NamedTuple):
    """Verdict and observed value, in words."""

    verdict: Verdict
    observed: str


class NotObservableError(Exception):
    """Question for which the exchange has no data at this time. The message is a sentence with the reason."""


@dataclass(frozen=True)
class Question:
    """An assumption of the code about the exchange.

    `assumes`: the assumption, in words.
    `where`: the file that makes it.
    `requests`: maximum number of its own requests, without retries and without those of earlier questions.
    `ask`: requests the data and compares it.
    """

    name: str
    assumes: str
    where: str
    requests: int
    ask: Callable[[Session], Awaitable[Finding]]

    async def answer(self, session: Session) -> Finding:
        """Ask the question and return the finding. Errors of the exchange become findings."""
        try:
            return await self.ask(session)
        except (NotObservableError, BudgetSpentError, ExchangeUnavailable) as error:
            return Finding(Verdict.UNOBSERVABLE, str(error))
        except ExchangeClientError as error:
            return Finding(Verdict.DIFFERS, describe_rejection(error))
        except InvalidResponse as error:
            return Finding(Verdict.DIFFERS, str(error))
        except _SHAPE_ERRORS as error:
            return Finding(Verdict.DIFFERS, f"the response has an unexpected shape: {type(error).__name__} {error}")


def compare(agrees: object, observed: str) -> Finding:
    """Return the verdict of a comparison."""
    return Finding(Verdict.AGREES if agrees else Verdict.DIFFERS, observed)


def describe_rejection(error: ExchangeClientError) -> str:
    """Describe a 4xx with the exchange's own message."""
    return f"rejected with {error.status}: {error or error.code}"


async def expect_rejection(session: Session, path: str, query: dict[str, str | int]) -> Finding:
    """Return a finding that agrees if the exchange rejects the request with 400, and differs otherwise."""
    try:
        await session.get(path, query)
    except ExchangeClientError as error:
        return compare(error.status == 400, describe_rejection(error))
    return compare(agrees=False, observed="answered with 200")
