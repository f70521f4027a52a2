"""Two real servers with one Redis, and readers that change between them: nothing is lost, or it is said what.

`make chaos` runs the same with more streams: LLMS_CHAOS says how many.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from llms.testing.answers import Answer
from llms.testing.fake_upstream import FakeUpstream, text_stream
from llms.testing.seen import Seen
from tests.e2e.process import Process, running
from tests.e2e.returning import (
    PATIENCE,
    PLENTY,
    STREAMS,
    Reader,
    all_read,
    check_bytes,
    check_whole,
    many_files,
    paced,
    plain_bytes,
    readers_of,
    tag_of,
    tell,
    text_for,
)
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.proxy import one_upstream
from tests.redis_server import RedisServer, redis_server

pytestmark = pytest.mark.redis
BEGUN: Final = 30
"""Events after which a stream is in its midst."""
LOST: Final = "the stream store is lost; streams go on, and can be resumed here only"


@dataclass
class Cluster:
    """Two real servers, a fault proxy before each, and their Redis."""

    upstream: FakeUpstream
    redis: RedisServer
    a: Process
    b: Process
    faulty: Sequence[FaultProxy]

    @property
    def ports(self) -> Sequence[int]:
        """Return where readers go, the first server first."""
        return [faulty.port for faulty in self.faulty]


@asynccontextmanager
async def cluster(folder: Path) -> AsyncGenerator[Cluster, None]:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(FakeUpstream())
        redis = await stack.enter_async_context(redis_server(folder))
        text = one_upstream(upstream, more=f"{PLENTY}stores: {{state: '{redis.url}', usage: none}}\n")
        starts = (stack.enter_async_context(running(text, folder / name, "--no-ui")) for name in ("a", "b"))
        a, b = await asyncio.gather(*starts)
        faulty = [await stack.enter_async_context(fault_proxy(server.port)) for server in (a, b)]
        yield Cluster(upstream, redis, a, b, faulty)


@pytest.fixture
def _many_files() -> Generator[None, None, None]:
    with many_files():
        yield


@pytest.fixture
async def servers(tmp_path: Path, _many_files: None) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path) as made:
        yield made


def in_no_hurry(seen: Seen) -> Answer:
    return text_stream(text_for(tag_of(seen))).paced(0.01)


async def all_begun(readers: Sequence[Reader]) -> None:
    """Wait until every stream is in its midst."""
    async with asyncio.timeout(PATIENCE):
        while any(len(reader.frames) < BEGUN for reader in readers):
            await asyncio.sleep(0.02)


async def test_readers_that_change_servers_get_whole_streams(servers: Cluster) -> None:
    servers.upstream.on(paced)
    readers = readers_of(servers.ports, STREAMS, seed=8)
    await all_read(readers)
    tell("two servers, readers alternating", readers)
    check_whole(readers)
    check_bytes(readers[0], await plain_bytes(servers.b.port, readers[0].tag))
    assert len(servers.upstream.chats) == STREAMS + 1


async def test_a_redis_that_is_stopped_and_started_breaks_no_stream(servers: Cluster) -> None:
    servers.upstream.on(in_no_hurry)
    readers = readers_of(servers.ports, STREAMS, seed=9)
    reading = asyncio.create_task(all_read(readers))
    await all_begun(readers)
    await servers.redis.stop()
    await servers.a.logged(LOST)
    await servers.redis.start()
    await reading
    tell("Redis stopped and started", readers)
    check_whole(readers)
    assert len(servers.upstream.chats) == STREAMS
    assert len([line for line in servers.a.events if line["event"] == LOST]) == 1


async def test_a_server_that_is_killed_ends_its_streams_honestly_and_no_others(servers: Cluster) -> None:
    servers.upstream.on(in_no_hurry)
    of_a = readers_of(servers.ports, STREAMS // 2, seed=10, prefix="a")
    of_b = readers_of(servers.ports[::-1], STREAMS // 2, seed=11, prefix="b")
    reading = asyncio.create_task(all_read([*of_a, *of_b]))
    await all_begun([*of_a, *of_b])
    servers.a.signal(signal.SIGKILL)
    await reading
    tell("of the server that was killed", of_a)
    tell("of the other one", of_b)
    check_whole(of_b)
    broken = [reader for reader in of_a if reader.error is not None]
    check_whole([reader for reader in of_a if reader.error is None])
    assert broken
    for reader in broken:
        check_honest(reader)


def check_honest(reader: Reader) -> None:
    """Check that a stream whose server is gone says so, with all the text there is; its reader may have had more."""
    error = reader.error
    assert error is not None
    assert (error["code"], error["resumable"]) == ("upstream_truncated", False)
    assert text_for(reader.tag).startswith(reader.text)
    assert text_for(reader.tag).startswith(error["partial"])
    assert error["last_event_id"] <= len(reader.frames) - 1 or error["partial"].startswith(reader.text)


async def test_all_readers_of_a_broken_stream_are_told_the_same(servers: Cluster) -> None:
    servers.upstream.on(in_no_hurry)
    first = readers_of([servers.a.port], 3, seed=12)
    reading = asyncio.create_task(all_read(first))
    await all_begun(first)
    elsewhere = [Reader(each.tag, [servers.b.port], each.rng, stream_id=each.stream_id) for each in [*first, *first]]
    following = asyncio.create_task(all_read(elsewhere))
    await all_begun(elsewhere)
    servers.a.signal(signal.SIGKILL)
    await following
    reading.cancel()
    for reader in elsewhere:
        check_honest(reader)
        assert reader.error is not None
        assert (reader.error["partial"], reader.error["last_event_id"]) == (reader.text, len(reader.frames) - 1)
    assert all(one.body == other.body for one, other in zip(elsewhere[:3], elsewhere[3:], strict=True))
