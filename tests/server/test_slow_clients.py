"""Clients that are slow: one that takes anything at all is waited for, one that takes nothing is cut."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any, Final

import pytest

from llms.server.event_stream import EventStream
from llms.server.untaken import STALL_SECONDS, Taking, untaken
from llms.streaming.ticker import Ticking
from llms.testing.fake_upstream import FakeUpstream, flood
from tests.proxy import Proxy, chat, one_upstream, serving
from tests.server.wire import post

FLOOD: Final = 50 * 2**20
SIP: Final = 200
"""Kilobytes: less than the system wants to be free in its buffer before it takes more."""


async def blocked(proxy: Proxy, kind: type[EventStream | Taking]) -> tuple[Ticking, asyncio.Transport]:
    """Wait until an answer waits for its client; nobody but the test tells who watches it the time from then on."""
    ticker = proxy.engine.gateway.ticker
    before = 0
    async with asyncio.timeout(20):
        while True:
            for found in [one for one in ticker.members if isinstance(one, kind)]:
                transport = found._outlet.transport if isinstance(found, EventStream) else found._transport
                assert transport is not None
                left = untaken(transport)
                if transport.get_write_buffer_size() and left == before:
                    ticker.discard(found)
                    return found, transport
                before = left
            await asyncio.sleep(0.1)


async def sip(client: socket.socket) -> None:
    """Read a little, kilobyte by kilobyte."""
    for _ in range(SIP):
        await asyncio.get_running_loop().sock_recv(client, 1024)


ASKED: Final = {
    "a chat": ("/v1/chat/completions", chat(), EventStream),
    "a message": ("/v1/messages", chat(max_tokens=9), EventStream),
    "what is passed on": ("/v1/audio/speech", {"model": "m", "input": "hello", "voice": "x"}, Taking),
}


@pytest.mark.parametrize(("path", "asked", "watch"), ASKED.values(), ids=ASKED)
async def test_a_client_that_reads_as_slowly_as_can_be_is_not_cut_and_one_that_stops_is(
    path: str, asked: Any, watch: type[EventStream | Taking]
) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row="passes: [audio]")) as proxy:
        upstream.script(flood(FLOOD))
        loop = asyncio.get_running_loop()
        client = socket.create_connection(("127.0.0.1", proxy.port))
        client.setblocking(False)
        text = json.dumps(asked).encode()
        await loop.sock_sendall(client, post(b"Content-Length: %d" % len(text), body=text, path=path.encode()))
        watching, transport = await blocked(proxy, watch)
        now = loop.time()
        watching.tick(now)
        for _ in range(3):
            await sip(client)
            watching.tick(now := now + STALL_SECONDS * 0.8)
            assert not transport.is_closing()
        watching.tick(now + STALL_SECONDS * 1.1)
        assert transport.is_closing()
        await (await upstream.arrived()).gone()
        client.close()
