"""Lock with priorities for asyncio."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kalshi_markets.priority import PriorityWaiters


class PriorityLock:
    """Lock whose waiter with the lowest priority acquires next; ties are first in, first out."""

    def __init__(self) -> None:
        self._locked = False
        self._waiters = PriorityWaiters[None](take_back=self._pass_on)

    @asynccontextmanager
    async def acquire(self, priority: float) -> AsyncIterator[None]:
        """Hold the lock while the block runs. priority: lower acquires first."""
        if self._locked:
            await self._waiters.add(priority, None)
        self._locked = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self, _: None = None) -> None:
        """Pass the lock to the first waiter. Without one, release it."""
        self._locked = self._waiters.wake_first()
