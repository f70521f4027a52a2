"""A real server that answers plain requests inline while it is told to end, or to take a new configuration."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from llms.testing.answers import Answer, chunk
from llms.testing.fake_upstream import FakeUpstream, answer, event, text_stream, wait, whole
from llms.testing.seen import Seen
from tests.e2e.process import Process, running
from tests.proxy import RawClient, Reply, chat, one_upstream

COUNT: Final = 12
"""Clients, every other one streaming."""
FIRST: Final = event(chunk({"role": "assistant", "content": "first, "}))
SEED: Final = 7
"""Tells the requests that are held from those before them."""


@dataclass
class Held:
    """A server with requests under way on connections that it knows already, as is the upstream's."""

    server: Process
    upstream: FakeUpstream
    clients: list[RawClient]
    idle: RawClient
    go_on: asyncio.Event

    async def finished(self) -> list[Reply]:
        """Let the upstream go on; return all answers."""
        self.go_on.set()
        return await asyncio.gather(*(client.reply() for client in self.clients))


@asynccontextmanager
async def held(folder: Path) -> AsyncGenerator[Held, None]:
    """Have streams stand midway, and whole answers wait."""
    warm, go_on = asyncio.Event(), asyncio.Event()

    def answered(seen: Seen) -> Answer:
        if seen.json.get("seed") != SEED:
            return answer(wait(warm), *whole("warm").steps, framing="length")
        if seen.stream:
            return answer(FIRST, wait(go_on), *text_stream("then the rest").steps)
        return answer(wait(go_on), *whole("whole").steps, framing="length")

    async with FakeUpstream() as upstream, running(one_upstream(upstream), folder) as server:
        upstream.on(answered)
        clients = [await server.client() for _ in range(COUNT + 1)]
        for client in clients:
            await client.send(chat(stream=False))
        await upstream.arrived(COUNT + 1)
        warm.set()
        for client in clients:
            assert (await client.reply()).status == 200
        *busy, idle = clients
        for place, client in enumerate(busy):
            await client.send(chat(stream=place % 2 > 0, seed=SEED))
        await upstream.arrived(2 * COUNT + 1)
        try:
            yield Held(server, upstream, busy, idle, go_on)
        finally:
            for client in clients:
                client.close()


def assert_whole(replies: list[Reply]) -> None:
    for place, reply in enumerate(replies):
        assert reply.status == 200
        if place % 2:
            assert (reply.text, reply.done, reply.whole) == ("first, then the rest", True, True)
        else:
            assert b'"whole"' in reply.body


async def test_what_is_answered_inline_is_finished_before_the_end(tmp_path: Path) -> None:
    async with held(tmp_path) as under_way:
        server = under_way.server
        server.signal(signal.SIGTERM)
        await server.logged("draining")
        await under_way.idle.send(chat())
        refused = await under_way.idle.reply()
        assert (refused.status, refused.error["code"]) == (503, "server_stopping")
        assert_whole(await under_way.finished())
        assert await server.ended() == 0
        assert len(under_way.upstream.chats) == 2 * COUNT + 1
        assert "Traceback" not in server.log


@pytest.mark.parametrize("is_told", [True, False], ids=["SIGHUP", "time stamp"])
async def test_what_is_answered_inline_stays_with_its_configuration(is_told: bool, tmp_path: Path) -> None:
    async with held(tmp_path) as under_way, FakeUpstream() as other:
        server = under_way.server
        other.on(lambda seen: text_stream("new words") if seen.stream else whole("new words"))
        server.configure(one_upstream(other))
        if is_told:
            server.signal(signal.SIGHUP)
        await server.logged("configuration in force")
        for stream in (True, False):
            await under_way.idle.send(chat(stream=stream))
            reply = await under_way.idle.reply()
            assert (reply.text if stream else "new words") == "new words"
            assert b"new" in reply.body
        assert_whole(await under_way.finished())
        await under_way.clients[0].send(chat())
        assert (await under_way.clients[0].reply()).text == "new words"
        assert (len(under_way.upstream.chats), len(other.chats)) == (2 * COUNT + 1, 3)
        assert "Traceback" not in server.log
