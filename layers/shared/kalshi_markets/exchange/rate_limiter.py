"""Rate limiter of requests to the exchange. One token pays for one request of the default cost.

A RateLimiter acquires tokens in chunks from a source: the database, which all processes share, or a bucket of this
process. Tokens that a process has not used when it ends are lost.
"""

import asyncio
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from kalshi_markets.database import Database, Row, StatementError, UndefinedObject
from kalshi_markets.priority import PriorityWaiters
from kalshi_markets.settings import DatabaseSettings

Share = Literal["crawler", "interactive"]
"""Share of the rate. Each share has a guaranteed part of the rate, and may use the unused part of the other share."""
GRANT_SECONDS: Final = 0.1
"""Size of a chunk, in seconds of the rate.

Larger chunks need fewer statements; smaller chunks withhold fewer tokens from other processes.
"""
_ROUNDING: Final = 1e-9
_SESSION: Final = {
    "default_transaction_read_only": "off",  # the API's role has `on`
    "synchronous_commit": "off",  # a crash of the server may lose the last update
    "statement_timeout": "5000",
}


@dataclass(frozen=True)
class Grant:
    """Tokens that a source granted, and the limits of the account.

    tokens: number of tokens granted now.
    retry_after: seconds until the wanted number of tokens is available.
    rate: permitted requests per second of all processes together.
    costs: tokens of a request by path, where it is not 1; `*` stands for a parameter.
    capacity: tokens that the exchange's bucket holds; None: unknown.
    """

    tokens: int
    retry_after: float
    rate: float
    costs: Mapping[str, float] = field(default_factory=dict)
    capacity: float | None = None

    def cost(self, path: str) -> float:
        """Return the cost of a request to a path, in tokens."""
        if not self.costs or path in self.costs:
            return self.costs.get(path, 1.0)
        segments = path.split("/")
        for route, cost in self.costs.items():
            parts = route.split("/")
            if len(parts) == len(segments) and all(map(_matches, parts, segments)):
                return cost
        return 1.0


class TokenSource(Protocol):
    """Source of a RateLimiter's tokens."""

    async def acquire(self, wanted: int) -> Grant:
        """Acquire up to `wanted` tokens without waiting."""

    async def on_rate_limited(self) -> None:
        """Slow down after a response with the status 429."""

    def close(self) -> None:
        """Close the resources of the source."""


class RateLimiter:
    """Rate limiter for one event loop. It closes its source when it is closed."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._tokens = 0.0
        self._last: Grant | None = None
        self._waiters = PriorityWaiters[str](take_back=self._refund)
        """Waiting requests: their paths."""
        self._refilling: asyncio.Task[None] | None = None

    async def acquire(self, priority: float = 0.0, path: str = "") -> None:
        """Wait until a request to a path may be sent. Lower priority runs first; ties are first in, first out.

        Requests behind an expensive request wait until it has collected its tokens.
        Raises the errors of the source: DatabaseError, SettingsError and SecretUnavailable from the database.
        """
        waiting = self._waiters.add(priority, path)
        self._wake_waiters()
        if self._waiters and (self._refilling is None or self._refilling.done()):
            self._refilling = asyncio.create_task(self._refill())
        await waiting

    async def on_rate_limited(self) -> None:
        """Discard the tokens and slow down all processes after a 429. Raises the errors of acquire."""
        self._tokens = 0
        await self._source.on_rate_limited()

    async def rate(self) -> float:
        """Return the permitted requests per second of all processes together. Raises the errors of acquire."""
        return (await self._known()).rate

    async def batch_size(self, path: str, maximum: int) -> int:
        """Return how many items one request may name, at most `maximum`. Raises the errors of acquire.

        It is less if a request for `maximum` items costs more tokens than the exchange's bucket holds. Such a request
        would always be rejected.
        """
        grant = self._last or await self._known()
        cost = grant.cost(path)
        return (
            maximum
            if grant.capacity is None or cost <= grant.capacity
            else max(1, int(maximum * grant.capacity / cost))
        )

    async def aclose(self) -> None:
        """Close the source. There must be no waiters."""
        if self._refilling is not None:
            self._refilling.cancel()
            await asyncio.wait([self._refilling])
        await asyncio.to_thread(self._source.close)

    def _wake_waiters(self) -> None:
        """Wake the first waiters until the tokens do not suffice or no waiter is left."""
        while self._waiters and self._tokens >= (cost := self._cost(self._waiters.first)) - _ROUNDING:
            self._tokens = max(0.0, self._tokens - cost)
            self._waiters.wake_first()

    def _refund(self, path: str) -> None:
        self._tokens += self._cost(path)
        self._wake_waiters()

    def _cost(self, path: str) -> float:
        """Return the cost of a request in tokens, at most the capacity of the exchange's bucket."""
        if self._last is None:
            return 1.0
        cost = self._last.cost(path)
        return cost if self._last.capacity is None else min(cost, self._last.capacity)

    async def _known(self) -> Grant:
        self._last = await self._source.acquire(0)
        return self._last

    async def _refill(self) -> None:
        """Acquire tokens from the source while there are waiters. Errors of the source are raised by each waiter."""
        try:
            while self._waiters:
                chunk = int(self._last.rate * GRANT_SECONDS) if self._last else 1
                lacking = math.ceil(self._cost(self._waiters.first) - self._tokens - _ROUNDING)
                grant = self._last = await self._source.acquire(max(1, chunk, lacking))
                self._tokens += grant.tokens
                self._wake_waiters()
                if self._waiters:
                    await asyncio.sleep(grant.retry_after)
                    self._wake_waiters()  # waiters canceled in the meantime need no tokens
        except Exception as error:  # noqa: BLE001  # every waiter raises it
            self._waiters.fail(error)


def _matches(part: str, segment: str) -> bool:
    return part in ("*", segment)


class LocalTokenBucket:
    """Token bucket of this process, for tools without a database.

    rate: tokens per second. The bucket holds the tokens of one second, at least one.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._capacity = max(1.0, rate)
        self._tokens = self._capacity
        self._filled_at = time.monotonic()

    async def acquire(self, wanted: int) -> Grant:
        """Acquire up to `wanted` tokens without waiting."""
        now = time.monotonic()
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        granted = min(wanted, int(self._tokens))
        self._tokens -= granted
        return Grant(granted, max(0.0, min(wanted, self._capacity) - self._tokens) / self._rate, self._rate)

    async def on_rate_limited(self) -> None:
        """Empty the bucket."""
        self._tokens = 0.0

    def close(self) -> None:
        """Do nothing: the bucket has no resources."""


class DatabaseTokenBucket:
    """Token bucket in the database, which all processes share. It has a connection of its own.

    share: the part of the rate to acquire from.
    rate: requests per second of all processes together; None: the rate of the account.
    Every method raises DatabaseError, and SettingsError or SecretUnavailable if the login cannot be read.
    """

    def __init__(self, settings: DatabaseSettings, share: Share, rate: float | None) -> None:
        self._database = Database(settings, application_name=f"limiter ({share})", parameters=_SESSION, timeout=10)
        self._lock = threading.Lock()  # for threads, not tasks: a statement outlives a canceled task
        self._share = share
        self._rate = rate
        self._take = (
            "SELECT granted, seconds, rate, endpoint_costs, bucket_capacity"
            f" FROM {settings.table}_take_tokens($1, $2, $3), {settings.table}_limiter"
        )
        self._slow_down = f"SELECT {settings.table}_slow_down()"

    async def acquire(self, wanted: int) -> Grant:
        """Acquire up to `wanted` tokens without waiting."""
        [row] = await self._run(self._take, self._share, wanted, self._rate)
        return Grant(*row)

    async def on_rate_limited(self) -> None:
        """Halve the rate of all processes, at most once per second. It recovers within a minute."""
        await self._run(self._slow_down)

    def close(self) -> None:
        """Close the connection after the running statement has ended."""
        with self._lock:
            self._database.close()

    async def _run(self, sql: str, *values: object) -> list[Row]:
        return await asyncio.to_thread(self._statement, sql, *values)

    def _statement(self, sql: str, *values: object) -> list[Row]:
        with self._lock:
            try:
                # A retry after a lost connection may acquire twice; the first tokens are lost.
                return self._database.query(sql, *values)
            except StatementError as error:
                if error.sqlstate == "42883":  # undefined_function
                    raise UndefinedObject(str(error), error.sqlstate) from error
                raise
