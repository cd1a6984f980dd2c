"""How often the exchange may be asked."""

import asyncio
import time


class TokenBucket:
    """Lets `rate` requests a second through, at most one second's worth at once, in the order they came."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._capacity = max(1.0, rate)
        self._tokens = self._capacity
        self._filled_at = time.monotonic()
        self._turn = asyncio.Lock()

    async def take(self) -> None:
        """Returns when one request may be sent."""
        async with self._turn:
            self._fill()
            if self._tokens < 1:
                await asyncio.sleep((1 - self._tokens) / self.rate)
                self._fill()
            self._tokens -= 1

    def _fill(self) -> None:
        now = time.monotonic()
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
