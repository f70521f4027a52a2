"""A request that fails is freed at its end: nothing of it waits for the garbage collector, which comes rarely."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Generator

import pytest

from llms.testing.answers import chunk
from llms.testing.fake_upstream import (
    FakeUpstream,
    Script,
    answer,
    close,
    cut,
    error,
    event,
    head,
    pause,
    stall,
    text_stream,
    whole,
)
from tests.proxy import Proxy, RawClient, ask, chat, one_upstream, serving

BEGUN = text_stream("a b c").first(3)
APART = [step for word in "abcdef" for step in (event(chunk({"content": word})), pause(0.01))]
"""Repeated chunks, each of them a read."""
FAILURES: dict[str, Script] = {
    "none": text_stream("a b c"),
    "none, read by read": BEGUN.then(*APART, event(chunk({}, "stop")), event("[DONE]")),
    "closed, read by read": BEGUN.then(*APART, close()),
    "none, whole": whole("a b c"),
    "a refusal": error(429),
    "a defect of the upstream": error(500),
    "cut before the head": answer(cut()),
    "cut before the first chunk": answer(head(), cut()),
    "closed in the stream": BEGUN.then(close()),
    "silence before the head": answer(stall()),
    "silence in the stream": BEGUN.then(stall()),
    "an error event": BEGUN.then(event({"error": {"message": "no", "code": "x"}})),
}
ROW = "retries: 0, timeouts: {first_chunk: 0.2s, idle: 0.2s}"
PATHS = {
    "chat": ("/v1/chat/completions", {}),
    "resumable": ("/v1/chat/completions", {"X-LLMS-Stream": "resumable"}),
    "messages": ("/v1/messages", {}),
    "responses": ("/v1/responses", {}),
}


@pytest.fixture
def kept() -> Generator[list[object], None, None]:
    """Collect by hand, and keep what only the collector would have freed."""
    gc.collect()
    gc.disable()
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


def of_ours(garbage: list[object]) -> set[str]:
    """Return the types of ours among some objects."""
    kinds = {f"{type(each).__module__}.{type(each).__qualname__}" for each in garbage}
    return {kind for kind in kinds if kind.startswith("llms.") and not kind.startswith("llms.testing.")}


async def at_rest(proxy: Proxy, count: int) -> None:
    await proxy.all_ended(count)
    for _ in range(5):
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_is_left_to_the_garbage_collector(path: str, kept: list[object]) -> None:
    where, headers = PATHS[path]
    body = {"model": "m", "input": "hello", "stream": True} if path == "responses" else chat(max_tokens=100)
    found: dict[str, set[str]] = {}
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=ROW)) as proxy:
        for count, failure in enumerate(FAILURES, 1):
            upstream.script(FAILURES[failure])
            await ask(proxy, body, path=where, headers=headers)
            await at_rest(proxy, count)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            found[failure] = of_ours(kept)
            gc.set_debug(0)
            kept.clear()
    assert {failure: kinds for failure, kinds in found.items() if kinds} == {}


@pytest.mark.parametrize("window", ["before the head", "in the stream"])
@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset], ids=lambda way: way.__name__)
async def test_nothing_is_left_of_a_client_that_left(
    leave: Callable[[RawClient], None], window: str, kept: list[object]
) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(answer(stall()) if window == "before the head" else BEGUN.then(stall()))
        async with serving(one_upstream(upstream)) as proxy:
            for count in (1, 2):
                gc.collect()
                client = await RawClient.to(proxy)
                await client.send(chat())
                if window == "in the stream":
                    await client.until(b'"a ')
                while len(upstream.chats) < count:
                    await asyncio.sleep(0.01)
                leave(client)
                client.close()
                await at_rest(proxy, count)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            assert of_ours(kept) == set()
