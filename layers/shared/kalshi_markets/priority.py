"""Tasks that wait for their turn in asyncio, ordered by priority."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PriorityWaiters(Generic[T]):
    """Waiting tasks, each with a request. The lowest priority is first; ties are first in, first out.

    take_back: called with the request of a task that was woken and canceled at the same time, so that what it was
    granted is not lost.
    """

    def __init__(self, take_back: Callable[[T], None]) -> None:
        self._take_back = take_back
        self._heap: list[tuple[float, int, asyncio.Future[None], T]] = []
        self._sequence = itertools.count()

    def __bool__(self) -> bool:
        """Return whether any task waits. Canceled waiters are removed."""
        while self._heap and self._heap[0][2].done():
            heapq.heappop(self._heap)
        return bool(self._heap)

    @property
    def first(self) -> T:
        """Request of the first waiter. There must be one."""
        return self._heap[0][3]

    def add(self, priority: float, request: T) -> Awaitable[None]:
        """Add a waiter. Awaiting the result waits until it is woken. Raises the error of `fail`."""
        waiter = asyncio.get_running_loop().create_future()
        heapq.heappush(self._heap, (priority, next(self._sequence), waiter, request))
        return self._wait(waiter, request)

    def wake_first(self) -> bool:
        """Wake the first waiter. Return False if there is none."""
        if not self:
            return False
        heapq.heappop(self._heap)[2].set_result(None)
        return True

    def fail(self, error: Exception) -> None:
        """Raise an error in all waiters."""
        while self:
            heapq.heappop(self._heap)[2].set_exception(error)

    async def _wait(self, waiter: asyncio.Future[None], request: T) -> None:
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.exception() is None:
                self._take_back(request)
            raise
