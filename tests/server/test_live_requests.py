"""/api/requests: what runs now, and ending it in every state that a request can be in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from llms.protocol.errors import Cancelled
from llms.testing.fake_upstream import FakeUpstream, answer, head, stall, text_stream, wait
from tests.proxy import Proxy, RawClient, ask, chat, one_upstream, serving
from tests.server.api import refused, told
from tests.server.wire import BEARER, KEYS

ID = {"x-request-id": "the-one"}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as running:
        yield running


@pytest.fixture
async def proxy(upstream: FakeUpstream) -> AsyncIterator[Proxy]:
    async with serving(one_upstream(upstream, row="limits: {concurrency: 1}")) as running:
        yield running


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(5):
        while not await condition():
            await asyncio.sleep(0.005)


async def live(proxy: Proxy) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await told(proxy, "GET", "/api/requests"))["data"]
    return found


async def reaches(proxy: Proxy, state: str, request_id: str = "the-one") -> dict[str, Any]:
    """Wait until a request is in a state; return its row."""
    row: dict[str, Any] = {}

    async def is_there() -> bool:
        nonlocal row
        row = next((each for each in await live(proxy) if each["id"] == request_id), {})
        return row.get("state") == state

    await until(is_there)
    return row


async def begun(proxy: Proxy, body: Any = None, **headers: str) -> RawClient:
    client = await RawClient.to(proxy)
    await client.send(chat() if body is None else body, headers=headers or ID)
    return client


async def test_nothing_runs_at_first_and_in_the_end(proxy: Proxy) -> None:
    assert await live(proxy) == []
    assert (await ask(proxy, chat())).status == 200
    assert (await told(proxy, "GET", "/api/requests")) == {"object": "list", "data": [], "total": 0}


async def test_a_stream_is_told_as_it_grows(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(text_stream("one two three").first(3).then(stall()))
    client = await begun(proxy)
    await client.until(b"two")
    row = await reaches(proxy, "writing")

    assert (row["asked_model"], row["provider"], row["model"]) == ("m", "up", "real-model")
    assert (row["stream"], row["attempts"], row["route"]) == (True, 1, "/v1/chat/completions")
    assert row["tokens"] >= 2
    assert 0 < row["ttft"] <= row["elapsed"]
    assert abs(row["started"] - proxy.engine.services.now()) < 60
    client.close()
    await until(lambda: _is_empty(proxy))


async def _is_empty(proxy: Proxy) -> bool:
    return await live(proxy) == []


async def test_cancelling_a_stream_ends_it_with_an_error_event(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(text_stream("one two three").first(3).then(stall()))
    client = await begun(proxy)
    seen = await upstream.arrived()
    await reaches(proxy, "writing")
    done = await told(proxy, "DELETE", "/api/requests/the-one")
    reply = await client.reply()
    client.close()

    assert done == {"id": "the-one", "object": "request", "cancelled": True}
    assert reply.whole
    assert reply.text == "one two "
    assert (reply.error["code"], "[DONE]" in reply.events) == ("cancelled", False)
    async with asyncio.timeout(1):
        await seen.gone()
    [ended] = await proxy.all_ended(1)
    assert (ended.outcome, ended.window) == ("cancelled", "streaming")
    await refused(proxy, "DELETE", "/api/requests/the-one", status=404, code="not_found")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("script", [answer(stall()), answer(head(), stall())], ids=["no head", "no chunk"])
async def test_before_the_first_chunk_the_client_gets_a_status(
    proxy: Proxy, upstream: FakeUpstream, script: Any, stream: bool
) -> None:
    upstream.script(script)
    client = await begun(proxy, chat(stream=stream))
    seen = await upstream.arrived()
    await reaches(proxy, "waiting" if stream else "answering")
    await told(proxy, "DELETE", "/api/requests/the-one")
    reply = await client.reply()
    client.close()

    assert (reply.status, reply.error["code"]) == (499, "cancelled")
    async with asyncio.timeout(1):
        await seen.gone()
    [ended] = await proxy.all_ended(1)
    assert (ended.outcome, ended.status) == ("cancelled", 499)
    upstream.script(text_stream())
    assert (await ask(proxy, chat())).status == 200


async def test_a_request_in_line_never_reaches_the_upstream(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(text_stream("one two").first(2).then(stall()))
    first = await begun(proxy)
    await first.until(b"one")
    second = await begun(proxy, **{"x-request-id": "second"})
    await reaches(proxy, "queued", "second")
    assert [row["id"] for row in await live(proxy)] == ["the-one", "second"]
    await told(proxy, "DELETE", "/api/requests/second")
    reply = await second.reply()

    assert (reply.status, reply.error["code"]) == (499, "cancelled")
    assert [row["id"] for row in await live(proxy)] == ["the-one"]
    assert len(upstream.chats) == 1
    for client in (first, second):
        client.close()


async def test_cancelling_twice_is_cancelling_once(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(text_stream("one two").first(2).then(stall()))
    client = await begun(proxy)
    await client.until(b"one")
    running = proxy.engine.services.running
    assert running.cancel("the-one", Cancelled("first"))
    assert running.cancel("the-one", Cancelled("second"))
    rest = await client.until(b"}}")
    client.close()
    assert b"first" in rest


async def test_others_go_on(proxy: Proxy, upstream: FakeUpstream) -> None:
    async with serving(one_upstream(upstream)) as wide:
        gate = asyncio.Event()
        words = text_stream("one two")
        upstream.script(answer(*words.steps[:2], wait(gate), *words.steps[2:]))
        clients = [await begun(wide, **{"x-request-id": f"r{number}"}) for number in range(5)]
        for number in range(5):
            await reaches(wide, "writing", f"r{number}")
        await told(wide, "DELETE", "/api/requests/r2")
        gate.set()
        replies = [await client.reply() for client in clients]
        for client in clients:
            client.close()
    assert [reply.done for reply in replies] == [True, True, False, True, True]
    assert replies[2].error["code"] == "cancelled"


async def test_a_connection_may_be_used_again_after_a_cancelled_answer(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(answer(stall()))
    client = await begun(proxy, chat(stream=False))
    await reaches(proxy, "answering")
    await told(proxy, "DELETE", "/api/requests/the-one")
    assert (await client.reply()).status == 499
    upstream.script(text_stream())
    await client.send(chat())
    assert (await client.reply()).done
    client.close()


async def test_embeddings_and_prompts_are_told_and_cancelled(proxy: Proxy, upstream: FakeUpstream) -> None:
    for path, body in (
        ("/v1/embeddings", {"model": "m", "input": "x"}),
        ("/generate", {"model": "m", "prompt": "x"}),
        ("/generate/stream", {"model": "m", "prompt": "x"}),
    ):
        upstream.script(answer(stall()))
        client = await RawClient.to(proxy)
        await client.send(body, path=path, headers=ID)
        row = await reaches(proxy, "waiting" if "stream" in path else "answering")
        assert row["route"] == path
        await told(proxy, "DELETE", "/api/requests/the-one")
        reply = await client.reply()
        client.close()
        assert (reply.status, reply.error["code"]) == (499, "cancelled")
        await until(lambda: _is_empty(proxy))


@pytest.mark.parametrize("name", ["nobody", "%2e%2e", "a%2Fb", "%00", "x" * 3000, "%22%3E%3Cscript%3E"])
async def test_who_does_not_run_cannot_be_cancelled(proxy: Proxy, name: str) -> None:
    problem = await refused(proxy, "DELETE", f"/api/requests/{name}", status=404)
    assert len(json.dumps(problem)) < 600


async def test_every_key_sees_the_requests_of_all(upstream: FakeUpstream) -> None:
    async with serving(one_upstream(upstream, more=KEYS)) as proxy:
        upstream.script(answer(stall()))
        client = await begun(proxy, **{"Authorization": BEARER, **ID})
        await upstream.arrived()
        other = "Bearer sk-llms-another-right-key-0123456789"
        [row] = (await told(proxy, "GET", "/api/requests", Authorization=other))["data"]
        mine = await told(proxy, "GET", "/api/settings", Authorization=BEARER)
        assert row["key_id"] == mine["key_id"]
        await told(proxy, "DELETE", "/api/requests/the-one", Authorization=other)
        assert (await client.reply()).status == 499
        client.close()
