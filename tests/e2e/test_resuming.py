"""Connections that break again and again: every stream is whole in the end, byte by byte, or says what it is not.

`make chaos` runs the same with more streams: LLMS_CHAOS says how many.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import signal
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from llms.testing.answers import Answer
from llms.testing.fake_upstream import FakeUpstream, stall, text_stream
from llms.testing.seen import Seen
from tests.e2e.process import Process, running
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.proxy import chat, one_upstream, serving
from tests.redis_server import RedisServer, redis_server

STREAMS: Final = int(os.environ.get("LLMS_CHAOS", "20"))
SHARED: Final = max(10, STREAMS // 10)
PIECES: Final = 300
CUTS: Final = 3
LONGEST: Final = 15_000
"""Bytes of an answer before a cut; a whole one has some 60,000."""
PATIENCE: Final = 100.0
PLENTY: Final = "resume: {streams: 2000, streams_per_caller: 2000}\n"


@pytest.fixture(autouse=True)
def _many_files() -> Generator[None, None, None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = max(soft, 12 * STREAMS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough if hard == resource.RLIM_INFINITY else min(enough, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def text_for(tag: str) -> str:
    return "".join(f"{tag}-{n} " for n in range(PIECES))


def paced(seen: Seen) -> Answer:
    return text_stream(text_for(str(seen.json["messages"][0]["content"]))).paced(0.001)


@dataclass
class Reader:
    """A client that comes back until its stream is over, to one port after the other."""

    tag: str
    ports: Sequence[int]
    rng: random.Random
    frames: list[bytes] = field(default_factory=list)
    stream_id: str = ""
    connections: int = 0
    error: dict[str, Any] | None = None

    async def read(self, http: aiohttp.ClientSession) -> Reader:
        """Read to the end; an error that says so, a refusal and a broken connection are come back from."""
        while not self._is_over:
            try:
                async with self._request(http) as answer:
                    if answer.status == 200:
                        self.stream_id = answer.headers["X-LLMS-Stream-Id"]
                        await self._take(answer.content)
                    else:
                        assert answer.status in (404, 503), await answer.text()
                        await asyncio.sleep(0.1)
            except (aiohttp.ClientError, ConnectionError):
                await asyncio.sleep(self.rng.uniform(0, 0.05))
        return self

    @property
    def body(self) -> bytes:
        return b"".join(self.frames)

    @property
    def text(self) -> str:
        events = [json.loads(frame.partition(b"data: ")[2]) for frame in self.frames if b"[DONE]" not in frame]
        choices = [choice for event in events for choice in event.get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    @property
    def _is_over(self) -> bool:
        return bool(self.frames) and (self.error is not None or b"data: [DONE]" in self.frames[-1])

    def _request(self, http: aiohttp.ClientSession) -> Any:
        port = self.ports[self.connections % len(self.ports)]
        cut = {"x-cut-after": str(self.rng.randint(1000, LONGEST))} if self.connections < CUTS else {}
        self.connections += 1
        if self.stream_id:
            url = f"http://127.0.0.1:{port}/v1/streams/{self.stream_id}"
            return http.get(url, headers={**cut, "Last-Event-ID": str(len(self.frames))})
        body = chat(messages=[{"role": "user", "content": self.tag}])
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        return http.post(url, json=body, headers={**cut, "X-LLMS-Stream": "resumable"})

    async def _take(self, content: aiohttp.StreamReader) -> None:
        """Take whole events; each must be the next one."""
        pending = b""
        async for data in content.iter_any():
            *whole, pending = (pending + data).split(b"\n\n")
            for frame in whole:
                frame = frame.removeprefix(b": ping\n")
                told = json.loads(frame.partition(b"data: ")[2]) if b'"error"' in frame else {}
                if told.get("error", {}).get("resumable"):
                    return
                assert frame.startswith(b"id: %d\n" % (len(self.frames) + 1)), f"{self.tag}: lost or doubled: {frame!r}"
                self.frames.append(frame + b"\n\n")
                self.error = told.get("error")


async def all_read(ports: Sequence[int], count: int, *, seed: int) -> list[Reader]:
    rng = random.Random(seed)
    readers = [Reader(f"s{n}", ports, random.Random(rng.random())) for n in range(count)]
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.timeout(PATIENCE):
        return await asyncio.gather(*(reader.read(http) for reader in readers))


async def plain_bytes(port: int, tag: str) -> bytes:
    """Return the events of the plain stream."""
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    body = chat(messages=[{"role": "user", "content": tag}])
    async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
        return await answer.read()


def check(readers: Sequence[Reader], plain: bytes) -> None:
    """Check that each text is whole, and that the bytes of the first are those of the plain stream, with ids."""
    for reader in readers:
        assert reader.error is None
        assert reader.text == text_for(reader.tag)
        assert reader.connections > CUTS
    parts = plain.split(b"\n\n")[:-1]
    assert readers[0].body == b"".join(b"id: %d\n%b\n\n" % item for item in enumerate(parts, 1))


async def test_streams_whose_connections_are_cut_are_whole() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=PLENTY)) as proxy:
        upstream.on(paced)
        async with fault_proxy(proxy.port) as faulty:
            readers = await all_read([faulty.port], STREAMS, seed=7)
        check(readers, await plain_bytes(proxy.port, readers[0].tag))
        assert faulty.cuts == CUTS * STREAMS
        ended = await proxy.all_ended(STREAMS + 1)
        assert [each.outcome for each in ended] == ["ok"] * (STREAMS + 1)
        assert len(upstream.chats) == STREAMS + 1


@dataclass
class Cluster:
    """Two real servers, a fault proxy before each, and their Redis."""

    upstream: FakeUpstream
    redis: RedisServer
    a: Process
    b: Process
    faulty: Sequence[FaultProxy]


@asynccontextmanager
async def cluster(folder: Path) -> AsyncGenerator[Cluster, None]:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(FakeUpstream())
        upstream.on(paced)
        redis = await stack.enter_async_context(redis_server(folder))
        text = one_upstream(upstream, more=f"{PLENTY}stores: {{state: '{redis.url}', usage: none}}\n")
        starts = (stack.enter_async_context(running(text, folder / name, "--no-ui")) for name in ("a", "b"))
        a, b = await asyncio.gather(*starts)
        faulty = [await stack.enter_async_context(fault_proxy(server.port)) for server in (a, b)]
        yield Cluster(upstream, redis, a, b, faulty)


@pytest.mark.redis
async def test_readers_that_change_servers_get_whole_streams(tmp_path: Path) -> None:
    async with cluster(tmp_path) as servers:
        readers = await all_read([faulty.port for faulty in servers.faulty], SHARED, seed=8)
        plain = await plain_bytes(servers.b.port, readers[0].tag)
        check(readers, plain)
        assert len(servers.upstream.chats) == SHARED + 1
        reading = asyncio.create_task(all_read([faulty.port for faulty in servers.faulty], SHARED, seed=9))
        await servers.upstream.arrived(SHARED + 2, timeout=20)
        await servers.redis.stop()
        await servers.a.logged("the stream store is lost; streams go on, and can be resumed here only")
        await servers.redis.start()
        check(await reading, plain)
        lost = [line for line in servers.a.events if line["event"].startswith("the stream store is lost")]
        assert len(lost) == 1


@pytest.mark.redis
async def test_a_server_that_is_killed_ends_its_streams_honestly(tmp_path: Path) -> None:
    async with cluster(tmp_path) as servers:
        servers.upstream.on(lambda seen: text_stream(text_for("x")).first(100).then(stall()))
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.timeout(PATIENCE):
            starting = [Reader("x", [servers.a.port], random.Random(n)) for n in range(5)]
            begun = [asyncio.create_task(reader.read(http)) for reader in starting]
            while any(len(reader.frames) < 50 for reader in starting):
                await asyncio.sleep(0.02)
            elsewhere = [
                Reader("x", [servers.b.port], random.Random(0), stream_id=reader.stream_id, connections=CUTS)
                for reader in [*starting, *starting]
            ]
            following = [asyncio.create_task(reader.read(http)) for reader in elsewhere]
            while any(len(reader.frames) < 50 for reader in elsewhere):
                await asyncio.sleep(0.02)
            servers.a.signal(signal.SIGKILL)
            for task in begun:
                task.cancel()
            ended = await asyncio.gather(*following)
    for reader in ended:
        assert reader.error is not None
        assert reader.error["code"] == "upstream_truncated"
        assert reader.error["resumable"] is False
        assert reader.error["partial"] == reader.text
        assert text_for("x").startswith(reader.text)
        assert reader.error["last_event_id"] == len(reader.frames) - 1
    assert all(one.body == other.body for one, other in zip(ended[:5], ended[5:], strict=True))


async def test_a_server_that_is_told_to_stop_ends_its_streams_with_a_word(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.on(lambda seen: text_stream(text_for("x")).first(100).then(stall()))
        more = "server: {drain: 200ms}\nstores: {usage: none}\n"
        async with running(one_upstream(upstream, more=more), tmp_path, "--no-ui") as server:
            reader = Reader("x", [server.port], random.Random(0), connections=CUTS)
            async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE):
                reading = asyncio.create_task(reader.read(http))
                while len(reader.frames) < 50:
                    await asyncio.sleep(0.02)
                server.signal(signal.SIGTERM)
                await reading
            assert await server.ended() == 0
            assert "Traceback" not in server.log
    assert reader.error is not None
    assert (reader.error["code"], reader.error["resumable"]) == ("server_stopping", False)
    assert text_for("x").startswith(reader.text)
