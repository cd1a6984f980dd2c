import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from kalshi_markets.database import DatabaseUnavailable
from kalshi_markets.exchange import rate_limiter
from kalshi_markets.exchange.account import normalize_path
from kalshi_markets.exchange.rate_limiter import GRANT_SECONDS, Grant, LocalTokenBucket, RateLimiter


class Source:
    """Token source of a test: each acquire() takes the next of `grants`, and 0 when there are no more."""

    def __init__(
        self, *grants: int, rate: float = 20, costs: Mapping[str, float] | None = None, capacity: float | None = None
    ) -> None:
        self._costs, self._capacity = costs or {}, capacity
        self.wanted: list[int] = []
        self.opened = asyncio.Event()
        self.failure: Exception | None = None
        self.before_granting: Callable[[], object] = lambda: None
        self._grants = list(grants)
        self._rate = rate

    async def acquire(self, wanted: int) -> Grant:
        self.wanted.append(wanted)
        await self.opened.wait()
        if self.failure:
            raise self.failure
        self.before_granting()
        granted = self._grants.pop(0) if self._grants else 0
        return Grant(granted, 0.001, self._rate, self._costs, self._capacity)

    async def on_rate_limited(self) -> None:
        self._grants = []

    def close(self) -> None:
        self._grants = []


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(limited())


async def started(*takes: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    """Start tasks that wait for their tokens, in this order."""
    tasks = [asyncio.create_task(take) for take in takes]
    await asyncio.sleep(0)
    return tasks


async def settled() -> None:
    """Wait until every task that needs no further token has continued."""
    await asyncio.sleep(0.02)


def finished(tasks: Sequence[asyncio.Task[None]]) -> list[bool]:
    return [task.done() for task in tasks]


def test_the_lowest_priority_acquires_first_and_ties_are_fifo() -> None:
    async def test() -> None:
        source = Source(*[1] * 6)
        limiter, order = RateLimiter(source), list[str]()

        async def acquire(name: str, priority: float) -> None:
            await limiter.acquire(priority)
            order.append(name)

        tasks = await started(
            *(acquire(name, at) for name, at in [("b", 1), ("e", 2.5), ("a", 0), ("c", 1), ("d", 1), ("f", 9)])
        )
        source.opened.set()
        await asyncio.gather(*tasks)
        assert order == ["a", "b", "c", "d", "e", "f"]

    run(test)


def test_one_who_gave_up_costs_no_token() -> None:
    async def test() -> None:
        source = Source(1)
        limiter = RateLimiter(source)
        tasks = await started(limiter.acquire(), limiter.acquire())
        tasks[0].cancel()
        source.opened.set()
        await tasks[1]
        assert tasks[0].cancelled()

    run(test)


def test_a_token_that_comes_together_with_the_cancellation_goes_to_the_next() -> None:
    async def test() -> None:
        source = Source(1)
        limiter = RateLimiter(source)
        first, second = await started(limiter.acquire(), limiter.acquire())
        loop = asyncio.get_running_loop()
        source.before_granting = lambda: loop.call_soon(first.cancel)  # runs after the grant, before the waiter resumes
        source.opened.set()
        await second
        assert first.cancelled()

    run(test)


def test_nothing_is_leased_when_nobody_waits_any_more() -> None:
    async def test() -> None:
        source = Source()
        source.opened.set()
        limiter = RateLimiter(source)
        tasks = await started(limiter.acquire(), limiter.acquire())
        while len(source.wanted) < 2:
            await settled()
        for task in tasks:
            task.cancel()
        await settled()
        count = len(source.wanted)
        await settled()
        assert len(source.wanted) == count
        source.failure = DatabaseUnavailable("no more")
        with pytest.raises(DatabaseUnavailable):
            await limiter.acquire()  # a later waiter gets the error

    run(test)


def test_tokens_come_in_chunks_of_a_tenth_of_a_second() -> None:
    async def test() -> None:
        source = Source(1, 5, 5, rate=50)
        source.opened.set()
        limiter = RateLimiter(source)
        for _ in range(8):
            await limiter.acquire()
        assert source.wanted == [1, 5, 5]

    run(test)


def test_a_slow_rate_comes_in_single_tokens() -> None:
    async def test() -> None:
        source = Source(1, 1, 1, rate=0.1)
        source.opened.set()
        limiter = RateLimiter(source)
        for _ in range(3):
            await limiter.acquire()
        assert source.wanted == [1, 1, 1]

    run(test)


def test_a_sources_failure_is_everybodys_and_the_next_one_asks_anew() -> None:
    async def test() -> None:
        source = Source(2)
        limiter = RateLimiter(source)
        tasks = await started(limiter.acquire(), limiter.acquire(1))
        source.failure = DatabaseUnavailable("gone")
        source.opened.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(result) for result in results] == ["gone", "gone"]
        source.failure = None
        await limiter.acquire()

    run(test)


def test_after_a_429_the_tokens_in_hand_are_void() -> None:
    async def test() -> None:
        source = Source(1, 9)
        source.opened.set()
        limiter = RateLimiter(source)
        for _ in range(2):
            await limiter.acquire()
        await limiter.on_rate_limited()
        tasks = await started(limiter.acquire())
        await settled()
        assert finished(tasks) == [False]
        tasks[0].cancel()

    run(test)


COSTS = {"/markets": 3.0, "/markets/*": 0.5, "/a/*/c": 2.0}


def test_a_dear_request_collects_its_tokens_and_a_cheap_one_takes_a_part() -> None:
    async def test() -> None:
        source = Source(1, 1, 1, 1, costs=COSTS)
        source.opened.set()
        limiter = RateLimiter(source)
        await limiter.acquire(0, "/markets")
        assert source.wanted == [1, 2, 2]
        await limiter.acquire(0, "/markets/A")
        await limiter.acquire(0, "/markets/B")
        assert source.wanted == [1, 2, 2, 2]

    run(test)


def test_a_request_that_costs_more_than_the_bucket_takes_all_of_it() -> None:
    async def test() -> None:
        source = Source(1, 1, 9, costs={"/markets": 1000.0}, capacity=2.0)
        source.opened.set()
        limiter = RateLimiter(source)
        await limiter.acquire(0, "/markets")
        assert await limiter.batch_size("/markets", 100) == 1
        assert await limiter.batch_size("/events", 100) == 100

    run(test)


def test_the_tokens_of_a_dear_request_that_gave_up_are_the_next_ones() -> None:
    async def test() -> None:
        source = Source(3, costs=COSTS)
        limiter = RateLimiter(source)
        first, second = await started(limiter.acquire(0, "/markets"), limiter.acquire(0, "/markets"))
        loop = asyncio.get_running_loop()
        source.before_granting = lambda: loop.call_soon(first.cancel)
        source.opened.set()
        await second
        assert first.cancelled()

    run(test)


def test_the_cost_of_a_path_is_its_routes() -> None:
    known = Grant(0, 0, 1, COSTS)
    paths = ("/markets", "/markets/A", "/a/b/c", "/a/b", "/", "")
    assert [known.cost(path) for path in paths] == [3, 0.5, 2, 1, 1, 1]
    assert normalize_path("/trade-api/v2/markets/{ticker}/") == normalize_path("/markets/:ticker") == "/markets/*"


class InstantSelector(selectors.DefaultSelector):
    """Selector that does not wait: the wait of a timer advances `now` instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # no timer is set: a thread wakes the loop
            return super().select()
        ready = super().select(0)
        if not ready:
            self.now += timeout
        return ready


@pytest.fixture
def virtual_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.AbstractEventLoop]:
    """Yield an event loop on whose clock only waiting takes time; it is the rate limiter's clock, too."""
    selector = InstantSelector()
    loop = asyncio.SelectorEventLoop(selector)
    monkeypatch.setattr(loop, "time", lambda: selector.now)
    monkeypatch.setattr(rate_limiter, "time", SimpleNamespace(monotonic=loop.time))
    yield loop
    loop.close()


async def served(take: Callable[[], Awaitable[None]], seconds: float) -> int:
    """Return the number of takes that return within the given seconds, with unlimited demand."""
    count = 0

    async def busy() -> None:
        nonlocal count
        while True:
            await take()
            count += 1

    workers = [asyncio.create_task(busy()) for _ in range(5)]
    await asyncio.sleep(seconds)
    for worker in workers:
        worker.cancel()
    await asyncio.wait(workers)
    return count


@pytest.mark.parametrize("rate", [20, 1000])
def test_a_process_alone_uses_its_rate_and_no_more(virtual_time: asyncio.AbstractEventLoop, rate: float) -> None:
    async def test() -> None:
        limiter = RateLimiter(LocalTokenBucket(rate))
        count = await served(limiter.acquire, 10)
        assert 11 * rate - max(1, rate * GRANT_SECONDS) <= count <= 11 * rate  # the bucket was full at first
        await limiter.aclose()

    virtual_time.run_until_complete(test())


def test_a_process_alone_begins_anew_after_a_429() -> None:
    async def test() -> None:
        tokens = LocalTokenBucket(20)
        await tokens.on_rate_limited()
        lease = await tokens.acquire(1)
        assert lease.tokens == 0
        assert 0 < lease.retry_after <= 0.05

    run(test)
