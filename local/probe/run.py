"""Sequential run of all questions."""

import sys
import time
from collections.abc import Sequence
from typing import Final

from kalshi_markets.settings import ExchangeSettings
from local.probe import access, archive, candlesticks, filters, listings, objects
from local.probe.budget import RequestBudget
from local.probe.question import Question
from local.probe.report import Line
from local.probe.session import Session

MAX_SECONDS: Final = 180.0
"""Total time limit of all requests."""
QUESTIONS: Final[Sequence[Question]] = (
    *access.FIRST,
    *listings.QUESTIONS,
    *filters.QUESTIONS,
    *archive.QUESTIONS,
    *candlesticks.QUESTIONS,
    *objects.QUESTIONS,
    *access.LAST,
)


async def probe(settings: ExchangeSettings, budget: RequestBudget, questions: Sequence[Question]) -> list[Line]:
    """Ask all questions, print the progress to stderr and return the findings.

    Raises ExchangeError if the exchange cannot be reached, and SettingsError if the key is invalid.
    """
    lines = []
    async with Session(settings, budget, time.monotonic() + MAX_SECONDS) as session:
        await session.get("/exchange/status")
        for number, question in enumerate(questions, 1):
            before = budget.used
            lines.append(Line(question, await question.answer(session), budget.used - before))
            progress = f"{number} of {len(questions)} questions, {budget.used} of {budget.maximum} requests"
            print(f"probe      {progress}: {question.name}", file=sys.stderr, flush=True)
    return lines
