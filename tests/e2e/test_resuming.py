"""Connections that break again and again: every stream is whole in the end, byte by byte, or says what it is not.

`make chaos` runs the same with more streams: LLMS_CHAOS says how many.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Generator
from pathlib import Path

import aiohttp
import pytest

from llms.testing.fake_upstream import FakeUpstream, stall, text_stream
from tests.e2e.process import running
from tests.e2e.returning import (
    CUTS,
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
    tell,
    text_for,
)
from tests.fault_proxy import fault_proxy
from tests.proxy import one_upstream, serving


@pytest.fixture(autouse=True)
def _many_files() -> Generator[None, None, None]:
    with many_files():
        yield


async def test_streams_whose_connections_are_cut_are_whole() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=PLENTY)) as proxy:
        upstream.on(paced)
        async with fault_proxy(proxy.port) as faulty:
            readers = readers_of([faulty.port], STREAMS, seed=7)
            await all_read(readers)
        tell("one server, connections cut", readers)
        check_whole(readers)
        check_bytes(readers[0], await plain_bytes(proxy.port, readers[0].tag))
        assert faulty.cuts == CUTS * STREAMS
        ended = await proxy.all_ended(STREAMS + 1)
        assert [each.outcome for each in ended] == ["ok"] * (STREAMS + 1)
        assert len(upstream.chats) == STREAMS + 1


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
