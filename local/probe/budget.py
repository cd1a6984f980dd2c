"""Request budget of a probe. Every request takes one token."""

from typing import Final

from kalshi_markets.exchange import Grant, LocalTokenBucket
from kalshi_markets.settings import ExchangeSettings

MAX_REQUESTS: Final = 60
DEFAULT_RATE: Final = ExchangeSettings.from_env({}).rate or 5.0
"""Requests per second that the functions send without a key."""
SLOWEST_RATE: Final = 1.0


class BudgetSpentError(Exception):
    """Request after the last token of the budget."""


class RequestBudget:
    """Token source for a RateLimiter: `maximum` tokens in total, `rate` per second.

    A 429 halves the rate for the rest of the run.
    """

    def __init__(self, maximum: int = MAX_REQUESTS, rate: float = DEFAULT_RATE) -> None:
        self.maximum = maximum
        self.left = maximum
        self.rate = rate
        self._tokens = LocalTokenBucket(rate)

    @property
    def used(self) -> int:
        """Requests granted so far, retries included."""
        return self.maximum - self.left

    async def acquire(self, wanted: int) -> Grant:
        """Grant at most one token, so that the count is exact. Raises BudgetSpentError."""
        if wanted and not self.left:
            raise BudgetSpentError(f"the budget of {self.maximum} requests is exhausted.")
        grant = await self._tokens.acquire(min(wanted, 1))
        self.left -= grant.tokens
        return grant

    async def on_rate_limited(self) -> None:
        """Halve the rate and start with an empty bucket."""
        self.rate = max(SLOWEST_RATE, self.rate / 2)
        self._tokens = LocalTokenBucket(self.rate)
        await self._tokens.on_rate_limited()

    def close(self) -> None:
        """Do nothing, since no resources are open."""
