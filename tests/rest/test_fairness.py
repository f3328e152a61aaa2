"""Turns go round the accounts; rates slow down first and refuse then."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.errors import RequestError
from tellapart.rest.fairness import REST, Rates, Turns


def test_one_who_asks_once_does_not_wait_for_a_flood() -> None:
    async def story() -> list[str]:
        turns, order = Turns(total=2, each=2, waiting=1000), []

        async def ask(key: str) -> None:
            async with turns.turn(key):
                order.append(key)
                await asyncio.sleep(0)

        floods = [asyncio.create_task(ask(key)) for key in ["a"] * 200 + ["b"] * 200]
        await asyncio.sleep(0)
        late = [asyncio.create_task(ask(key)) for key in ("x", "y")]
        await asyncio.gather(*floods, *late)
        return order

    order = asyncio.run(story())
    assert len(order) == 402
    # Behind what was being worked on, and one each of the floods' per round.
    assert max(order.index("x"), order.index("y")) <= 10


def test_floods_share_one_turn_while_others_ask() -> None:
    async def story() -> list[int]:
        turns, floods, seen = Turns(total=12, each=4), 0, []

        async def flood(key: str) -> None:
            nonlocal floods
            async with turns.turn(key):
                floods += 1
                await asyncio.sleep(0)
                floods -= 1

        async def ask(number: int) -> None:
            async with turns.turn(f"calm {number}"):
                await asyncio.sleep(0)
                seen.append(floods)

        tasks = [asyncio.create_task(flood(key)) for key in ["a"] * 100 + ["b"] * 100]
        for number in range(30):
            await ask(number)
        for task in tasks:
            await task
        return seen

    seen = asyncio.run(story())
    assert max(seen[5:]) <= 1  # the first ones meet what was begun before


def test_those_who_press_rest_between_two_while_others_ask_and_are_called_again() -> None:
    async def story() -> tuple[list[tuple[float, float]], bool]:
        turns, worked = Turns(total=12, each=4), []
        loop = asyncio.get_running_loop()

        async def flood() -> None:
            async with turns.turn("flood"):
                began = loop.time()
                await asyncio.sleep(0.01)
                worked.append((began, loop.time()))

        async def others(until: float) -> None:
            while loop.time() < until:
                async with turns.turn("calm"):
                    pass
                await asyncio.sleep(0.001)

        asking = asyncio.create_task(others(loop.time() + 0.5))
        floods = [asyncio.create_task(flood()) for _ in range(8)]
        # Nobody asks any more after a while: those that still rest are called all the same.
        done, _ = await asyncio.wait([asking, *floods], timeout=20)
        return worked, len(done) == 9

    worked, all_done = asyncio.run(story())
    assert all_done and len(worked) == 8
    together = [(one, after) for one, after in pairwise(worked[4:]) if one[0] < worked[0][0] + 0.3]
    assert together
    for (began, ended), (next_began, _) in together:
        assert next_began - ended >= 0.9 * REST * (ended - began)


def test_the_end_of_a_rest_holds_though_the_clock_is_behind_the_loops() -> None:
    async def story() -> bool:
        turns = Turns(total=12, each=4)
        await turns.take("calm")
        await turns.take("flood")
        waiting = asyncio.create_task(turns.take("flood"))
        await asyncio.sleep(0)
        turns.give("flood")  # it rests now, and the other one waits
        turns._resting += 1000  # as if the clock had not come so far when the loop calls
        await asyncio.wait_for(waiting, 10)
        return True

    assert asyncio.run(story())


def test_no_account_has_more_than_its_turns_though_nobody_else_asks() -> None:
    async def story() -> int:
        turns, at_once, most = Turns(total=8, each=3), 0, 0

        async def ask() -> None:
            nonlocal at_once, most
            async with turns.turn("a"):
                at_once += 1
                most = max(most, at_once)
                await asyncio.sleep(0)
                at_once -= 1

        await asyncio.gather(*(ask() for _ in range(50)))
        return most

    assert asyncio.run(story()) == 3


def test_beyond_so_many_waiting_ones_is_refused() -> None:
    async def story() -> None:
        turns = Turns(total=1, each=1, waiting=2)
        await turns.take("a")
        waiting = [asyncio.create_task(turns.take("a")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(RequestError) as caught:
            await turns.take("a")
        assert caught.value.http_status == 429 and caught.value.retry_after
        for task in waiting:
            turns.give("a")
            await task
        turns.give("a")
        assert turns._free == 1 and not any(one.active for one in turns._lines.values())

    asyncio.run(story())


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["work", "leave", "fail"])), max_size=40
    )
)
def test_turns_are_given_back_whatever_happens(asked: list[tuple[str, str]]) -> None:
    """Also by who goes away while waiting, or at the very moment of being called."""

    async def story() -> None:
        turns = Turns(total=2, each=1, waiting=100)

        async def ask(key: str, end: str) -> None:
            async with turns.turn(key):
                await asyncio.sleep(0)
                if end == "fail":
                    raise ValueError(key)

        tasks = [(asyncio.create_task(ask(key, end)), end) for key, end in asked]
        for at, (task, end) in enumerate(tasks):
            if at % 3 == 0:
                await asyncio.sleep(0)
            if end == "leave":
                task.cancel()
        await asyncio.wait_for(
            asyncio.gather(*(task for task, _ in tasks), return_exceptions=True), 10
        )
        assert turns._free == 2
        assert not any(one.active or one.waiting for one in turns._lines.values())

    asyncio.run(story())


def test_a_rate_lets_bursts_through_then_slows_then_refuses() -> None:
    rates = Rates(rate=10, burst=5, patience=1.0)
    waits = [rates.count("a") for _ in range(30)]
    assert waits[:5] == [0.0] * 5
    assert 0 < waits[5] <= 0.11 and waits[5] < waits[14] <= 1.0
    assert waits[-1] > 1.0
    assert max(waits) < 1.2  # what is refused is not counted: nobody digs a deeper hole
    assert rates.count("b") == 0.0


def test_a_refused_request_says_when_to_come_back() -> None:
    async def story() -> None:
        rates = Rates(rate=1, burst=1, patience=0.0)
        await rates.take("a")
        with pytest.raises(RequestError) as caught:
            await rates.take("a")
        assert caught.value.http_status == 429
        assert 0 < (caught.value.retry_after or 0) <= 1

    asyncio.run(story())
