"""What begins at once and what does not; where it does not, nothing was done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from llms.gateway.answer import Whole
from llms.gateway.at_once import begin
from llms.gateway.exchange import Exchange
from llms.gateway.inline import Inline
from llms.gateway.started import Opening
from llms.protocol.chat import Chunk
from llms.protocol.parse import parse_chat
from llms.protocol.shape import Shape
from llms.testing.fake_upstream import FakeUpstream, text_stream, whole
from tests.proxy import Proxy, ask, chat, serving

ROWS = """
providers:
  one: {{type: openai_compatible, base_url: '{url}', retries: 0, limits: {{concurrency: 1}}}}
  two: {{type: openai_compatible, base_url: '{url}', retries: 0}}
  echo: {{type: echo}}
models:
  m: {{targets: [one/a, two/b]}}
  turns: {{strategy: round_robin, targets: [one/a, two/b]}}
  other: {{targets: [echo/a]}}
"""


class Told:
    """A client that notes what it is told."""

    def __init__(self) -> None:
        self.chunks: list[Chunk | bytes] = []
        self.whole: Whole | None = None
        self.gone = False
        self.is_over = asyncio.Event()

    def answer(self, whole: Whole) -> None:
        self.whole = whole

    def tell(self, chunk: Chunk) -> bool:
        if self.gone:
            raise ConnectionResetError
        self.chunks.append(chunk)
        return True

    def pass_by(self, shape: Shape, data: bytes) -> int:
        count = shape.count(data)
        self.chunks.extend([data] * bool(count))
        return count

    def lane(self, exchange: Exchange) -> None:
        return None

    def end(self, chunk: Chunk) -> None:
        self.tell(chunk)

    def over(self) -> None:
        self.is_over.set()

    def leave(self) -> None:
        assert self.inline is not None
        self.inline.leave()
        self.is_over.set()

    def go_on(self, opening: Callable[[], Coroutine[Any, Any, Opening]], *, quiet: float) -> None:
        raise AssertionError("nothing has to be waited for")

    inline: Inline | None = None


def started(proxy: Proxy, client: Told, model: str = "m", *, stream: bool = True) -> Inline | None:
    raw = json.dumps({**chat(stream=stream), "model": model}).encode()
    request = parse_chat(raw, request_id="req", hops=0, stream=None)
    client.inline = begin(proxy.engine.gateway, request, client, route="/", key_id="")
    return client.inline


def assert_nothing_left(proxy: Proxy) -> None:
    gateway = proxy.engine.gateway
    assert not gateway.live
    assert not gateway.ticker.members
    assert all(member.running == 0 for member in gateway.fleet.members.values())
    assert gateway.fleet.members["one"].slots.take()
    gateway.fleet.members["one"].slots.release(None)


async def test_nothing_begins_where_more_has_to_be_done() -> None:
    async with FakeUpstream() as upstream, serving(ROWS.format(url=upstream.url)) as proxy:
        slots = proxy.engine.gateway.fleet.members["one"].slots
        assert slots.take()
        assert started(proxy, Told()) is None
        slots.release(None)
        for model in ("other", "none"):
            assert started(proxy, Told(), model) is None
        assert_nothing_left(proxy)
        assert not proxy.events
        assert not upstream.open_connections


async def test_turns_are_taken_by_what_begins() -> None:
    async with FakeUpstream() as upstream, serving(ROWS.format(url=upstream.url)) as proxy:
        slots = proxy.engine.gateway.fleet.members["one"].slots
        assert slots.take()
        assert started(proxy, Told(), "turns") is None  # which gives the turn back
        slots.release(None)
        for _ in range(3):
            client = Told()
            assert started(proxy, client, "turns") is not None
            async with asyncio.timeout(5):
                await client.is_over.wait()
        ended = await proxy.all_ended(3)
        assert [event.provider for event in ended] == ["one", "two", "one"]
        assert_nothing_left(proxy)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_is_told_to_its_end(stream: bool, kept: bool) -> None:
    async with FakeUpstream() as upstream, serving(ROWS.format(url=upstream.url)) as proxy:
        if kept:
            await ask(proxy, chat())
        upstream.script(text_stream("one two") if stream else whole("one two"))
        client = Told()
        assert started(proxy, client, stream=stream) is not None
        async with asyncio.timeout(5):
            await client.is_over.wait()
        assert bool(client.chunks) is stream
        assert (client.whole is None) is stream
        assert_nothing_left(proxy)
        assert {event.outcome for event in await proxy.all_ended(1 + kept)} == {"ok"}
        assert len({seen.connection for seen in upstream.chats}) == 1


async def test_a_client_that_turns_out_to_be_gone_is_left() -> None:
    async with FakeUpstream() as upstream, serving(ROWS.format(url=upstream.url)) as proxy:
        await ask(proxy, chat())
        client = Told()
        client.gone = True
        assert started(proxy, client) is not None
        async with asyncio.timeout(5):
            await client.is_over.wait()
        assert_nothing_left(proxy)
        assert (await proxy.all_ended(2))[1].outcome == "cancelled"
