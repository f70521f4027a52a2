"""A chat that is sent over a new connection leaves nothing behind, whenever it is left or taken over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llms.protocol.errors import UpstreamUnreachable
from llms.providers._begun import BegunChat
from llms.providers._pool import Pool
from llms.testing.contract.setup import Setup
from llms.testing.fake_upstream import FakeUpstream, text_stream
from tests.providers.relayed import made, said

TURNS = range(12)


def begun(setup: Setup, provider: Any) -> BegunChat:
    found = provider.begin(setup.request(), stream=True)
    assert isinstance(found, BegunChat)
    return found


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def nothing_left(pool: Pool, upstream: FakeUpstream) -> None:
    async with asyncio.timeout(5):
        while pool._open or pool.tasks._tasks or upstream.open_connections:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_it_may_be_left_in_every_turn(host: str) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream().paced(0.05))
        setup = made(base_url=upstream.url.replace("127.0.0.1", host))
        async with setup.ready() as (provider, _):
            for count in TURNS:
                chat = begun(setup, provider)
                heard: list[str] = []
                chat.listen(lambda chat=chat, heard=heard: heard.append(chat.standing))  # type: ignore[misc]
                await turns(count)
                chat.abort()
                told = len(heard)
                await nothing_left(setup.resources.pool, upstream)
                chat.abort()
                assert len(heard) == told, "who has left hears no more"


async def test_it_may_be_taken_over_in_every_turn() -> None:
    setup = made()
    async with setup.ready() as (provider, upstream):
        for count in TURNS:
            upstream.script(text_stream("one two"))
            chat = begun(setup, provider)
            await turns(count)
            chunks = [chunk async for chunk in provider.resume(setup.request(), chat, stream=True)]
            chat.abort()  # which is none of its business by now
            assert said(setup, chunks) == "one two"
            assert len(upstream.chats) == count + 1
            assert upstream.open_connections == 1
            await setup.resources.pool.close()
            await nothing_left(setup.resources.pool, upstream)


async def test_whoever_takes_it_over_may_be_cancelled_in_every_turn() -> None:
    setup = made()
    async with setup.ready() as (provider, upstream):
        upstream.script(text_stream().paced(0.05))
        for count in TURNS:
            chat = begun(setup, provider)
            chunks = provider.resume(setup.request(), chat, stream=True)
            task = asyncio.ensure_future(anext(chunks))
            await turns(count)
            task.cancel()
            await asyncio.wait((task,))
            await chunks.aclose()
            chat.abort()
            await nothing_left(setup.resources.pool, upstream)


async def test_its_failure_is_raised_once_and_by_whoever_takes_it_over() -> None:
    async with FakeUpstream(refuses=True) as nobody:
        setup = made(base_url=nobody.url)
        async with setup.ready() as (provider, _):
            chat = begun(setup, provider)
            odd = asyncio.Event()
            chat.listen(odd.set)
            assert chat.standing == "waiting"
            async with asyncio.timeout(5):
                await odd.wait()
            assert chat.standing == "odd"
            with pytest.raises(UpstreamUnreachable, match="cannot connect"):
                await anext(provider.resume(setup.request(), chat, stream=True))
