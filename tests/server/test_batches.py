"""Batches: fewer events, the same text, nothing that waits for the next token, plain and resumable."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    cut,
    reasoning_stream,
    stall,
    text_stream,
    tool_stream,
    wait,
)
from tests.proxy import RawClient, Reply, ask, chat, one_upstream, serving
from tests.server.test_resumable import without_ids

LONG = "".join(f"{n} " for n in range(100))
PLAIN, RESUMABLE = {"X-LLMS-Stream": "batch"}, {"X-LLMS-Stream": "batch, resumable"}
FEW = "batch: {max_tokens: 10, max_ms: 10m}\n"


def read(reply: Reply) -> Reply:
    return without_ids(reply) if "x-llms-stream-id" in reply.headers else reply


def pieces(reply: Reply) -> list[str]:
    deltas = [each["choices"][0]["delta"] for each in reply.events if isinstance(each, dict) and each.get("choices")]
    return [delta["content"] for delta in deltas if delta.get("content")]


@pytest.mark.parametrize("asked", [PLAIN, RESUMABLE], ids=["plain", "resumable"])
@pytest.mark.parametrize("script", [text_stream(LONG), text_stream(LONG).joined(), reasoning_stream(), tool_stream()])
async def test_the_answer_is_the_same(asked: dict[str, str], script: Any) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FEW)) as proxy:
        upstream.script(script)
        plain = await ask(proxy, chat(stream_options={"include_usage": True}))
        reply = read(await ask(proxy, chat(stream_options={"include_usage": True}), headers=asked))
    assert reply.done
    assert (reply.text, reply.events[-2]) == (plain.text, plain.events[-2])
    assert len(reply.events) <= len(plain.events)


async def test_there_are_a_few_events_of_many_pieces() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FEW)) as proxy:
        upstream.script(text_stream(LONG))
        plain = await ask(proxy, chat())
        found = pieces(await ask(proxy, chat(), headers=PLAIN))
    many = pieces(plain)
    assert found[0] == many[0]
    assert found[1] == "".join(many[1:11])
    assert len(found) == 1 + -(-(len(many) - 1) // 10)


@pytest.mark.parametrize("asked", [PLAIN, RESUMABLE], ids=["plain", "resumable"])
async def test_the_last_text_does_not_wait_for_the_next(asked: dict[str, str]) -> None:
    async with FakeUpstream() as upstream:
        more = "batch: {max_tokens: 100, max_ms: 20ms}\n"
        async with serving(one_upstream(upstream, more=more)) as proxy:
            go = asyncio.Event()
            script = text_stream("one two three four")
            upstream.script(answer(*script.steps[:4], wait(go), *script.steps[4:]))
            client = await RawClient.to(proxy)
            await client.send(chat(), headers=asked)
            assert b"two three" in await client.until(b"two three")
            go.set()
            assert b"four" in await client.until(b"[DONE]")
            client.close()


@pytest.mark.parametrize("asked", [PLAIN, RESUMABLE], ids=["plain", "resumable"])
async def test_what_waits_is_sent_before_an_error(asked: dict[str, str]) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FEW)) as proxy:
        upstream.script(text_stream("one two three four").first(4).then(cut()))
        reply = read(await ask(proxy, chat(), headers=asked))
    assert reply.error
    assert reply.text == "one two three "


async def test_a_client_that_leaves_stops_the_upstream() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.script(text_stream(LONG).first(5).then(stall()))
        client = await RawClient.to(proxy)
        await client.send(chat(), headers=PLAIN)
        await client.until(b"data: ")
        client.reset()
        await (await upstream.arrived()).gone()
        [ended] = await proxy.all_ended(1)
        assert ended.outcome == "cancelled"
