"""Slots are shared fairly, never exceeded, and never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.policies.slots import Slots
from llms.protocol.errors import QueueFull
from llms.protocol.progress import Progress
from llms.stores.crew import Crew
from llms.testing.clock import Clock


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
    assert refused.value.depth == 1
    waiting.cancel()


class Line:
    """Requests that wait for one slot, each with a board, and the order in which they were served."""

    def __init__(self, keys: Sequence[str], *, concurrency: int = 1) -> None:
        self.slots = Slots(name="p", concurrency=concurrency, queue=1000)
        for _ in range(concurrency):
            self.slots.take()
        self.boards: list[Progress] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.served: list[int] = []
        for key in keys:
            self.join(key)

    def join(self, key: str) -> None:
        board = Progress(clock=Clock())
        self.tasks.append(asyncio.create_task(self._wait(key, len(self.tasks), board)))
        self.boards.append(board)

    async def _wait(self, key: str, name: int, board: Progress) -> None:
        await self.slots.wait(key, progress=board)
        self.served.append(name)

    async def serve(self, seconds: float | None = 1.0) -> None:
        self.slots.release(seconds)
        await settle()

    async def leave(self, name: int) -> None:
        self.tasks[name].cancel()
        await settle()

    def figures(self, name: int) -> dict[str, Any]:
        return dict(self.boards[name].report())

    def positions(self) -> list[int | None]:
        return [self.figures(name).get("queue_position") for name in range(len(self.boards))]


async def test_a_waiter_knows_its_place_in_the_fair_order() -> None:
    line = Line("aaabc")
    await settle()
    assert line.positions() == [1, 4, 5, 2, 3]
    assert line.figures(0)["state"] == "queued"
    assert line.slots.waiting == 5
    await line.serve()
    assert line.positions() == [None, 3, 4, 1, 2]
    assert "state" not in line.figures(0)


async def test_a_place_moves_up_when_somebody_before_it_leaves() -> None:
    line = Line("aaab")
    await settle()
    await line.leave(1)
    assert line.positions() == [1, None, 3, 2]
    assert line.slots.waiting == 3
    for _ in range(3):
        await line.serve()
    assert line.served == [0, 3, 2]


async def test_a_new_key_waits_for_no_more_than_one_of_each_other() -> None:
    line = Line("aaaa")
    await settle()
    line.join("b")
    await settle()
    assert line.positions() == [1, 3, 4, 5, 2]


async def test_the_wait_to_expect_is_that_of_those_before() -> None:
    line = Line("aaaa", concurrency=2)
    await settle()
    assert "eta_ms" not in line.figures(3)
    await line.serve(seconds=3.0)
    assert [line.figures(name)["eta_ms"] for name in (1, 2, 3)] == [1500, 3000, 4500]
    await line.serve(seconds=None)
    assert line.figures(3)["eta_ms"] == 3000


@given(
    keys=st.lists(st.sampled_from("abc"), min_size=1, max_size=25),
    leaving=st.lists(st.integers(0, 24), max_size=8),
)
def test_positions_are_the_order_of_service(keys: list[str], leaving: list[int]) -> None:
    async def play() -> None:
        line = Line(keys)
        await settle()
        for name in leaving:
            if name < len(keys):
                await line.leave(name)
        told = {position: name for name, position in enumerate(line.positions()) if position is not None}
        assert sorted(told) == list(range(1, len(told) + 1))
        before = line.positions()
        for _ in range(len(told)):
            await line.serve()
            now = line.positions()
            assert [place - 1 or None for place in before if place] == [
                after for place, after in zip(before, now, strict=True) if place
            ]
            before = now
        assert line.served == [told[position] for position in sorted(told)]
        for key in "abc":
            of_key = [name for name in line.served if keys[name] == key]
            assert of_key == sorted(of_key)

    asyncio.run(play())


async def test_a_model_has_slots_of_its_own() -> None:
    provider = Slots(name="p", concurrency=0, queue=1)
    one, other = provider.of("one", 1), provider.of("other", 1)
    one.take()
    waiting = asyncio.create_task(one.wait("a"))
    await settle()
    assert (provider.take(), one.take(), other.take()) == (True, False, True)
    assert (provider.waiting, one.waiting, other.waiting) == (1, 1, 0)
    with pytest.raises(QueueFull, match="p/one"):
        await one.wait("a")
    one.release(1.0)
    await waiting
    assert provider.waiting == 0


async def test_a_model_that_gets_more_slots_lets_more_in() -> None:
    provider = Slots(name="p", concurrency=0, queue=9)
    one = provider.of("one", 1)
    one.take()
    waiting = [asyncio.create_task(one.wait("a")) for _ in range(3)]
    await settle()
    assert provider.of("one", 3) is one
    await settle()
    assert [task.done() for task in waiting] == [True, True, False]
    waiting[2].cancel()


async def test_models_that_nobody_uses_are_forgotten_when_there_are_many() -> None:
    provider = Slots(name="p", concurrency=0, queue=9)
    used = provider.of("used", 1)
    used.take()
    for number in range(1000):
        provider.of(f"made up {number}", 1)
    assert len(provider._models) <= 64
    assert provider.of("used", 1) is used


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
            if not slots.take():
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


async def test_two_processes_share_slots_and_the_length_of_the_line(tmp_path: Path) -> None:
    one, other = (
        Slots(name="p", concurrency=1, queue=2, tally=Crew(tmp_path, place, 2).tally("p")) for place in range(2)
    )
    assert one.take()
    assert not other.take()
    order: list[str] = []

    async def ask(slots: Slots, key: str, name: str) -> None:
        await slots.wait(key)
        order.append(name)

    waiting = [asyncio.create_task(ask(other, "b", "other"))]
    await settle()
    waiting.append(asyncio.create_task(ask(one, "a", "one")))
    await settle()
    for slots in (one, other):
        with pytest.raises(QueueFull):
            await slots.wait("c")
    one.release(0.1)
    await waiting[0]
    assert order == ["other"]
    other.release(0.1)
    await waiting[1]
    assert order == ["other", "one"]
    waiting = [asyncio.create_task(ask(other, "b", "leaves"))]
    await settle()
    waiting[0].cancel()
    await settle()
    one.release(0.1)
    assert other.take()


async def test_a_waiter_that_leaves_when_its_turn_has_come_gives_the_shared_slot_back(tmp_path: Path) -> None:
    slots = Slots(name="p", concurrency=1, queue=2, tally=Crew(tmp_path, 0, 1).tally("p"))
    slots.take()
    leaving = asyncio.create_task(slots.wait("a"))
    await settle()
    slots.release(0.0)
    leaving.cancel()
    await settle()
    assert slots.take()
