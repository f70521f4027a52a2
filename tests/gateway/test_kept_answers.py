"""Answers that are kept: asked again, they come from here, in whatever form; what may not be kept never is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llms.testing.fake_upstream import FakeUpstream, cut, either, error, text_stream, tool_stream, whole
from llms.testing.messages import stream as messages_stream
from tests.gateway.test_flights import until
from tests.proxy import Proxy, ask, chat, one_upstream, serving
from tests.redis_server import RedisServer, redis_server
from tests.server.wire import KEY, KEYS, OTHER_KEY

TEXT = "one two three four five"
USAGE = {"include_usage": True}


def keeping(upstream: FakeUpstream, *, cache: str = "{}", row: str = "retries: 0", more: str = "") -> str:
    text = one_upstream(upstream, row=row, more=more)
    return text.replace("m: {targets: [up/real-model]}", f"m: {{targets: [up/real-model], cache: {cache}}}")


def same(*, stream: bool = True, **fields: Any) -> dict[str, Any]:
    return chat(stream=stream, **{"temperature": 0, **fields})


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as running:
        running.script(either(text_stream(TEXT), whole(TEXT)))
        yield running


@pytest.fixture
async def proxy(upstream: FakeUpstream) -> AsyncIterator[Proxy]:
    async with serving(keeping(upstream)) as running:
        yield running


async def found(proxy: Proxy, body: Any, **headers: str) -> str | None:
    """Ask; return whether the answer was kept."""
    reply = await ask(proxy, body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert reply.status == 200
    return reply.headers.get("x-llms-cache")


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
async def test_an_answer_is_kept_for_streams_and_whole_answers(
    proxy: Proxy, upstream: FakeUpstream, first: bool, second: bool
) -> None:
    assert (await ask(proxy, same(stream=first))).headers["x-llms-cache"] == "miss"
    again = await ask(proxy, same(stream=second))

    assert (again.headers["x-llms-cache"], again.headers["x-llms-provider"]) == ("hit", "up")
    assert len(upstream.chats) == 1
    if second:
        assert (again.text, again.done) == (TEXT, True)
        assert [event["choices"][0]["finish_reason"] for event in again.events[:-1]][-1] == "stop"
        assert all(event["choices"] for event in again.events[:-1])
    else:
        told = json.loads(again.body)
        assert told["choices"][0]["message"]["content"] == TEXT
        assert told["usage"]["completion_tokens"] == 5
    one, other = await proxy.all_ended(2)
    assert (one.cache, one.usage.source, one.usage.prompt_tokens) == ("miss", "reported", 7)
    assert (other.cache, other.usage.source, other.usage.prompt_tokens) == ("hit", "cached", 0)
    assert (other.outcome, other.status, other.attempts, other.finish_reason) == ("ok", 200, 0, "stop")


async def test_a_whole_hit_is_the_upstreams_own_text(proxy: Proxy) -> None:
    bodies = {(await ask(proxy, same(stream=False))).body for _ in range(3)}
    assert len(bodies) == 1


async def test_a_stream_tells_the_usage_to_who_asked(proxy: Proxy) -> None:
    await ask(proxy, same())
    told = await ask(proxy, same(stream_options=USAGE))
    assert told.headers["x-llms-cache"] == "hit"
    *_, last, done = told.events
    assert (last["choices"], last["usage"]["prompt_tokens"], done) == ([], 7, "[DONE]")


async def test_what_differs_is_another_answer(proxy: Proxy, upstream: FakeUpstream) -> None:
    for body in (same(), same(seed=1), same(temperature=0.0, seed=2), same(stop=["x"])):
        assert await found(proxy, body) == "miss"
    assert len(upstream.chats) == 4
    assert await found(proxy, chat()) is None
    assert await found(proxy, chat(temperature=0.5)) is None


async def test_keys_have_their_own_answers(upstream: FakeUpstream) -> None:
    async with serving(keeping(upstream, more=KEYS)) as proxy:
        asked = [(KEY, "miss"), (OTHER_KEY, "miss"), (KEY, "hit"), (OTHER_KEY, "hit")]
        for key, result in asked:
            assert await found(proxy, same(), Authorization=f"Bearer {key}") == result


async def test_cache_control_is_honoured(proxy: Proxy, upstream: FakeUpstream) -> None:
    assert await found(proxy, same(), Cache_Control="no-store") is None
    assert await found(proxy, same()) == "miss"
    upstream.script(text_stream("another answer"))
    assert await found(proxy, same(), Cache_Control="max-age=5, No-Cache") == "miss"
    again = await ask(proxy, same())
    assert (again.headers["x-llms-cache"], again.text) == ("hit", "another answer")
    assert await found(proxy, same(), Cache_Control="no-store") is None


@pytest.mark.parametrize(
    "broken", [error(500, "broken"), text_stream(TEXT).first(4).then(cut()), text_stream(TEXT, finish=None)]
)
async def test_only_whole_answers_are_kept(proxy: Proxy, upstream: FakeUpstream, broken: Any) -> None:
    upstream.script(broken)
    assert (await ask(proxy, same())).headers.get("x-llms-cache") != "hit"
    upstream.script(text_stream(TEXT))
    assert await found(proxy, same()) == "miss"
    assert await found(proxy, same()) == "hit"


async def test_tool_calls_and_choices_come_again(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(tool_stream())
    first, again = [await ask(proxy, same()) for _ in range(2)]
    assert again.headers["x-llms-cache"] == "hit"
    assert _calls(first.events) == _calls(again.events) != {}


def _calls(events: list[Any]) -> dict[int, str]:
    calls: dict[int, str] = {}
    for event in events[:-1]:
        for call in event["choices"][0]["delta"].get("tool_calls") or ():
            calls[call["index"]] = calls.get(call["index"], "") + call["function"].get("arguments", "")
    return calls


@pytest.mark.parametrize("stream", [True, False])
async def test_a_translated_answer_comes_again(proxy: Proxy, upstream: FakeUpstream, stream: bool) -> None:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
    replies = [await ask(proxy, {**body, "stream": stream}, path="/v1/messages") for _ in range(2)]
    assert [reply.headers["x-llms-cache"] for reply in replies] == ["miss", "hit"]
    assert len(upstream.chats) == 1
    assert all(b"five" in reply.body for reply in replies)


async def test_a_response_that_is_not_stored_comes_again(proxy: Proxy, upstream: FakeUpstream) -> None:
    body = {"model": "m", "input": "hi", "temperature": 0, "store": False}
    asked = [{}, {}, {"Cache-Control": "no-cache"}]
    replies = [await ask(proxy, body, path="/v1/responses", headers=headers) for headers in asked]
    assert [reply.headers["x-llms-cache"] for reply in replies] == ["miss", "hit", "miss"]
    assert len(upstream.chats) == 2
    assert "x-llms-cache" not in (await ask(proxy, {**body, "store": True}, path="/v1/responses")).headers


async def test_a_native_answer_comes_again_as_it_was(upstream: FakeUpstream) -> None:
    events = [
        b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":3}}}\n\n',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"hey"}}\n\n',
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
        b'"usage":{"output_tokens":2}}\n\n',
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ]
    upstream.script(messages_stream(*events))
    body = {"model": "m", "max_tokens": 9, "temperature": 0, "messages": [{"role": "user", "content": "hi"}]}
    async with serving(keeping(upstream, row="dialects: [messages]")) as proxy:
        replies = [await ask(proxy, {**body, "stream": True}, path="/v1/messages") for _ in range(2)]
        assert [reply.headers["x-llms-cache"] for reply in replies] == ["miss", "hit"]
        assert replies[0].body == replies[1].body == b"".join(events)
        assert (await proxy.all_ended(2))[1].finish_reason == "stop"


async def test_an_answer_grows_too_old(upstream: FakeUpstream) -> None:
    async with serving(keeping(upstream, cache="{ttl: 1ms}")) as proxy:
        await ask(proxy, same())
        await asyncio.sleep(0.002)
        assert await found(proxy, same()) == "miss"


async def test_what_is_too_long_is_not_kept(upstream: FakeUpstream) -> None:
    async with serving(keeping(upstream, cache="{max_size: 400B}")) as proxy:
        for _ in range(2):
            assert await found(proxy, same()) == "miss"


async def test_both_switches_work_together(upstream: FakeUpstream) -> None:
    async with serving(keeping(upstream, cache="{}, single_flight: true")) as proxy:
        replies = await asyncio.gather(*[ask(proxy, same()) for _ in range(20)])
        assert {reply.text for reply in replies} == {TEXT}
        assert len(upstream.chats) == 1
        assert await found(proxy, same(stream=False)) == "hit"


async def test_progress_and_resumable_streams_take_kept_answers(proxy: Proxy) -> None:
    await ask(proxy, same())
    reply = await ask(proxy, same(), headers={"X-LLMS-Stream": "progress, resumable, batch"})
    assert reply.headers["x-llms-cache"] == "hit"
    assert b"id: 1\n" in reply.body


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path) as running:
        yield running


@pytest.mark.redis
async def test_two_servers_keep_answers_in_one_redis(upstream: FakeUpstream, redis: RedisServer) -> None:
    text = keeping(upstream, more=f"stores: {{state: '{redis.url}'}}\n")
    async with serving(text) as one, serving(text) as other:
        assert await found(one, same()) == "miss"
        async with asyncio.timeout(5):
            while await found(other, same()) == "miss":
                pass
        again = await ask(other, same(stream=False))
        assert json.loads(again.body)["choices"][0]["message"]["content"] == TEXT
        await redis.stop()
        lost = await ask(other, same())
        assert (lost.status, lost.headers["x-llms-cache"], lost.text) == (200, "miss", TEXT)
        await until(lambda: not one.engine.gateway.live)
