import asyncio

from crawler.turns import Turns


def test_the_most_urgent_goes_first_and_equal_ones_in_the_order_they_came() -> None:
    async def run() -> list[str]:
        turns, went = Turns(), list[str]()

        async def go(name: str, urgency: float) -> None:
            async with turns.take(urgency):
                went.append(name)
                await asyncio.sleep(0)

        waiting = (("slow", 300.0), ("archive", 9e9), ("fast", 45.0), ("slow too", 300.0))
        async with turns.take(0):
            tasks = [asyncio.create_task(go(*one)) for one in waiting]
            await asyncio.sleep(0)
            assert went == []
        await asyncio.gather(*tasks)
        return went

    assert asyncio.run(run()) == ["fast", "slow", "slow too", "archive"]


def test_who_gives_up_waiting_keeps_nobody_else_waiting() -> None:
    async def run() -> None:
        turns = Turns()

        async def go() -> None:
            async with turns.take(1):
                pass

        async with turns.take(0):
            given_up, patient = asyncio.create_task(go()), asyncio.create_task(go())
            await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.sleep(0)
        async with asyncio.timeout(1):
            await patient
            async with turns.take(0):
                pass

    asyncio.run(run())


def test_a_turn_that_was_given_to_one_who_gives_up_goes_to_the_next() -> None:
    async def run() -> None:
        turns = Turns()

        async def go() -> None:
            async with turns.take(1):
                pass

        async with turns.take(0):
            given_up, patient = asyncio.create_task(go()), asyncio.create_task(go())
            await asyncio.sleep(0)
        given_up.cancel()  # in the same moment
        async with asyncio.timeout(1):
            await patient

    asyncio.run(run())
