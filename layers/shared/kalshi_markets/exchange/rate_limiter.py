"""How often the exchange may be asked: tokens, each the leave to send one request of the default cost.

A RateLimiter acquires them in chunks from a source: from the database, which all processes share, or from this process
alone. Tokens that were acquired and not used when a process ends are lost.
"""

import asyncio
import heapq
import itertools
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from kalshi_markets.database import Database, Row, StatementError, UndefinedObject
from kalshi_markets.settings import DatabaseSettings

Share = Literal["crawler", "interactive"]
"""Whose tokens: each has its part of the rate for certain, and what the other does not take."""
GRANT_SECONDS: Final = 0.1
"""How much of the rate is leased at once: few statements, and little that a process keeps from the others."""
_ROUNDING: Final = 1e-9
_SESSION: Final = {
    "default_transaction_read_only": "off",  # which it is for the API's role
    "synchronous_commit": "off",  # a server that crashes may forget the last tokens
    "statement_timeout": "5000",
}


@dataclass(frozen=True)
class Grant:
    """tokens: how many there are now; seconds: until as many as were wanted are there again; rate: requests a second
    that are permitted in all.

    costs: tokens of a request by its path, where it is not 1; `*` stands for a parameter. capacity: tokens that the
    exchange's own bucket holds, None where that is not known.
    """

    tokens: int
    retry_after: float
    rate: float
    costs: Mapping[str, float] = field(default_factory=dict)
    capacity: float | None = None

    def cost(self, path: str) -> float:
        """Return the tokens of a request to a path, 1 by default."""
        if not self.costs or path in self.costs:
            return self.costs.get(path, 1.0)
        segments = path.split("/")
        for route, cost in self.costs.items():
            parts = route.split("/")
            if len(parts) == len(segments) and all(map(_matches, parts, segments)):
                return cost
        return 1.0


class TokenSource(Protocol):
    """Where a RateLimiter has its tokens from."""

    async def acquire(self, wanted: int) -> Grant:
        """Up to so many tokens, at once."""

    async def on_rate_limited(self) -> None:
        """The exchange answered 429."""

    def close(self) -> None:
        """Gives back what it holds open."""


class RateLimiter:
    """Says when a request may be sent. Use it within one event loop; it closes its source with itself."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._tokens = 0.0
        self._last: Grant | None = None
        self._waiters: list[tuple[float, int, asyncio.Future[float], str]] = []
        self._sequence = itertools.count()
        self._refilling: asyncio.Task[None] | None = None

    async def acquire(self, priority: float = 0.0, path: str = "") -> None:
        """Returns when a request to a path may be sent. Lower priority goes first, then the first
        come; a dear request collects its tokens, and those behind it wait.

        Raises what the source does: from the database DatabaseError, SettingsError and SecretUnavailable.
        """
        waiter = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (priority, next(self._sequence), waiter, path))
        self._wake_waiters()
        if self._waiters and (self._refilling is None or self._refilling.done()):
            self._refilling = asyncio.create_task(self._refill())
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.exception() is None:  # its token came together with the cancellation
                self._tokens += waiter.result()
                self._wake_waiters()
            raise

    async def on_rate_limited(self) -> None:
        """Drop the tokens in hand and slow all processes down, after a 429. Raises as acquire does."""
        self._tokens = 0
        await self._source.on_rate_limited()

    async def rate(self) -> float:
        """Requests a second that are permitted in all. Raises as acquire does."""
        return (await self._known()).rate

    async def batch_size(self, path: str, maximum: int) -> int:
        """Return how many items one request may name, `most` unless such a request costs more than the exchange's
        bucket holds: it would be refused for ever. Raises as acquire does."""
        lease = self._last or await self._known()
        cost = lease.cost(path)
        return (
            maximum
            if lease.capacity is None or cost <= lease.capacity
            else max(1, int(maximum * lease.capacity / cost))
        )

    async def aclose(self) -> None:
        """Closes the source. Nobody may be waiting any more."""
        if self._refilling is not None:
            self._refilling.cancel()
            await asyncio.wait([self._refilling])
        await asyncio.to_thread(self._source.close)

    def _wake_waiters(self) -> None:
        """Gives the tokens in hand to the first in the line. Afterwards there are no tokens, or nobody is waiting."""
        while self._waiters:
            _, _, waiter, path = self._waiters[0]
            if not waiter.done():
                cost = self._cost(path)
                if self._tokens < cost - _ROUNDING:
                    return
                self._tokens = max(0.0, self._tokens - cost)
                waiter.set_result(cost)
            heapq.heappop(self._waiters)

    def _cost(self, path: str) -> float:
        """Return what a request takes out of the bucket, which cannot be more than it holds."""
        if self._last is None:
            return 1.0
        cost = self._last.cost(path)
        return cost if self._last.capacity is None else min(cost, self._last.capacity)

    async def _known(self) -> Grant:
        self._last = await self._source.acquire(0)
        return self._last

    async def _refill(self) -> None:
        """Has tokens brought as long as anybody waits."""
        try:
            while self._waiters:
                chunk = int(self._last.rate * GRANT_SECONDS) if self._last else 1
                lacking = math.ceil(self._cost(self._waiters[0][3]) - self._tokens - _ROUNDING)
                grant = self._last = await self._source.acquire(max(1, chunk, lacking))
                self._tokens += grant.tokens
                self._wake_waiters()
                if self._waiters:
                    await asyncio.sleep(grant.retry_after)
                    self._wake_waiters()  # those who gave up meanwhile need no tokens
        except Exception as error:  # noqa: BLE001  # raised by everybody who waits
            for _, _, waiter, _ in self._waiters:
                if not waiter.done():
                    waiter.set_exception(error)


def _matches(part: str, segment: str) -> bool:
    return part in ("*", segment)


class LocalTokenBucket:
    """Tokens of this process alone, for tools that need no database: `rate` a second, one second's worth at once."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._capacity = max(1.0, rate)
        self._tokens = self._capacity
        self._filled_at = time.monotonic()

    async def acquire(self, wanted: int) -> Grant:
        """Up to so many tokens, at once."""
        now = time.monotonic()
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        granted = min(wanted, int(self._tokens))
        self._tokens -= granted
        return Grant(granted, max(0.0, min(wanted, self._capacity) - self._tokens) / self._rate, self._rate)

    async def on_rate_limited(self) -> None:
        """Starts again without tokens."""
        self._tokens = 0.0

    def close(self) -> None:
        """Nothing is held open."""


class DatabaseTokenBucket:
    """A share of the tokens that all processes lease from the database, over a connection of its own.

    rate: requests a second that all processes together may send; None: what the account permits.
    Every method raises DatabaseError, and SettingsError or SecretUnavailable where the login cannot be read.
    """

    def __init__(self, settings: DatabaseSettings, share: Share, rate: float | None) -> None:
        self._database = Database(settings, application_name=f"limiter ({share})", parameters=_SESSION, timeout=10)
        self._lock = threading.Lock()  # the threads', not the tasks': a statement outlives the task that is cancelled
        self._share = share
        self._rate = rate
        self._take = (
            "SELECT granted, seconds, rate, endpoint_costs, bucket_capacity"
            f" FROM {settings.table}_take_tokens($1, $2, $3), {settings.table}_limiter"
        )
        self._slow_down = f"SELECT {settings.table}_slow_down()"

    async def acquire(self, wanted: int) -> Grant:
        """Up to so many tokens, at once."""
        [lease] = await self._run(self._take, self._share, wanted, self._rate)
        return Grant(*lease)

    async def on_rate_limited(self) -> None:
        """Halves the rate of all processes, at most once a second; within a minute it grows back."""
        await self._run(self._slow_down)

    def close(self) -> None:
        """Closes the connection, once the statement under way has ended."""
        with self._lock:
            self._database.close()

    async def _run(self, sql: str, *values: object) -> list[Row]:
        return await asyncio.to_thread(self._statement, sql, *values)

    def _statement(self, sql: str, *values: object) -> list[Row]:
        with self._lock:
            try:
                # It may be sent twice where the connection broke: at worst some tokens are lost.
                return self._database.query(sql, *values)
            except StatementError as error:
                if error.sqlstate == "42883":  # no such function
                    raise UndefinedObject(str(error), error.sqlstate) from error
                raise
