"""Which models are in memory, who waits for room and in which order; with models that only pretend."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from llms.protocol.errors import Conflict, UpstreamUnavailable
from llms.protocol.local import Phase
from llms.protocol.progress import Progress
from llms.providers.llama_cpp.inventory import Item
from llms.providers.llama_cpp.load import Load
from llms.providers.llama_cpp.memory import Need
from llms.providers.llama_cpp.pool import Pool
from llms.testing.clock import Clock

MIB = 2**20


class Pretended:
    """A model that is loaded when somebody says so; its memory is free a moment after it is unloaded, or at `go`."""

    def __init__(self, item: Item, rest: Callable[[], None], log: list[str]) -> None:
        self.name = item.wanted.alias
        self.item = item
        self.rest = rest
        self.log = log
        self.state: Phase = "unloaded"
        self.is_busy = False
        self.closed = False
        self.go: asyncio.Event | None = None
        self.trouble = ""
        self.pid: int | None = None
        self.memory: int | None = None
        self.facts: Mapping[str, Any] = {}

    @property
    def is_loaded(self) -> bool:
        return self.state in ("loading", "loaded")

    def load(self) -> None:
        if not self.is_loaded:
            self.log.append(f"+{self.name}")
        self.state = "loaded"

    async def unload(self) -> None:
        if self.is_loaded:
            self.log.append(f"-{self.name}")
        self.state = "unloaded"
        await (self.go.wait() if self.go is not None else asyncio.sleep(0))

    async def close(self) -> None:
        self.closed = True
        self.state = "unloaded"


class Stage:
    """A pool of pretended models, 100 MiB each unless said otherwise."""

    def __init__(self, budget: int | None = 200) -> None:
        self.log: list[str] = []
        self.made: dict[str, Pretended] = {}
        self.clock = Clock()
        self.pool = Pool[Pretended](
            self._build, budget=None if budget is None else budget * MIB, clock=self.clock, provider="local"
        )

    def _build(self, item: Item, rest: Callable[[], None]) -> Pretended:
        self.made[item.name] = Pretended(item, rest, self.log)
        return self.made[item.name]

    async def use(self, name: str, until: asyncio.Event | None = None, *, size: int = 100) -> str:
        """Hold a model until told, or for a moment."""
        async with self.pool.lease(item(name, size)) as model:
            model.load()
            self.clock.advance(1)
            await (until.wait() if until is not None else asyncio.sleep(0))
        return name

    def start(self, name: str, until: asyncio.Event | None = None, *, size: int = 100) -> asyncio.Task[str]:
        return asyncio.ensure_future(self.use(name, until, size=size))


def item(name: str, size: int = 100) -> Item:
    wanted = Load(path=f"{name}.gguf", alias=name, n_ctx=256, slots=1, n_threads=1, n_batch=64)
    return Item(name, wanted, None, ((1, 1),), None, Need(size * MIB, 0, 0))


async def settle() -> None:
    """Let everything happen that needs no more time."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_the_longest_unused_make_room() -> None:
    stage = Stage()
    for name in "abacb":
        await asyncio.wait_for(stage.use(name), 10)
    assert stage.log == ["+a", "+b", "-b", "+c", "-a", "+b"]


async def test_as_many_leave_as_it_takes_and_no_more() -> None:
    stage = Stage(budget=300)
    for name in "abc":
        await stage.use(name)
    await asyncio.wait_for(stage.use("big", size=200), 10)
    assert stage.log == ["+a", "+b", "+c", "-a", "-b", "+big"]


async def test_those_stay_without_whose_memory_there_is_room() -> None:
    stage = Stage(budget=300)
    await stage.use("small", size=50)
    await stage.use("large", size=200)
    await asyncio.wait_for(stage.use("other", size=250), 10)
    assert stage.log == ["+small", "+large", "-large", "+other"]


async def test_nothing_is_unloaded_before_it_helps() -> None:
    stage = Stage(budget=300)
    await stage.use("idle")
    busy = asyncio.Event()
    first = stage.start("busy", busy, size=200)
    await settle()
    waiting = stage.start("big", size=250)
    await settle()
    assert stage.log == ["+idle", "+busy"]
    busy.set()
    await asyncio.wait_for(asyncio.gather(first, waiting), 10)
    assert stage.log == ["+idle", "+busy", "-idle", "-busy", "+big"]


async def test_a_model_loads_only_when_the_memory_of_another_is_free() -> None:
    stage = Stage(budget=100)
    await stage.use("a")
    stage.made["a"].go = asyncio.Event()
    waiting = stage.start("b")
    await settle()
    stage.made["a"].rest()
    await settle()
    assert (stage.log, waiting.done()) == (["+a", "-a"], False)
    stage.made["a"].go.set()
    await asyncio.wait_for(waiting, 10)
    assert stage.log == ["+a", "-a", "+b"]


async def test_a_model_that_is_leaving_comes_back_when_it_is_gone() -> None:
    stage = Stage(budget=100)
    await stage.use("a")
    stage.made["a"].go = asyncio.Event()
    waiting = [stage.start("b"), stage.start("a")]
    await settle()
    stage.made["a"].go.set()
    assert await asyncio.wait_for(asyncio.gather(*waiting), 10) == ["b", "a"]
    assert stage.log == ["+a", "-a", "+b", "-b", "+a"]


async def test_nobody_overtakes_those_who_wait_but_those_of_the_same_model_go_together() -> None:
    stage = Stage(budget=100)
    done: list[str] = []

    async def use(name: str) -> None:
        done.append(await stage.use(name))

    busy = asyncio.Event()
    first = stage.start("a", busy)
    await settle()
    rest = [asyncio.ensure_future(use(name)) for name in "babcab"]
    await settle()
    assert done == []
    busy.set()
    await asyncio.wait_for(asyncio.gather(first, *rest), 10)
    assert done == list("bbbaac")
    assert stage.log == ["+a", "-a", "+b", "-b", "+a", "-a", "+c"]


async def test_a_model_in_constant_use_does_not_keep_the_others_out() -> None:
    stage = Stage(budget=100)
    ended = False

    async def keep_busy() -> None:
        while not ended:
            await stage.use("a")

    loops = [asyncio.ensure_future(keep_busy()) for _ in range(3)]
    await settle()
    await asyncio.wait_for(stage.use("b"), 10)
    ended = True
    await asyncio.wait_for(asyncio.gather(*loops), 10)


async def test_a_worker_that_still_writes_keeps_its_model() -> None:
    stage = Stage(budget=100)
    await stage.use("a")
    stage.made["a"].is_busy = True
    waiting = stage.start("b")
    await settle()
    assert stage.log == ["+a"]
    stage.made["a"].is_busy = False
    stage.made["a"].rest()
    await asyncio.wait_for(waiting, 10)


async def test_one_who_leaves_the_line_lets_the_next_go_on() -> None:
    stage = Stage(budget=200)
    busy = asyncio.Event()
    first = stage.start("a", busy)
    await settle()
    big, small = stage.start("big", size=200), stage.start("b")
    await settle()
    assert not small.done()
    big.cancel()
    assert await asyncio.wait_for(small, 10) == "b"
    busy.set()
    await first
    assert "+big" not in stage.log


async def test_one_who_leaves_just_when_the_turn_comes_takes_nothing_away() -> None:
    stage = Stage(budget=100)
    busy = asyncio.Event()
    first = stage.start("a", busy)
    await settle()
    gone = stage.start("a2")
    await settle()
    busy.set()
    await first
    while stage.pool._line:
        await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    assert await asyncio.wait_for(stage.use("b"), 10) == "b"


async def test_nobody_is_forgotten_whatever_happens() -> None:
    rng = random.Random(5)
    stage = Stage(budget=250)

    async def use(number: int) -> None:
        name = rng.choice("abcdef")
        async with stage.pool.lease(item(name, 100 if name < "e" else 200)) as model:
            if rng.random() < 0.1:
                raise ValueError("the load failed")
            model.load()
            for _ in range(rng.randrange(5)):
                await asyncio.sleep(0)
            held = sum(200 if other.name >= "e" else 100 for other in stage.made.values() if other.is_loaded)
            assert held <= 250

    tasks: list[asyncio.Task[None]] = []
    for number in range(600):
        tasks.append(asyncio.ensure_future(use(number)))
        if rng.random() < 0.3:
            rng.choice(tasks).cancel()
        if rng.random() < 0.5:
            await asyncio.sleep(0)
    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
    assert not [outcome for outcome in outcomes if isinstance(outcome, AssertionError)]
    assert {type(outcome) for outcome in outcomes} == {type(None), ValueError, asyncio.CancelledError}
    assert all(not entry.users for entry in stage.pool._room._entries.values())
    await stage.pool.close()


async def test_without_a_limit_all_stay() -> None:
    stage = Stage(budget=None)
    for name in "abcdefgh":
        await stage.use(name, size=2**30)
    assert stage.log == [f"+{name}" for name in "abcdefgh"]


async def test_what_can_never_fit_and_what_is_broken_is_refused_at_once() -> None:
    stage = Stage()
    busy = asyncio.Event()
    first = stage.start("a", busy, size=200)
    await settle()
    with pytest.raises(UpstreamUnavailable, match=r"local/big: it needs about 201 MiB .* may take 200 MiB: lower"):
        await stage.use("big", size=201)
    broken = replace(item("m"), need=None, problem="cannot use the model file m.gguf: it is cut off")
    with pytest.raises(UpstreamUnavailable, match=r"local/m: cannot use the model file m\.gguf: it is cut off"):
        async with stage.pool.lease(broken):
            pytest.fail("it was lent")
    busy.set()
    await first


async def test_a_model_whose_file_changed_is_loaded_anew_when_nobody_uses_it() -> None:
    stage = Stage()
    busy = asyncio.Event()
    first = stage.start("a", busy)
    await settle()
    old = stage.made["a"]
    changed = replace(item("a"), stamp=((2, 2),))
    async with stage.pool.lease(changed) as model:
        assert model is old
    busy.set()
    await first
    async with asyncio.timeout(10), stage.pool.lease(changed) as model:
        assert model is not old
        assert model.item == changed
        assert old.state == "unloaded"
    await settle()
    assert old.closed


async def test_unloading_on_request() -> None:
    stage = Stage()
    await stage.pool.unload("a")
    busy = asyncio.Event()
    first = stage.start("a", busy)
    await settle()
    with pytest.raises(Conflict, match="local/a is in use"):
        await stage.pool.unload("a")
    busy.set()
    await first
    stage.made["a"].go = asyncio.Event()
    unloading = [asyncio.ensure_future(stage.pool.unload("a")) for _ in range(3)]
    await settle()
    unloading[0].cancel()
    stage.made["a"].go.set()
    await asyncio.wait_for(asyncio.gather(*unloading[1:]), 10)
    assert (stage.pool.state("a"), stage.pool.states()) == ("unloaded", [])
    assert stage.log == ["+a", "-a"]


async def test_what_is_told_of_a_model() -> None:
    stage = Stage(budget=100)
    busy = asyncio.Event()
    first = stage.start("a", busy)
    await settle()
    model = stage.made["a"]
    model.pid, model.facts = 5, {"library": "x"}
    waiting = stage.start("a")
    await settle()
    [told] = stage.pool.states()
    assert (told.id, told.state, told.pid, told.memory_bytes, told.slots) == ("a", "loaded", 5, 100 * MIB, 1)
    assert (told.busy, told.idle_for, told.loaded_for, told.facts) == (1, None, 2, {"library": "x"})
    busy.set()
    await asyncio.gather(first, waiting)
    model.memory = 7
    stage.clock.advance(3)
    [told] = stage.pool.states()
    assert (told.busy, told.idle_for, told.loaded_for, told.memory_bytes) == (0, 3, 5, 7)


async def test_those_who_wait_see_their_place() -> None:
    stage = Stage(budget=100)
    busy = asyncio.Event()
    first = stage.start("a", busy)
    await settle()
    boards = [Progress(clock=stage.clock) for _ in range(2)]

    async def wait(name: str, board: Progress) -> None:
        async with stage.pool.lease(item(name), board):
            pass

    waiting = [asyncio.ensure_future(wait(name, board)) for name, board in zip("bc", boards, strict=True)]
    await settle()
    told = [board.report() for board in boards]
    assert [(each["state"], each["queue_position"]) for each in told] == [("queued", 1), ("queued", 2)]
    waiting[0].cancel()
    await settle()
    assert boards[1].report()["queue_position"] == 1
    busy.set()
    await asyncio.gather(first, waiting[1])
    assert "state" not in boards[1].report()


async def test_closing_refuses_those_who_wait_and_waits_for_those_who_leave() -> None:
    stage = Stage(budget=100)
    await stage.use("a")
    stage.made["a"].go = asyncio.Event()
    waiting = stage.start("b")
    await settle()
    closing = asyncio.ensure_future(stage.pool.close())
    await settle()
    assert not closing.done()
    with pytest.raises(UpstreamUnavailable, match="local/b: the model is being unloaded"):
        await waiting
    stage.made["a"].go.set()
    await asyncio.wait_for(closing, 10)
    assert stage.made["a"].closed
    with pytest.raises(UpstreamUnavailable, match="being unloaded"):
        await stage.use("a")
