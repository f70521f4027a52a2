"""What a request holds is given back once, and nothing is closed under it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest

from llms.config.load import loads
from llms.protocol.chat import ChatRequest, Chunk, ModelInfo
from llms.providers import registry
from llms.providers.base import Provider
from llms.testing.fake_upstream import FakeUpstream, cut, text_stream, wait
from tests.proxy import Proxy, RawClient, ask, chat, one_upstream, serving

WHOLE = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
}


class SlowToClose:
    """A provider that needs a moment to stop, as SDKs and threads do."""

    def __init__(self) -> None:
        self.closing = asyncio.Event()
        self.closed = 0

    async def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        try:
            yield Chunk.of(dict(WHOLE))
        finally:
            self.closing.set()
            await asyncio.sleep(0.2)
            self.closed += 1

    async def models(self) -> Sequence[ModelInfo]:
        return []


class CancelsItself:
    """A provider in whose own work somebody cancelled something."""

    async def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        task = asyncio.get_running_loop().create_task(asyncio.sleep(9))
        task.cancel()
        await task
        yield Chunk(())

    async def models(self) -> Sequence[ModelInfo]:
        return []


class Closing:
    """A provider that notes, or fails, when it is closed."""

    def __init__(self, inner: Provider, closed: Callable[[], None]) -> None:
        self._inner = inner
        self._closed = closed

    def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        return self._inner.chat(request, stream=stream)

    async def models(self) -> Sequence[ModelInfo]:
        return await self._inner.models()

    async def close(self) -> None:
        self._closed()


async def reload(proxy: Proxy, text: str) -> None:
    config = loads(text, filename="test.yaml", environ={}, validate_options=registry.validate)
    await proxy.engine.reload(config.changed(stores=proxy.engine.services.config.stores))


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not reached():
            await asyncio.sleep(0.005)


async def test_a_slot_is_given_back_once_though_closing_is_cancelled() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row="limits: {concurrency: 1}")) as proxy:
        member = proxy.engine.gateway.fleet.members["up"]
        member.begin = None
        for _ in range(3):
            provider = SlowToClose()
            member.provider = provider
            client = await RawClient.to(proxy)
            await client.send(chat(stream=False))
            await provider.closing.wait()
            client.reset()
            await until(lambda: not proxy.engine.gateway.live)
        assert (member.slots.busy, member.running) == (0, 0)


async def test_a_provider_that_is_gone_from_the_file_serves_those_who_wait_for_it() -> None:
    async with FakeUpstream() as upstream:
        text = one_upstream(upstream, row="limits: {concurrency: 1}")
        go = asyncio.Event()
        stream = text_stream("fine")
        upstream.script(stream.first(2).then(wait(go), *stream.steps[2:]))
        async with serving(text) as proxy:
            member = proxy.engine.gateway.fleet.members["up"]
            closed = asyncio.Event()
            member.provider = Closing(member.require(), closed.set)
            first = asyncio.create_task(ask(proxy, chat()))
            await upstream.arrived()
            second = asyncio.create_task(ask(proxy, chat()))
            await until(lambda: bool(member.slots.waiting))
            await reload(proxy, text.replace("concurrency: 1", "concurrency: 2"))
            assert not closed.is_set()
            go.set()
            assert [(await first).text, (await second).text] == ["fine", "fine"]
            async with asyncio.timeout(5):
                await closed.wait()


async def test_a_provider_that_fails_to_close_harms_no_later_reload() -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("fine"))
        text = one_upstream(upstream)
        async with serving(text) as proxy:
            member = proxy.engine.gateway.fleet.members["up"]
            member.provider = Closing(member.require(), lambda: 1 // 0)  # type: ignore[arg-type, return-value]
            await reload(proxy, text.replace("sk-planted", "sk-other"))
            await reload(proxy, text.replace("sk-planted", "sk-third").replace("m: {", "n: {"))
            assert (await ask(proxy, {**chat(), "model": "n"})).text == "fine"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_provider_that_cancels_itself_is_an_error_of_the_upstream(stream: bool) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row="retries: 0")) as proxy:
        member = proxy.engine.gateway.fleet.members["up"]
        member.provider, member.relay, member.begin = CancelsItself(), None, None
        reply = await ask(proxy, chat(stream=stream))
        assert (reply.status, reply.error["code"]) == (502, "upstream_error")
        [ended] = await proxy.all_ended(1)
        assert ended.outcome == "error"


async def test_a_cut_after_the_finish_reason_leaves_no_deadline_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    from llms.server.event_stream import EventStream

    done = EventStream.done

    async def slowly(events: EventStream, data: bytes) -> None:
        await asyncio.sleep(0.6)  # a client that takes the last event late
        await done(events, data)

    monkeypatch.setattr(EventStream, "done", slowly)
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("fine", usage=False, done=False).then(cut()))
        async with serving(one_upstream(upstream, row="timeouts: {idle: 0.2s}")) as proxy:
            reply = await ask(proxy, chat())
            assert reply.done
            assert [ended.outcome for ended in await proxy.all_ended(1)] == ["ok"]
