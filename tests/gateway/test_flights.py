"""Equal requests at once: one request to the upstream, one answer for all, and whoever leaves leaves the others be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from llms.gateway.flight import _AHEAD, Flight
from llms.gateway.sharing import Sharing
from llms.protocol.events import RequestEnded
from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    cut,
    either,
    error,
    head,
    pause,
    stall,
    text_stream,
    wait,
    whole,
)
from llms.testing.messages import stream as messages_stream
from tests.proxy import Proxy, RawClient, Reply, ask, chat, one_upstream, serving
from tests.server.wire import KEY, KEYS, OTHER_KEY, connected

TEXT = "one two three four five"


def shared(upstream: FakeUpstream, *, row: str = "retries: 0", more: str = "") -> str:
    text = one_upstream(upstream, row=row, more=more)
    return text.replace("m: {targets: [up/real-model]}", "m: {targets: [up/real-model], single_flight: true}")


def same(*, stream: bool = True, **fields: Any) -> dict[str, Any]:
    return chat(stream=stream, **{"temperature": 0, **fields})


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as running:
        yield running


@pytest.fixture
async def proxy(upstream: FakeUpstream) -> AsyncIterator[Proxy]:
    async with serving(shared(upstream)) as running:
        yield running
        await until(lambda: not running.engine.gateway.live)
        await until(lambda: not flights(running))


def flights(proxy: Proxy) -> list[Flight]:
    sharing = proxy.engine.gateway.fleet.sharing
    assert isinstance(sharing, Sharing)
    return [flight for some in sharing._flights.values() for flight in some]


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def live(proxy: Proxy, count: int) -> None:
    """Wait until so many requests are under way."""
    await until(lambda: len(proxy.engine.gateway.live) == count)


async def begun(proxy: Proxy, body: Any) -> RawClient:
    client = await RawClient.to(proxy)
    await client.send(body)
    return client


async def crowd(proxy: Proxy, upstream: FakeUpstream, gate: asyncio.Event, *bodies: Any) -> list[Reply]:
    """Have all of some requests under way before the upstream answers."""
    asked = [asyncio.create_task(ask(proxy, body)) for body in bodies]
    await live(proxy, len(bodies))
    gate.set()
    return await asyncio.gather(*asked)


def paid(ended: list[RequestEnded]) -> list[RequestEnded]:
    return [event for event in ended if event.usage.source != "shared"]


async def test_a_hundred_streams_are_one(proxy: Proxy, upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    upstream.script(answer(wait(gate)).then(*text_stream(TEXT).steps))
    replies = await crowd(proxy, upstream, gate, *[same()] * 100)

    assert len(upstream.chats) == 1
    assert {reply.body for reply in replies} == {replies[0].body}
    assert (replies[0].text, replies[0].done) == (TEXT, True)
    ended = await proxy.all_ended(100)
    assert {event.outcome for event in ended} == {"ok"}
    assert len({event.request_id for event in ended}) == 100
    [payer] = paid(ended)
    assert (payer.usage.prompt_tokens, payer.usage.completion_tokens) == (7, 5)
    assert sum(event.usage.prompt_tokens for event in ended) == 7
    assert {(event.provider, event.model, event.finish_reason) for event in ended} == {("up", "real-model", "stop")}


async def test_the_first_of_a_hundred_leaves_and_the_others_have_it_all(proxy: Proxy, upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    steps = text_stream(TEXT).steps
    upstream.script(answer(*steps[:4], wait(gate), *steps[4:]))
    first = await begun(proxy, same())
    await first.until(b"two")
    others = [asyncio.create_task(ask(proxy, same())) for _ in range(99)]
    await live(proxy, 100)
    first.reset()
    await proxy.all_ended(1)
    gate.set()
    replies = await asyncio.gather(*others)
    assert len(upstream.chats) == 1
    assert {(reply.text, reply.done) for reply in replies} == {(TEXT, True)}


async def test_a_hundred_whole_answers_are_one(proxy: Proxy, upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    upstream.script(answer(wait(gate), framing="length").then(*whole(TEXT).steps))
    replies = await crowd(proxy, upstream, gate, *[same(stream=False)] * 100)

    assert len(upstream.chats) == 1
    assert {reply.body for reply in replies} == {replies[0].body}
    assert json.loads(replies[0].body)["choices"][0]["message"]["content"] == TEXT
    ended = await proxy.all_ended(100)
    assert {event.outcome for event in ended} == {"ok"}
    assert len(paid(ended)) == 1


async def test_who_comes_late_reads_it_all(proxy: Proxy, upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    steps = text_stream(TEXT).steps
    upstream.script(answer(*steps[:4], wait(gate), *steps[4:]))
    first = await begun(proxy, same())
    await first.until(b"two")
    late = await begun(proxy, same())
    seen = await late.until(b"two")
    assert b"one" in seen
    gate.set()
    assert b"[DONE]" in await late.until(b"[DONE]")
    await first.until(b"[DONE]")
    assert len(upstream.chats) == 1
    first.close(), late.close()


@pytest.mark.parametrize(
    "other",
    [
        same(temperature=0.1),
        chat(),
        same(max_tokens=5),
        same(messages=[{"role": "user", "content": "bye"}]),
        same(stream=False),
    ],
)
async def test_what_differs_asks_for_itself(proxy: Proxy, upstream: FakeUpstream, other: dict[str, Any]) -> None:
    gate = asyncio.Event()
    upstream.script(lambda seen: answer(wait(gate)).then(*either(text_stream(TEXT), whole(TEXT))(seen).steps))
    replies = await crowd(proxy, upstream, gate, same(), other)
    assert len(upstream.chats) == 2
    assert {reply.status for reply in replies} == {200}


async def test_two_that_may_differ_are_not_shared(proxy: Proxy, upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    upstream.script(answer(wait(gate)).then(*text_stream(TEXT).steps))
    await crowd(proxy, upstream, gate, chat(temperature=1), chat(temperature=1), chat())
    assert len(upstream.chats) == 3


async def test_keys_do_not_share(upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    upstream.script(answer(wait(gate)).then(*text_stream(TEXT).steps))
    async with serving(shared(upstream, more=KEYS)) as proxy:
        tasks = [
            asyncio.create_task(ask(proxy, same(), headers={"Authorization": f"Bearer {key}"}))
            for key in (KEY, OTHER_KEY, KEY)
        ]
        await live(proxy, 3)
        gate.set()
        await asyncio.gather(*tasks)
        assert len(upstream.chats) == 2


async def test_who_asked_for_the_usage_has_it_and_nobody_else(proxy: Proxy, upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    upstream.script(answer(wait(gate)).then(*text_stream(TEXT).steps))
    asking = same(stream_options={"include_usage": True})
    first = asyncio.create_task(ask(proxy, asking))
    await live(proxy, 1)
    second = asyncio.create_task(ask(proxy, same()))
    await live(proxy, 2)
    gate.set()
    told, untold = await asyncio.gather(first, second)
    assert len(upstream.chats) == 1
    assert [event["usage"]["prompt_tokens"] for event in told.events[:-1] if not event["choices"]] == [7]
    assert all(event["choices"] for event in untold.events[:-1])
    assert told.text == untold.text == TEXT


async def test_an_error_before_the_first_chunk_reaches_all(proxy: Proxy, upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    upstream.script(lambda seen: answer(wait(gate)).then(*error(400, "no such thing").steps))
    replies = await crowd(proxy, upstream, gate, *[same()] * 5)
    assert len(upstream.chats) == 1
    assert {reply.status for reply in replies} == {400}
    assert {reply.error["message"] for reply in replies} == {replies[0].error["message"]}
    assert {event.outcome for event in await proxy.all_ended(5)} == {"error"}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_break_reaches_all(proxy: Proxy, upstream: FakeUpstream, stream: bool) -> None:
    gate = asyncio.Event()
    upstream.script(answer(*text_stream(TEXT).steps[:3], wait(gate), cut()))
    replies = await crowd(proxy, upstream, gate, *[same(stream=stream)] * 5)
    assert len(upstream.chats) == 1
    assert {reply.error["code"] for reply in replies} == {"upstream_truncated"}
    assert {event.error_code for event in await proxy.all_ended(5)} == {"upstream_truncated"}


async def test_the_first_may_leave(proxy: Proxy, upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    steps = text_stream(TEXT).steps
    upstream.script(answer(*steps[:4], wait(gate), *steps[4:]))
    first = await begun(proxy, same())
    await first.until(b"two")
    second = asyncio.create_task(ask(proxy, same()))
    await live(proxy, 2)
    first.reset()
    [gone] = await proxy.all_ended(1)
    assert (gone.outcome, gone.usage.source, gone.usage.prompt_tokens) == ("cancelled", "shared", 0)
    gate.set()
    assert (await second).text == TEXT
    whole_one = (await proxy.all_ended(2))[1]
    assert (whole_one.outcome, whole_one.usage.prompt_tokens) == ("ok", 7)


@pytest.mark.parametrize("stream", [True, False])
async def test_the_last_to_leave_stops_the_upstream(proxy: Proxy, upstream: FakeUpstream, stream: bool) -> None:
    upstream.script(text_stream(TEXT).first(3).then(stall()))
    clients = [await begun(proxy, same(stream=stream)) for _ in range(3)]
    await live(proxy, 3)
    seen = await upstream.arrived()
    for client in clients[:2]:
        client.reset()
    await proxy.all_ended(2)
    assert seen.closed_by_client is None
    clients[2].reset()
    await seen.gone()
    ended = await proxy.all_ended(3)
    assert {event.outcome for event in ended} == {"cancelled"}
    assert ended[2].usage.source != "shared"


async def test_all_may_leave_before_the_first_chunk(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(answer(head(), stall()), text_stream(TEXT))
    clients = [await begun(proxy, same()) for _ in range(3)]
    await live(proxy, 3)
    seen = await upstream.arrived()
    for client in clients:
        client.reset()
    await seen.gone()
    assert (await ask(proxy, same())).text == TEXT


async def test_progress_is_each_ones_own(proxy: Proxy, upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    upstream.script(answer(wait(gate)).then(*text_stream(TEXT).steps))
    plain = asyncio.create_task(ask(proxy, same()))
    curious = asyncio.create_task(ask(proxy, same(), headers={"X-LLMS-Stream": "progress"}))
    await live(proxy, 2)
    gate.set()
    assert not any("llms" in event for event in (await plain).events[:-1])
    assert (await curious).events[-2]["llms"]["tokens"]
    assert len(upstream.chats) == 1


async def test_resumable_streams_share_too(proxy: Proxy, upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    upstream.script(answer(wait(gate)).then(*text_stream(TEXT).steps))
    plain = asyncio.create_task(ask(proxy, same()))
    resumable = asyncio.create_task(ask(proxy, same(), headers={"X-LLMS-Stream": "resumable"}))
    await live(proxy, 2)
    gate.set()
    assert (await plain).text == TEXT
    assert b"id: 1\n" in (await resumable).body
    assert len(upstream.chats) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/completions", {"model": "m", "prompt": "hi"}),
        ("/v1/responses", {"model": "m", "input": "hi", "store": False}),
    ],
)
async def test_translated_dialects_share(proxy: Proxy, upstream: FakeUpstream, path: str, body: dict[str, Any]) -> None:
    gate = asyncio.Event()
    upstream.script(answer(wait(gate)).then(*text_stream(TEXT).steps))
    asked = [asyncio.create_task(ask(proxy, {**body, "temperature": 0, "stream": True}, path=path)) for _ in range(3)]
    await live(proxy, 3)
    gate.set()
    replies = await asyncio.gather(*asked)
    assert len(upstream.chats) == 1
    assert all(b"five" in reply.body for reply in replies)
    assert len(paid(await proxy.all_ended(3))) == 1


async def test_a_stored_response_is_its_own(proxy: Proxy, upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    upstream.script(answer(wait(gate)).then(*text_stream(TEXT).steps))
    body = {"model": "m", "input": "hi", "temperature": 0, "stream": True}
    asked = [asyncio.create_task(ask(proxy, body, path="/v1/responses")) for _ in range(2)]
    await live(proxy, 2)
    gate.set()
    await asyncio.gather(*asked)
    assert len(upstream.chats) == 2


async def test_a_native_answer_is_shared_as_it_is(upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    events = [
        b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":3}}}\n\n',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"hey"}}\n\n',
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
        b'"usage":{"output_tokens":2}}\n\n',
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ]
    upstream.script(answer(wait(gate)).then(*messages_stream(*events).steps))
    body = {"model": "m", "max_tokens": 9, "temperature": 0, "messages": [{"role": "user", "content": "hi"}]}
    async with serving(shared(upstream, row="dialects: [messages]")) as proxy:
        asked = [asyncio.create_task(ask(proxy, {**body, "stream": True}, path="/v1/messages")) for _ in range(3)]
        await live(proxy, 3)
        gate.set()
        replies = await asyncio.gather(*asked)
        assert len(upstream.chats) == 1
        assert {reply.body for reply in replies} == {b"".join(events)}


async def test_a_slow_reader_of_a_long_stream_loses_nothing(proxy: Proxy, upstream: FakeUpstream) -> None:
    text = " ".join(f"{n:05}" + "x" * 20_000 for n in range(1000))
    upstream.script(text_stream(text))
    async with connected(proxy) as slow, connected(proxy) as quick:
        for client in (slow, quick):
            await client.send(same())
        reading = asyncio.create_task(quick.reply(patience=30))
        await until(lambda: any(flight._ahead > _AHEAD for flight in flights(proxy)))
        assert not reading.done()
        assert (await slow.reply(patience=30)).text == text
        assert (await reading).text == text
        assert len(upstream.chats) == 1


async def test_nobody_joins_what_is_too_long(proxy: Proxy, upstream: FakeUpstream) -> None:
    steps = text_stream(" ".join(["x" * 50_000] * 200)).steps
    upstream.script(answer(*steps[:-2], stall()), text_stream(TEXT))
    async with connected(proxy) as first:
        await first.send(same())
        await until(lambda: any(not flight.is_open for flight in flights(proxy)))
        assert (await ask(proxy, same())).text == TEXT
    assert len(upstream.chats) == 2


async def test_a_shutdown_tells_all(upstream: FakeUpstream) -> None:
    upstream.script(text_stream(TEXT).first(3).then(stall()))
    async with serving(shared(upstream)) as proxy:
        clients = [await begun(proxy, same()) for _ in range(2)]
        for client in clients:
            await client.until(b"one")
        proxy.engine.interrupt()
        for client in clients:
            await client.until(b"server_stopping")
            client.close()
        assert {event.error_code for event in await proxy.all_ended(2)} == {"server_stopping"}
        await (await upstream.arrived()).gone()


async def test_nothing_is_shared_unless_a_row_says_so(upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    upstream.script(answer(wait(gate), pause(0)).then(*text_stream(TEXT).steps))
    async with serving(one_upstream(upstream)) as proxy:
        assert proxy.engine.gateway.fleet.sharing is None
        await crowd(proxy, upstream, gate, same(), same())
        assert len(upstream.chats) == 2


async def test_names_with_a_star_share_by_the_name_that_was_asked(upstream: FakeUpstream) -> None:
    gate = asyncio.Event()
    upstream.script(answer(wait(gate)).then(*text_stream(TEXT).steps))
    text = shared(upstream).replace("  m: {targets: [up/real-model]", '  "m*": {targets: ["up/*"]')
    async with serving(text) as proxy:
        bodies = [same(model="m1"), same(model="m1"), same(model="m2"), same(model="up/m1")]
        await crowd(proxy, upstream, gate, *bodies)
        assert sorted(seen.json["model"] for seen in upstream.chats) == ["m1", "m1", "m2"]
