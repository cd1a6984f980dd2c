"""How often the exchange may be asked: tokens, each the leave to send one request.

A Limiter leases them in chunks from a source: from the database, which all processes share, or from this process alone.
Tokens that were leased and not used when a process ends are lost.
"""

import asyncio
import heapq
import itertools
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from kalshi_markets.database import Database, Row, StatementRefused, TableMissing
from kalshi_markets.exchange.errors import ExchangeError
from kalshi_markets.settings import DatabaseSettings

Share = Literal["crawl", "people"]
"""Whose tokens: each has its part of the rate for certain, and what the other does not take."""
CHUNK_SECONDS: Final = 0.1
"""How much of the rate is leased at once: few statements, and little that a process keeps from the others."""
_SESSION: Final = {
    "default_transaction_read_only": "off",  # which it is for the API's role
    "synchronous_commit": "off",  # a server that crashes may forget the last tokens
    "statement_timeout": "5000",
}


@dataclass(frozen=True)
class Lease:
    """tokens: how many there are now; seconds: until as many as were wanted are there again; rate: requests a second
    that are permitted in all."""

    tokens: int
    seconds: float
    rate: float


class TokenSource(Protocol):
    """Where a Limiter has its tokens from."""

    async def lease(self, wanted: int) -> Lease:
        """Up to so many tokens, at once."""

    async def refused(self) -> None:
        """The exchange answered 429."""

    def close(self) -> None:
        """Gives back what it holds open."""


class Limiter:
    """Says when a request may be sent. Use it within one event loop; it closes its source with itself."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._tokens = 0
        self._chunk = 1
        self._line: list[tuple[float, int, asyncio.Future[None]]] = []
        self._places = itertools.count()
        self._leasing: asyncio.Task[None] | None = None

    async def take(self, urgency: float = 0.0) -> None:
        """Returns when one request may be sent. Of those who wait, the least urgency goes first, then the first come.

        Raises what the source does: from the database DatabaseError, SettingsError and SecretUnavailable.
        """
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._line, (urgency, next(self._places), turn))
        self._serve()
        if self._line and (self._leasing is None or self._leasing.done()):
            self._leasing = asyncio.create_task(self._lease())
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:  # its token came together with the cancellation
                self._tokens += 1
                self._serve()
            raise

    async def refused(self) -> None:
        """To be called after a 429: the tokens in hand are void, and all processes slow down. Raises as take does."""
        self._tokens = 0
        await self._source.refused()

    async def rate(self) -> float:
        """Requests a second that are permitted in all. Raises as take does."""
        return (await self._source.lease(0)).rate

    async def aclose(self) -> None:
        """Closes the source. Nobody may be waiting any more."""
        if self._leasing is not None:
            self._leasing.cancel()
            await asyncio.wait([self._leasing])
        await asyncio.to_thread(self._source.close)

    def _serve(self) -> None:
        """Gives the tokens in hand to the first in the line. Afterwards there are no tokens, or nobody is waiting."""
        while self._line:
            turn = self._line[0][2]
            if not turn.done():
                if not self._tokens:
                    return
                self._tokens -= 1
                turn.set_result(None)
            heapq.heappop(self._line)

    async def _lease(self) -> None:
        """Has tokens brought as long as anybody waits."""
        try:
            while self._line:
                lease = await self._source.lease(self._chunk)
                self._chunk = max(1, int(lease.rate * CHUNK_SECONDS))
                self._tokens += lease.tokens
                self._serve()
                if self._line:
                    await asyncio.sleep(lease.seconds)
                    self._serve()  # those who gave up meanwhile need no tokens
        except Exception as error:  # noqa: BLE001  # raised by everybody who waits
            for _, _, turn in self._line:
                if not turn.done():
                    turn.set_exception(error)


class LocalTokens:
    """Tokens of this process alone, for tools that need no database: `rate` a second, one second's worth at once."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._capacity = max(1.0, rate)
        self._tokens = self._capacity
        self._filled_at = time.monotonic()

    async def lease(self, wanted: int) -> Lease:
        """Up to so many tokens, at once."""
        now = time.monotonic()
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        granted = min(wanted, int(self._tokens))
        self._tokens -= granted
        return Lease(granted, max(0.0, min(wanted, self._capacity) - self._tokens) / self._rate, self._rate)

    async def refused(self) -> None:
        """Starts again without tokens."""
        self._tokens = 0.0

    def close(self) -> None:
        """Nothing is held open."""


class DatabaseTokens:
    """A share of the tokens that all processes lease from the database, over a connection of its own.

    rate: requests a second that all processes together may send; None: what the account permits (see learn_rate).
    Every method raises DatabaseError, and SettingsError or SecretUnavailable where the login cannot be read.
    """

    def __init__(self, settings: DatabaseSettings, share: Share, rate: float | None) -> None:
        self._database = Database(settings, application_name=f"limiter ({share})", parameters=_SESSION, timeout=10)
        self._turn = threading.Lock()  # the threads', not the tasks': a statement outlives the task that is cancelled
        self._share = share
        self._rate = rate
        self._table = f"{settings.table}_limiter"
        self._take = f"SELECT granted, seconds, rate FROM {settings.table}_take_tokens($1, $2, $3)"
        self._slow_down = f"SELECT {settings.table}_slow_down()"

    async def lease(self, wanted: int) -> Lease:
        """Up to so many tokens, at once."""
        [[granted, seconds, rate]] = await self._run(self._take, self._share, wanted, self._rate)
        return Lease(granted, seconds, rate)

    async def refused(self) -> None:
        """Halves the rate of all processes, at most once a second; within a minute it grows back."""
        await self._run(self._slow_down)

    async def learn_rate(self, ask: Callable[[], Awaitable[float]]) -> None:
        """Asks the account for its rate and stores it for all processes, unless the settings name one or one is known.

        It holds for an hour. Where `ask` raises ExchangeError, nothing is stored, and 15 a second are permitted.
        """
        known = f"SELECT 1 FROM {self._table} WHERE account_rate_until > now()"
        if self._rate is not None or await self._run(known):
            return
        store = f"UPDATE {self._table} SET account_rate = $1, account_rate_until = now() + interval '1 hour'"
        with suppress(ExchangeError):
            await self._run(store, await ask())

    def close(self) -> None:
        """Closes the connection, once the statement under way has ended."""
        with self._turn:
            self._database.close()

    async def _run(self, sql: str, *values: object) -> list[Row]:
        return await asyncio.to_thread(self._statement, sql, *values)

    def _statement(self, sql: str, *values: object) -> list[Row]:
        with self._turn:
            try:
                # It may be sent twice where the connection broke: at worst some tokens are lost.
                return self._database.read(sql, *values)
            except StatementRefused as error:
                if error.sqlstate == "42883":  # no such function
                    raise TableMissing(str(error), error.sqlstate) from error
                raise
