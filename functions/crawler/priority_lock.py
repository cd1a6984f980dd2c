"""Lock with priorities for asyncio."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class PriorityLock:
    """Lock whose waiter with the lowest priority acquires next; ties are first in, first out."""

    def __init__(self) -> None:
        self._locked = False
        self._waiters: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    @asynccontextmanager
    async def acquire(self, priority: float) -> AsyncIterator[None]:
        """Hold the lock while the block runs. priority: lower acquires first."""
        if self._locked:
            waiter = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiters, (priority, next(self._numbers), waiter))
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake_next()  # acquired and canceled at the same time
                raise
        self._locked = True
        try:
            yield
        finally:
            self._wake_next()

    def _wake_next(self) -> None:
        while self._waiters:
            _, _, waiter = heapq.heappop(self._waiters)
            if not waiter.done():
                waiter.set_result(None)
                return
        self._locked = False
