"""What a question about the exchange is, and how its verdict comes about."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from kalshi_markets.exchange import AnswerUnreadable, ExchangeRefused, ExchangeUnavailable
from local.probe.budget import BudgetSpentError
from local.probe.session import Session

_OTHER_SHAPE: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError)
"""What an answer of another shape raises while a question reads it."""


class Verdict(StrEnum):
    """Whether the exchange is as the code assumes."""

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
    """One fact. `requests`: at most so many of its own, beside the retries and what earlier questions have asked.

    assumes: what the code takes for granted. where: the module that does.
    """

    name: str
    assumes: str
    where: str
    requests: int
    ask: Callable[[Session], Awaitable[Finding]]

    async def answer(self, session: Session) -> Finding:
        """Ask, and return the verdict; no failure of the exchange is raised."""
        if session.budget.left < self.requests:
            return Finding(Verdict.UNOBSERVABLE, f"{session.budget.left} requests are left, {self.requests} are needed")
        try:
            return await self.ask(session)
        except (NotObservableError, BudgetSpentError, ExchangeUnavailable) as error:
            return Finding(Verdict.UNOBSERVABLE, str(error))
        except ExchangeRefused as error:
            return Finding(Verdict.DIFFERS, refusal(error))
        except AnswerUnreadable as error:
            return Finding(Verdict.DIFFERS, str(error))
        except _OTHER_SHAPE as error:
            return Finding(Verdict.DIFFERS, f"the answer has another shape: {type(error).__name__} {error}")


def compare(agrees: object, observed: str) -> Finding:
    """Return the verdict of a comparison."""
    return Finding(Verdict.AGREES if agrees else Verdict.DIFFERS, observed)


def refusal(error: ExchangeRefused) -> str:
    """Describe a 4xx in the exchange's own words."""
    return f"refused with {error.status}: {error or error.code}"


async def is_refused(session: Session, path: str, query: dict[str, str | int]) -> Finding:
    """Agree where the exchange refuses a request as bad; any other answer differs."""
    try:
        await session.get(path, query)
    except ExchangeRefused as error:
        return compare(error.status == 400, refusal(error))
    return compare(agrees=False, observed="answered with 200")
