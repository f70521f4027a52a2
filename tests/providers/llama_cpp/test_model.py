"""Slots, line, cancellation and loading of a local model, with a scripted one instead of the library."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable

import pytest

from llms.protocol.errors import InvalidRequest, UpstreamUnavailable
from llms.providers.llama_cpp.answers import LlamaFailures
from llms.providers.llama_cpp.load import Unloadable
from llms.providers.llama_cpp.model import LocalModel


class Scripted:
    """Say the body's bytes one by one; "?" waits for `go`, "!" raises, "~" goes on until it is stopped."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.stopped = threading.Event()
        self.closed = threading.Event()
        self.order: list[bytes] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def chat(self, body: bytes, on_piece: Callable[[bytes], bool]) -> None:
        with self._lock:
            self.order.append(body)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            for letter in body.decode():
                self._say(letter, on_piece)
        finally:
            with self._lock:
                self.at_once -= 1

    def _say(self, letter: str, on_piece: Callable[[bytes], bool]) -> None:
        if letter == "?":
            assert self.go.wait(20)
        elif letter == "!":
            raise ValueError("a bad request")
        elif letter == "~":
            while not on_piece(b"~"):
                pass
            self.stopped.set()
        else:
            on_piece(letter.encode())

    def close(self) -> None:
        self.closed.set()


def local(model: Scripted, *, slots: int = 1, unload_after: float | None = None) -> LocalModel:
    return LocalModel(
        lambda: model, slots=slots, unload_after=unload_after, on_rest=lambda: None, failures=LlamaFailures("p", "m")
    )


async def said(model: LocalModel, body: bytes) -> bytes:
    return b"".join([piece async for pieces in model.chat(body) for piece in pieces])


async def test_pieces_arrive_whole_and_in_order() -> None:
    model = local(Scripted(), slots=4)
    bodies = [str(number).encode() * 500 for number in range(10)]
    assert await asyncio.gather(*(said(model, body) for body in bodies)) == bodies
    await model.close()


@pytest.mark.parametrize("slots", [1, 3])
async def test_no_more_chats_than_slots_and_first_come_first_served(slots: int) -> None:
    script = Scripted()
    model = local(script, slots=slots)
    chats = [asyncio.ensure_future(said(model, b"?%d" % number)) for number in range(8)]
    while len(script.order) < slots:
        await asyncio.sleep(0.001)
    script.go.set()
    assert await asyncio.gather(*chats) == [b"%d" % number for number in range(8)]
    assert script.most_at_once == slots
    if slots == 1:
        assert script.order == [b"?%d" % number for number in range(8)]
    await model.close()


async def test_a_chat_that_is_given_up_stops_the_worker_and_frees_the_slot() -> None:
    script = Scripted()
    model = local(script)
    chunks = model.chat(b"a~")
    assert (await anext(chunks))[0] == b"a"
    await chunks.aclose()
    async with asyncio.timeout(10):
        assert await said(model, b"next") == b"next"
    assert script.stopped.is_set()
    await model.close()


async def test_the_slot_stays_taken_until_the_worker_has_stopped() -> None:
    script = Scripted()
    model = local(script)
    chunks = model.chat(b"a?b")
    await anext(chunks)
    await chunks.aclose()
    following = asyncio.ensure_future(said(model, b"next"))
    done, _ = await asyncio.wait([following], timeout=0.05)
    assert not done
    assert model.is_busy
    script.go.set()
    assert await following == b"next"
    assert script.most_at_once == 1
    await model.close()


async def test_a_chat_that_leaves_the_line_costs_no_slot() -> None:
    script = Scripted()
    model = local(script)
    first = asyncio.ensure_future(said(model, b"?a"))
    waiting = [asyncio.ensure_future(said(model, b"never")) for _ in range(5)]
    last = asyncio.ensure_future(said(model, b"b"))
    await asyncio.sleep(0.01)
    for chat in waiting:
        chat.cancel()
    script.go.set()
    assert (await first, await last) == (b"a", b"b")
    assert script.order == [b"?a", b"b"]
    await model.close()


async def test_what_the_library_raises_reaches_the_reader_after_the_pieces() -> None:
    model = local(Scripted())
    pieces: list[bytes] = []

    async def read() -> None:
        async for arrived in model.chat(b"ab!"):
            pieces.extend(arrived)

    with pytest.raises(InvalidRequest, match="p/m: a bad request"):
        await read()
    assert pieces == [b"a", b"b"]
    assert await said(model, b"fine") == b"fine"
    await model.close()


async def test_one_load_serves_all_who_wait_and_goes_on_without_the_first() -> None:
    loads, go = [], threading.Event()

    def load() -> Scripted:
        loads.append(1)
        assert go.wait(20)
        return Scripted()

    model = LocalModel(load, slots=3, unload_after=None, on_rest=lambda: None, failures=LlamaFailures("p", "m"))
    chats = [asyncio.ensure_future(said(model, b"x")) for _ in range(5)]
    await asyncio.sleep(0.01)
    chats[0].cancel()
    go.set()
    assert await asyncio.gather(*chats[1:]) == [b"x"] * 4
    assert len(loads) == 1
    await model.close()


async def test_a_failed_load_is_told_to_all_and_tried_again_by_the_next() -> None:
    results: list[Scripted | Exception] = [Unloadable("no such file"), Scripted()]

    def load() -> Scripted:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    model = LocalModel(load, slots=2, unload_after=None, on_rest=lambda: None, failures=LlamaFailures("p", "m"))
    outcomes = await asyncio.gather(said(model, b"x"), said(model, b"x"), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["p/m: no such file"] * 2
    assert not model.is_loaded
    assert await said(model, b"x") == b"x"
    await model.close()


async def test_a_failed_load_that_nobody_waited_for_is_not_told_to_the_next() -> None:
    go = threading.Event()
    results: list[Scripted | Exception] = [Unloadable("no such file"), Scripted()]

    def load() -> Scripted:
        assert go.wait(20)
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    model = LocalModel(load, slots=1, unload_after=None, on_rest=lambda: None, failures=LlamaFailures("p", "m"))
    gone = asyncio.ensure_future(said(model, b"x"))
    await asyncio.sleep(0.01)
    gone.cancel()
    await asyncio.wait([gone])
    go.set()
    while model.is_loaded:
        await asyncio.sleep(0.001)
    assert await said(model, b"x") == b"x"
    await model.close()


async def test_an_unforeseen_failure_of_loading_is_told_too() -> None:
    def load() -> Scripted:
        raise MemoryError("none left")

    model = LocalModel(load, slots=1, unload_after=None, on_rest=lambda: None, failures=LlamaFailures("p", "m"))
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable, match=r"p/m: loading failed: MemoryError\('none left'\)"):
            await said(model, b"x")
    await model.close()


async def test_closing_stops_chats_refuses_those_in_line_and_frees_the_memory() -> None:
    script = Scripted()
    model = local(script)
    chunks = model.chat(b"~")
    await anext(chunks)
    waiting = asyncio.ensure_future(said(model, b"never"))
    await asyncio.sleep(0.01)
    await model.close()
    assert script.stopped.is_set()
    assert script.closed.is_set()
    outcomes = await asyncio.gather(waiting, _rest(chunks), said(model, b"never"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UpstreamUnavailable] * 3
    assert script.order == [b"~"]


async def _rest(chunks: AsyncGenerator[list[bytes], None]) -> None:
    async for _ in chunks:
        pass


async def test_an_idle_model_is_unloaded_but_not_a_busy_one() -> None:
    script = Scripted()
    model = local(script, unload_after=0.02)
    chat = asyncio.ensure_future(said(model, b"a?b"))
    await asyncio.sleep(0.1)
    assert model.is_loaded
    assert not script.closed.is_set()
    script.go.set()
    assert await chat == b"ab"
    assert await asyncio.to_thread(script.closed.wait, 10)
    assert not model.is_loaded
    await model.close()
