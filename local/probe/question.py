"""A question about the exchange, and its verdict."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from kalshi_markets.exchange import ExchangeClientError, ExchangeUnavailable, InvalidResponse
from local.probe.budget import BudgetSpentError
from local.probe.session import Session

_OTHER_SHAPE: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError)
"""Exceptions that reading an answer of another shape raises."""


class Verdict(StrEnum):
    """Result of the comparison with what the code assumes."""

    AGREES = "agrees"
    UNOBSERVABLE = "not observable"
    DIFFERS = "differs"


class Finding(NamedTuple):
    """The verdict and the observed value, in words."""

    verdict: Verdict
    observed: str


class NotObservableError(Exception):
    """The exchange has nothing at this time that would answer the question."""


@dataclass(frozen=True)
class Question:
    """One fact that the code assumes.

    assumes: the assumption, in words.
    where: the file that holds it.
    requests: the most requests of its own, without retries and without what an earlier question has requested.
    ask: requests what is needed and compares it.
    """

    name: str
    assumes: str
    where: str
    requests: int
    ask: Callable[[Session], Awaitable[Finding]]

    async def answer(self, session: Session) -> Finding:
        """Ask, and return the finding. No failure of the exchange is raised."""
        try:
            return await self.ask(session)
        except (NotObservableError, BudgetSpentError, ExchangeUnavailable) as error:
            return Finding(Verdict.UNOBSERVABLE, str(error))
        except ExchangeClientError as error:
            return Finding(Verdict.DIFFERS, describe_rejection(error))
        except InvalidResponse as error:
            return Finding(Verdict.DIFFERS, str(error))
        except _OTHER_SHAPE as error:
            return Finding(Verdict.DIFFERS, f"the answer has another shape: {type(error).__name__} {error}")


def compare(agrees: object, observed: str) -> Finding:
    """Return the verdict of a comparison."""
    return Finding(Verdict.AGREES if agrees else Verdict.DIFFERS, observed)


def describe_rejection(error: ExchangeClientError) -> str:
    """Describe a 4xx in the exchange's own words."""
    return f"rejected with {error.status}: {error or error.code}"


async def expect_rejection(session: Session, path: str, query: dict[str, str | int]) -> Finding:
    """Return that the exchange agrees where it rejects a request with 400; any other answer differs."""
    try:
        await session.get(path, query)
    except ExchangeClientError as error:
        return compare(error.status == 400, describe_rejection(error))
    return compare(agrees=False, observed="answered with 200")
