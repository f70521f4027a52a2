"""The scripted upstream refuses what it can't read and paces what it is asked to pace."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from benchmarks.script import Script, read_script, stream_blocks
from benchmarks.upstream import Ticker, running_upstream


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with running_upstream() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[]",
        b"{}",
        b'{"messages":[]}',
        b'{"messages":[{"role":"user","content":"hello"}]}',
        b'{"messages":[{"role":"user","content":"BENCH chunks=0 interval_ms=0 size=16 tag=00000000"}]}',
    ],
)
async def test_what_has_no_script_is_refused(address: str, body: bytes) -> None:
    async with ClientSession() as session, session.post(address, data=body) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["message"]


async def test_a_get_lists_the_model(address: str) -> None:
    async with ClientSession() as session, session.get(f"{address}/v1/models") as answer:
        assert [model["id"] for model in (await answer.json())["data"]] == ["gpt-4o-mini"]


async def test_usage_comes_only_when_asked_for(address: str) -> None:
    script = Script(chunks=2, interval_ms=1)
    request = {"messages": [{"role": "user", "content": script.prompt()}], "stream": True}
    async with ClientSession() as session, session.post(address, json=request) as answer:
        assert await answer.read() == b"".join(stream_blocks(script, usage=False))


async def test_a_request_may_come_byte_by_byte(address: str) -> None:
    body = b'{"messages":[{"content":"BENCH chunks=1 interval_ms=0 size=16 tag=00000000"}]}'
    request = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    for byte in request:
        writer.write(bytes([byte]))
        await asyncio.sleep(0)
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.close()
    await writer.wait_closed()


def test_a_script_is_read_as_it_was_written() -> None:
    script = Script(chunks=100, interval_ms=2.5, size=40, tag="0a1b2c3d")
    assert read_script(script.prompt() + "filler") == script
    assert len(script.text(7)) == 40


async def test_the_ticker_wakes_in_order_of_time_whatever_the_order_of_asking() -> None:
    loop, woken, done = asyncio.get_running_loop(), [], asyncio.Event()
    ticker, now = Ticker(loop), loop.time()
    ticker.at(now + 0.03, lambda due: done.set())
    ticker.at(now + 0.02, lambda due: woken.append("second"))
    ticker.at(now + 0.01, lambda due: woken.append("first"))
    await asyncio.wait_for(done.wait(), 5)
    assert woken == ["first", "second"]
