import asyncio

from crawler.priority_lock import PriorityLock


def test_the_lowest_priority_runs_first_and_ties_are_fifo() -> None:
    async def run() -> list[str]:
        lock, went = PriorityLock(), list[str]()

        async def go(name: str, priority: float) -> None:
            async with lock.acquire(priority):
                went.append(name)
                await asyncio.sleep(0)

        waiting = (("slow", 300.0), ("archive", 9e9), ("fast", 45.0), ("slow too", 300.0))
        async with lock.acquire(0):
            tasks = [asyncio.create_task(go(*entry)) for entry in waiting]
            await asyncio.sleep(0)
            assert went == []
        await asyncio.gather(*tasks)
        return went

    assert asyncio.run(run()) == ["fast", "slow", "slow too", "archive"]


def test_a_cancelled_waiter_does_not_block_the_others() -> None:
    async def run() -> None:
        lock = PriorityLock()

        async def go() -> None:
            async with lock.acquire(1):
                pass

        async with lock.acquire(0):
            given_up, waiting = asyncio.create_task(go()), asyncio.create_task(go())
            await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await waiting
            async with lock.acquire(0):
                pass

    asyncio.run(run())


def test_a_lock_granted_to_a_cancelled_waiter_passes_to_the_next() -> None:
    async def run() -> None:
        lock = PriorityLock()

        async def go() -> None:
            async with lock.acquire(1):
                pass

        async with lock.acquire(0):
            given_up, waiting = asyncio.create_task(go()), asyncio.create_task(go())
            await asyncio.sleep(0)
        given_up.cancel()  # in the same iteration of the event loop
        async with asyncio.timeout(60):
            await waiting

    asyncio.run(run())
