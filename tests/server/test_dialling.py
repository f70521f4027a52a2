"""What is plain is answered inline over a new connection, too: how it is opened, and every way in which it is not."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager

import pytest

from llms.protocol.errors import Cancelled
from llms.protocol.events import AttemptFailed
from llms.protocol.sse import PING
from llms.server.errors import stopping
from llms.testing.fake_upstream import FakeUpstream, answer, close, head, stall, text_stream, whole
from tests.proxy import Proxy, RawClient, ask, chat, one_upstream, serving
from tests.server.test_hot_route import FAST, ID, ROLE, SAYS, Hot, waited

__all__ = ["waited"]

BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
NAME = "held.test"
ROW = "limits: {concurrency: 1}, retries: 0, models: [real-model]"
"""Its list of models is known, so that nothing is asked at the start."""


@asynccontextmanager
async def cold(upstream: FakeUpstream, waited: list[str]) -> AsyncGenerator[Hot, None]:
    """Serve without a connection to the upstream."""
    async with serving(one_upstream(upstream, row=ROW, more=FAST)) as proxy:
        yield Hot(upstream, proxy, waited)


class Silent:
    """Takes connections and says nothing, so that a TLS handshake never ends."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.left = asyncio.Event()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(1)
        self.came.set()
        await reader.read()
        self.left.set()
        writer.close()

    async def gone(self) -> None:
        """Wait until the connection that was being opened is given up."""
        async with asyncio.timeout(5):
            await self.left.wait()


@asynccontextmanager
async def dialling(
    waited: list[str], row: str = "", more: str = "", *, stream: bool = True
) -> AsyncGenerator[tuple[Hot, RawClient, Silent], None]:
    """Serve one request whose connection to the upstream does not come about."""
    silent = Silent()
    async with FakeUpstream(refuses=True) as nobody, await asyncio.start_server(silent.take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        text = one_upstream(nobody, row=f"{ROW}{row and ', '}{row}", more=FAST + more)
        async with serving(text.replace(nobody.url, f"https://127.0.0.1:{port}/v1")) as proxy:
            client = await RawClient.to(proxy)
            await client.send(chat(stream=stream), headers=ID)
            async with asyncio.timeout(5):
                await silent.came.wait()
            yield Hot(nobody, proxy, waited), client, silent
            client.close()


async def nothing_left(served: Hot) -> None:
    await served.let_go()
    pool = served.proxy.engine.pool
    async with asyncio.timeout(5):
        while pool._open or pool.tasks._tasks:
            await asyncio.sleep(0.005)


@BOTH
async def test_the_first_request_needs_no_task(waited: list[str], stream: bool) -> None:
    async with FakeUpstream() as upstream, cold(upstream, waited) as served:
        upstream.script(text_stream("one two three") if stream else whole("one two three"))
        for _ in range(2):
            assert (await ask(served.proxy, chat(stream=stream))).status == 200
        assert waited == []
        assert [seen.connection for seen in upstream.chats] == [1, 1]
        await served.let_go()


async def test_streams_that_begin_together_need_no_task(waited: list[str]) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FAST)) as proxy:
        upstream.script(text_stream().paced(0.01))
        replies = await asyncio.gather(*(ask(proxy, chat()) for _ in range(20)))
        assert {reply.text for reply in replies} == {"Hello world"}
        assert waited == []


@BOTH
async def test_where_nobody_listens_the_next_target_is_asked_once(
    waited: list[str], monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    async with FakeUpstream(refuses=True) as nobody, FakeUpstream() as upstream:
        upstream.script(text_stream() if stream else whole())
        text = (
            f"providers:\n  one: {{type: openai_compatible, base_url: '{nobody.url}', retries: 0, models: [a]}}\n"
            f"  other: {{type: openai_compatible, base_url: '{upstream.url}', retries: 0, models: [b]}}\n"
            f"models:\n  m: {{targets: [one/a, other/b]}}\n{FAST}"
        )
        async with serving(text) as proxy:
            dialled = noted_dials(proxy, monkeypatch)
            assert (await ask(proxy, chat(stream=stream))).status == 200
            [ended] = await proxy.all_ended(1)
            [failed] = [event for event in proxy.events if isinstance(event, AttemptFailed)]
            assert (failed.provider, failed.kind, failed.error_code) == ("one", "first", "upstream_unreachable")
            assert (ended.provider, ended.attempts, ended.fallbacks) == ("other", 2, 1)
            assert dialled == [nobody.port, upstream.port]
            assert len(waited) == 1
            assert all(member.running == 0 for member in proxy.engine.gateway.fleet.members.values())


def noted_dials(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the ports that are connected to."""
    dialled: list[int] = []
    names = proxy.engine.pool._names
    addresses = names.addresses

    async def noting(host: str, port: int) -> object:
        dialled.append(port)
        return await addresses(host, port)

    monkeypatch.setattr(names, "addresses", noting)
    return dialled


@BOTH
async def test_a_connection_that_takes_too_long_is_told_of(waited: list[str], stream: bool) -> None:
    async with dialling(waited, "timeouts: {connect: 200ms}", stream=stream) as (served, client, upstream):
        reply = await client.reply()
        assert (reply.status, reply.error["code"]) == (504, "upstream_timeout")
        assert "within 0.2 s" in reply.error["message"]
        [ended] = await served.proxy.all_ended(1)
        assert ended.attempts == 1
        await upstream.gone()
        await nothing_left(served)


@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset, RawClient.half_close])
async def test_a_client_that_leaves_stops_the_dialling(waited: list[str], leave: Callable[[RawClient], None]) -> None:
    async with dialling(waited) as (served, client, upstream):
        leave(client)
        await upstream.gone()
        await nothing_left(served)
        [ended] = await served.proxy.all_ended(1)
        assert (ended.outcome, ended.window) == ("cancelled", "before_first_chunk")
        assert waited == []


async def test_a_client_that_leaves_a_task_stops_the_dialling(waited: list[str]) -> None:
    async with dialling(waited, more="defaults: {heartbeat: 100ms}\n") as (served, client, upstream):
        await client.until(PING)  # which a task has sent
        client.close()
        await upstream.gone()
        await nothing_left(served)
        assert len(waited) == 1


@pytest.mark.parametrize("turns", [False, True], ids=["inline", "while it is handed over"])
async def test_the_owner_ends_the_dialling(waited: list[str], turns: bool) -> None:
    async with dialling(waited) as (served, client, upstream):
        if turns:
            served.inline.cancel()
        assert served.proxy.engine.services.running.cancel("the-one", Cancelled("by its owner"))
        assert (await client.reply()).error["message"] == "by its owner"
        await upstream.gone()
        await nothing_left(served)


async def test_a_server_that_stops_ends_the_dialling(waited: list[str]) -> None:
    async with dialling(waited) as (served, client, upstream):
        served.proxy.engine.services.running.end(stopping())
        assert (await client.reply()).error["code"] == stopping().code
        await upstream.gone()
        await nothing_left(served)


async def test_a_server_that_is_torn_down_ends_the_dialling(waited: list[str]) -> None:
    async with dialling(waited) as (served, _, upstream):
        await served.proxy.engine.pool.close()
        await upstream.gone()


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch) -> Generator[threading.Event, None, None]:
    """Hold the lookup of a name until this is set."""
    held = threading.Event()
    lookup = socket.getaddrinfo

    def waiting(host: str, *args: object, **options: object) -> object:
        if host == NAME:
            held.wait(20)
            host = "127.0.0.1"
        return lookup(host, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", waiting)
    yield held
    held.set()


@asynccontextmanager
async def named(upstream: FakeUpstream, waited: list[str]) -> AsyncGenerator[Hot, None]:
    """Serve with an upstream whose name is looked up."""
    text = one_upstream(upstream, row=ROW, more=FAST)
    async with serving(text.replace("127.0.0.1", NAME)) as proxy:
        yield Hot(upstream, proxy, waited)


@BOTH
@pytest.mark.parametrize("turns", [0, 1, 5])
async def test_a_task_takes_the_connection_when_it_is_there(
    waited: list[str], go: threading.Event, stream: bool, turns: int
) -> None:
    async with FakeUpstream() as upstream, named(upstream, waited) as served:
        upstream.script(text_stream("one two") if stream else whole("one two"))
        client = await RawClient.to(served.proxy)
        await client.send(chat(stream=stream))
        await under_way(served)
        served.inline.cancel()
        for _ in range(turns):
            await asyncio.sleep(0)
        go.set()
        reply = await client.reply()
        assert reply.status == 200
        assert "two" in reply.body.decode()
        assert len(waited) == 1
        assert len(upstream.chats) == 1
        assert upstream.open_connections == 1
        await served.let_go()
        client.close()


async def test_a_client_may_leave_in_the_turn_of_the_hand_over(waited: list[str], go: threading.Event) -> None:
    async with FakeUpstream() as upstream, named(upstream, waited) as served:
        client = await RawClient.to(served.proxy)
        await client.send(chat())
        await under_way(served)
        inline = served.inline
        inline.cancel()
        inline._client._exchange.left()  # type: ignore[attr-defined]
        await nothing_left(served)
        go.set()
        assert waited == []
        assert not upstream.chats
        client.close()


async def under_way(served: Hot) -> None:
    async with asyncio.timeout(5):
        while not len(served.proxy.engine.services.running):
            await asyncio.sleep(0.005)


async def test_a_new_connection_that_breaks_is_not_tried_again(waited: list[str]) -> None:
    async with FakeUpstream() as upstream, cold(upstream, waited) as served:
        upstream.script(answer(close()), text_stream())
        reply = await ask(served.proxy, chat())
        assert (reply.status, reply.error["code"]) == (502, "upstream_unreachable")
        assert len(upstream.chats) == 1
        await nothing_left(served)


async def test_a_client_that_leaves_behind_the_dialling_stops_the_upstream(waited: list[str]) -> None:
    async with FakeUpstream() as upstream, cold(upstream, waited) as served:
        for scripted in (answer(stall()), answer(head(200), stall()), answer(ROLE, *SAYS, stall())):
            client = await served.begun(scripted)
            client.close()
            await upstream.chats[-1].gone()
            await nothing_left(served)
        assert waited == []
