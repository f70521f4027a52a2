"""One connection, two ways: aiohttp's part of it is made when it is needed, and both end together."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from llms.server import runner
from llms.server.protocol import Connection
from llms.server.runner import Runner
from llms.testing.fake_upstream import FakeUpstream, answer, stall, wait, whole
from tests.proxy import Proxy, RawClient, chat, one_upstream, serving
from tests.server.test_hot_route import DONE, FAST, ROLE, SAYS, STOP, waited

__all__ = ["waited"]

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
ODD = {"Origin": "http://localhost"}
"""What makes a request one of aiohttp's."""
IDLE = 0.3


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """Return aiohttp's parts of all connections."""
    found: list[Connection] = []

    def noted(*args: Any, **options: Any) -> Connection:
        found.append(Connection(*args, **options))
        return found[-1]

    monkeypatch.setattr(runner, "Connection", noted)
    return found


async def asked(client: RawClient, *, odd: bool = False) -> None:
    """Ask, and read the whole answer."""
    await client.send(chat(stream=False), headers=ODD if odd else {})
    assert (await client.reply()).status == 200


async def test_aiohttp_is_not_asked_for_what_is_plain(made: list[Connection]) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FAST)) as proxy:
        upstream.script(whole())
        client = await RawClient.to(proxy)
        for _ in range(2):
            await asked(client)
        assert made == []
        for odd in (True, False, True, True, False, False):
            await asked(client, odd=odd)
        assert len(made) == 1
        client.close()


async def test_a_request_may_come_with_its_connection(waited: list[str]) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FAST)) as proxy:
        upstream.script(whole())
        body = b'{"model": "m", "messages": [{"role": "user", "content": "hello"}]}'
        kind = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        with socket.create_connection(("127.0.0.1", proxy.port)) as sock:
            sock.sendall(HEAD + kind + body)
            sock.setblocking(False)
            said = await asyncio.get_running_loop().sock_recv(sock, 65536)
        assert said.startswith(b"HTTP/1.1 200 ")
        assert waited == []


@pytest.mark.parametrize("odd", [(), (False,), (True,), (True, False), (False, True)])
async def test_an_idle_connection_is_closed(odd: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runner.__init__, "__kwdefaults__", {"keepalive": IDLE})
    monkeypatch.setattr("llms.server.hot_connection.HEAD_SECONDS", IDLE)
    go = asyncio.Event()
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FAST)) as proxy:
        upstream.script(answer(wait(go), *whole().steps, framing="length"))
        client = await RawClient.to(proxy)
        asyncio.get_running_loop().call_later(IDLE * 2, go.set)  # who waits for an answer is not idle
        for each in odd:
            await asked(client, odd=each)
        since = time.monotonic()
        async with asyncio.timeout(5):
            assert await client.reader.read() == b""
        assert time.monotonic() - since >= IDLE * 0.9
        client.close()


async def nothing(client: RawClient) -> None:
    """Only connect."""


async def half_a_head(client: RawClient) -> None:
    client.writer.write(HEAD)


async def half_a_body(client: RawClient) -> None:
    client.writer.write(HEAD + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")


async def both_ways(client: RawClient) -> None:
    for odd in (False, True, False):
        await asked(client, odd=odd)


@pytest.mark.parametrize("begin", [nothing, half_a_head, half_a_body, both_ways])
async def test_a_server_that_stops_closes_what_is_idle(begin: Callable[[RawClient], Any]) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(whole())
        async with serving(one_upstream(upstream, more=FAST)) as proxy:
            client = await RawClient.to(proxy)
            await begin(client)
            await asyncio.sleep(0.02)
        async with asyncio.timeout(5):
            said = await client.reader.read()
        assert said == b"" or said.startswith(b"HTTP/1.1 400 ")
        client.close()


@pytest.mark.parametrize("odd", [False, True])
async def test_a_server_that_stops_lets_an_answer_end(odd: bool) -> None:
    go = asyncio.Event()
    async with FakeUpstream() as upstream:
        async with serving(one_upstream(upstream, more=FAST)) as proxy:
            client = await client_of_both(proxy, upstream)
            upstream.script(answer(ROLE, *SAYS, wait(go), STOP, DONE))
            await client.send(chat(), headers=ODD if odd else {})
            await client.until(b"w3 ")
            asyncio.get_running_loop().call_later(0.05, go.set)
        assert b"[DONE]" in await client.reader.read()
        client.close()


async def client_of_both(proxy: Proxy, upstream: FakeUpstream) -> RawClient:
    upstream.script(whole())
    client = await RawClient.to(proxy)
    await both_ways(client)
    return client


async def test_a_client_that_leaves_is_left_both_ways() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FAST)) as proxy:
        for odd in (False, True):
            client = await client_of_both(proxy, upstream)
            upstream.script(answer(ROLE, *SAYS, stall()))
            await client.send(chat(), headers=ODD if odd else {})
            await client.until(b"w3 ")
            client.close()
            await upstream.chats[-1].gone()


async def test_what_was_held_for_a_client_that_left_is_not_begun() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FAST)) as proxy:
        client = await client_of_both(proxy, upstream)
        upstream.script(answer(ROLE, *SAYS, stall()))
        await client.send(chat())
        await client.until(b"w3 ")
        await client.send(chat())
        running = proxy.engine.services.running
        [inline] = running._inline
        connection = inline._client._exchange._connection  # type: ignore[attr-defined]
        async with asyncio.timeout(5):
            while not connection._held:
                await asyncio.sleep(0)
        client.reset()
        await upstream.chats[-1].gone()
        chats = len(upstream.chats)
        connection._take_up()  # as the end of the answer may have asked for in the turn before
        assert len(running) == 0
        assert len(upstream.chats) == chats


async def test_what_follows_an_answer_that_is_taken_slowly_is_answered(made: list[Connection]) -> None:
    text = "x" * 16 * 2**20
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FAST)) as proxy:
        upstream.script(whole(text), whole("two"))
        client = await RawClient.to(proxy)
        for _ in range(2):
            await client.send(chat(stream=False))
        assert len((await client.reply()).body) > len(text)
        assert b"two" in (await client.reply()).body
        assert len(made) == 1  # which was told that the client is slow
        client.close()
