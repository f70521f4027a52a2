"""Slots are shared fairly, never exceeded, and never lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.policies.slots import Slots
from llms.protocol.errors import QueueFull


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_keys_take_turns() -> None:
    slots = Slots(name="p", concurrency=1, queue=10)
    slots.take()
    order: list[str] = []

    async def one(key: str, name: str) -> None:
        await slots.wait(key)
        order.append(name)
        slots.release(0.0)

    tasks = [
        asyncio.create_task(one(*who)) for who in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"))
    ]
    await settle()
    slots.release(0.0)
    await asyncio.gather(*tasks)
    assert order == ["a1", "b1", "c1", "a2", "a3"]
    assert (slots.busy, slots.waiting) == (0, 0)


async def test_a_full_line_says_how_long_to_wait() -> None:
    slots = Slots(name="p", concurrency=1, queue=1)
    slots.take()
    waiting = asyncio.create_task(slots.wait("a"))
    await settle()
    with pytest.raises(QueueFull) as refused:
        await slots.wait("b")
    assert refused.value.http_status == 429
    assert refused.value.retry_after is not None
    assert 1 <= refused.value.retry_after <= 60
    waiting.cancel()


async def test_who_leaves_when_its_turn_has_come_passes_the_slot_on() -> None:
    slots = Slots(name="p", concurrency=1, queue=10)
    slots.take()
    leaving, staying = asyncio.create_task(slots.wait("a")), asyncio.create_task(slots.wait("b"))
    await settle()
    slots.release(0.0)  # the turn of the first has come, and it has not run yet
    leaving.cancel()
    await staying
    assert slots.busy == 1


@given(
    concurrency=st.integers(1, 3),
    moves=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["ask", "leave", "end"])), max_size=40),
)
def test_no_slot_is_lost_or_given_twice(concurrency: int, moves: list[tuple[str, str]]) -> None:
    async def play() -> None:
        slots = Slots(name="p", concurrency=concurrency, queue=100)
        asked: list[asyncio.Task[None]] = []
        running = 0

        async def ask(key: str) -> None:
            nonlocal running
            if slots.free:
                slots.take()
            else:
                await slots.wait(key)
            running += 1
            assert running <= concurrency

        for key, move in moves:
            if move == "ask":
                asked.append(asyncio.create_task(ask(key)))
            elif move == "leave" and asked:
                asked.pop().cancel()
            elif move == "end" and running:
                running -= 1
                slots.release(0.1)
            await settle()
        for task in asked:
            task.cancel()
        await settle()
        assert slots.busy == running
        assert not slots.waiting

    asyncio.run(play())
