"""The fair queue."""

import asyncio
import time

import pytest

from homeport.mirror.pull.freshness import is_of_upstream
from homeport.mirror.upstream.turns import MOST_OF_ONE, MOST_WAITING, Turns
from homeport.remote.errors import CrowdedError, TimedOutError


def test_turns_go_round_the_owners() -> None:
    async def scenario() -> None:
        turns = Turns(1, name="x")
        order: list[str] = []

        async def work(owner: str) -> None:
            async with turns.take(owner, seconds=5):
                order.append(owner)
                await asyncio.sleep(0)

        async with turns.take("first", seconds=5):
            tasks = []
            for owner in ("a", "a", "a", "b", "c", "c"):
                tasks.append(asyncio.create_task(work(owner)))
                await asyncio.sleep(0)
            assert (turns.active, turns.waiting) == (1, 6)
        await asyncio.gather(*tasks)
        assert order == ["a", "b", "c", "a", "c", "a"]
        assert (turns.active, turns.waiting) == (0, 0)

    asyncio.run(scenario())


def test_no_more_than_the_capacity() -> None:
    async def scenario() -> None:
        turns = Turns(3, name="x")
        most = 0

        async def work(number: int) -> None:
            nonlocal most
            async with turns.take(str(number % 4), seconds=5):
                most = max(most, turns.active)
                await asyncio.sleep(0.001)

        await asyncio.gather(*(work(number) for number in range(50)))
        assert most == 3
        assert turns.active == 0

    asyncio.run(scenario())


def test_waiting_ends() -> None:
    async def scenario() -> None:
        turns = Turns(1, name="docker.io")
        async with turns.take("a", seconds=5):
            with pytest.raises(TimedOutError, match=r"docker\.io was free in 0\.02 seconds"):
                async with turns.take("b", seconds=0.02):
                    pytest.fail("there is no turn")
            assert turns.waiting == 0
        async with turns.take("b", seconds=0.02):
            assert turns.active == 1

    asyncio.run(scenario())


def test_cancelled_waiters_lose_no_turn() -> None:
    async def scenario() -> None:
        turns = Turns(1, name="x")

        async def work() -> None:
            async with turns.take("a", seconds=5):
                await asyncio.sleep(0)

        async with turns.take("first", seconds=5):
            tasks = [asyncio.create_task(work()) for _ in range(5)]
            await asyncio.sleep(0)
            tasks[1].cancel()
            await asyncio.sleep(0)
        # The first of them has been given the turn, and is cancelled before it knows.
        tasks[0].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in done[2:]] == [type(None)] * 3
        assert (turns.active, turns.waiting) == (0, 0)

    asyncio.run(scenario())


def test_a_flood_of_one_owner_is_bounded_and_keeps_no_other_out() -> None:
    async def scenario() -> None:
        turns = Turns(1, name="x")

        async def work(owner: str) -> None:
            async with turns.take(owner, seconds=5):
                pass

        async with turns.take("first", seconds=5):
            flood = [asyncio.create_task(work("a")) for _ in range(MOST_OF_ONE + 100)]
            await asyncio.sleep(0)
            other = asyncio.create_task(work("b"))
            await asyncio.sleep(0)
            assert turns.waiting == MOST_OF_ONE + 1
        await other
        done = await asyncio.gather(*flood, return_exceptions=True)
        refused = [error for error in done if error is not None]
        assert len(refused) == 100
        assert all(isinstance(error, CrowdedError) for error in refused)

    asyncio.run(scenario())


def test_giving_up_costs_the_same_however_many_wait() -> None:
    """Each that gave up was once looked for among all the others."""

    async def scenario() -> None:
        turns = Turns(1, name="x")

        async def work(number: int) -> None:
            async with turns.take(str(number % 16), seconds=60):
                pass

        async with turns.take("first", seconds=5):
            tasks = [asyncio.create_task(work(number)) for number in range(MOST_WAITING)]
            await asyncio.sleep(0)
            began = time.process_time()
            for task in reversed(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert time.process_time() - began < 1.0
        assert (turns.active, turns.waiting) == (0, 0)

    asyncio.run(scenario())


def test_our_own_crowd_says_nothing_of_the_upstream() -> None:
    assert is_of_upstream(TimedOutError("x"))
    assert not is_of_upstream(CrowdedError("x"))
