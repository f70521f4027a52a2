"""A client that leaves stops the upstream, wherever its request stands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from llms.testing.answers import chunk
from llms.testing.fake_upstream import FakeUpstream, answer, event, flood, head, stall, text_stream, whole
from tests.proxy import RawClient, ask, chat, one_upstream, serving

BOUND = 1.0
"""Seconds; the aim is a tenth of it, but machines are busy."""

WAYS = [RawClient.close, RawClient.reset, RawClient.half_close]
ANSWERS = {
    "before the head": answer(stall()),
    "before the first event": answer(head(), stall()),
    "mid-stream": answer(event(chunk({"role": "assistant", "content": "a"})), stall()),
}


@pytest.mark.parametrize("leave", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("window", ANSWERS)
async def test_a_stream_is_stopped_at_the_upstream(window: str, leave: Callable[[RawClient], None]) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(ANSWERS[window])
        async with serving(one_upstream(upstream)) as proxy:
            client = await RawClient.to(proxy)
            await client.send(chat())
            seen = await upstream.arrived()
            if window == "mid-stream":
                await client.until(b'"a"')
            left = time.monotonic()
            leave(client)
            assert await seen.gone(5.0) - left < BOUND
            [ended] = await proxy.all_ended(1)
            assert ended.outcome == "cancelled"
            assert ended.window == ("streaming" if window == "mid-stream" else "before_first_chunk")
            client.close()


@pytest.mark.parametrize("leave", WAYS, ids=lambda way: way.__name__)
async def test_a_stream_that_nobody_takes_is_stopped_at_the_upstream(leave: Callable[[RawClient], None]) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(flood(64 * 2**20))
        async with serving(one_upstream(upstream)) as proxy:
            client = await RawClient.to(proxy)
            client.reader._limit = 1024  # type: ignore[attr-defined]  # asyncio reads no more than twice that
            await client.send(chat())
            seen = await upstream.arrived()
            async with asyncio.timeout(10):
                while not any(getattr(each, "_blocked", False) for each in proxy.engine.gateway.ticker.members):
                    await asyncio.sleep(0.01)
            leave(client)
            await seen.gone(20.0)
            [ended] = await proxy.all_ended(1)
            assert (ended.outcome, ended.window) == ("cancelled", "streaming")
            client.close()


@pytest.mark.parametrize("leave", WAYS, ids=lambda way: way.__name__)
async def test_a_whole_answer_is_stopped_at_the_upstream(leave: Callable[[RawClient], None]) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(answer(stall()))
        async with serving(one_upstream(upstream)) as proxy:
            client = await RawClient.to(proxy)
            await client.send(chat(stream=False))
            seen = await upstream.arrived()
            left = time.monotonic()
            leave(client)
            assert await seen.gone(5.0) - left < BOUND
            [ended] = await proxy.all_ended(1)
            assert (ended.outcome, ended.window) == ("cancelled", "whole_answer")
            client.close()


async def test_whoever_leaves_the_queue_never_reaches_the_upstream() -> None:
    async with FakeUpstream() as upstream:
        upstream.script(answer(event(chunk({"role": "assistant", "content": "a"})), stall()), text_stream("after"))
        async with serving(one_upstream(upstream, row="limits: {concurrency: 1, queue: 4}")) as proxy:
            first = await RawClient.to(proxy)
            await first.send(chat())
            await first.until(b'"a"')
            waiting = await RawClient.to(proxy)
            await waiting.send(chat())
            member = proxy.engine.gateway.fleet.members["up"]
            async with asyncio.timeout(5):
                while not member.slots.waiting:
                    await asyncio.sleep(0.005)
            waiting.close()
            [ended] = await proxy.all_ended(1)
            assert (ended.outcome, ended.window) == ("cancelled", "queued")
            first.close()
            await proxy.all_ended(2)
            assert (await ask(proxy, chat())).text == "after"
            assert len([seen for seen in upstream.requests if seen.method == "POST"]) == 2


async def test_a_hundred_that_leave_at_once_leave_nothing_open() -> None:
    async with FakeUpstream() as upstream:
        upstream.script(answer(event(chunk({"role": "assistant", "content": "a"})), stall()))
        async with serving(one_upstream(upstream)) as proxy:
            clients = [await RawClient.to(proxy) for _ in range(100)]
            for client in clients:
                await client.send(chat())
            for client in clients:
                await client.until(b'"a"')
            left = time.monotonic()
            for client in clients:
                client.close()
            posts = [seen for seen in upstream.requests if seen.method == "POST"]
            gone = sorted([await seen.gone(5.0) - left for seen in posts])
            assert len(gone) == 100
            assert gone[-1] < 2 * BOUND
            assert all(ended.outcome == "cancelled" for ended in await proxy.all_ended(100))
            assert not proxy.engine.gateway.live
            assert proxy.engine.gateway.fleet.members["up"].running == 0


async def test_the_next_request_is_fine_after_somebody_left() -> None:
    async with FakeUpstream() as upstream:
        upstream.script(answer(stall()), whole("fine"))
        async with serving(one_upstream(upstream)) as proxy:
            client = await RawClient.to(proxy)
            await client.send(chat())
            await upstream.arrived()
            client.reset()
            await proxy.all_ended(1)
            reply = await ask(proxy, chat(stream=False))
            assert reply.status == 200


async def test_a_client_of_http_1_0_sees_where_the_stream_ends() -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("fine"))
        async with serving(one_upstream(upstream)) as proxy:
            client = await RawClient.to(proxy)
            body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}'
            client.writer.write(
                b"POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            async with asyncio.timeout(5):
                answered = await client.reader.read()
            assert answered.endswith(b"data: [DONE]\n\n")
            assert b"connection: close" in answered.lower()
            client.close()
