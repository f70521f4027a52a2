"""POST /api/providers/{name}/test: what a scripted upstream does is what the answer says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from llms.testing.fake_upstream import FakeUpstream, Script, answer, cut, error, reply, stall, text_stream
from tests.proxy import Proxy, RawClient, serving
from tests.server.api import told

KEY = "sk-planted-upstream-key"


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as running:
        yield running


@pytest.fixture
async def proxy(upstream: FakeUpstream) -> AsyncIterator[Proxy]:
    row = f'{{type: openai_compatible, base_url: "{upstream.url}", api_key: {KEY}, retries: 0}}'
    async with serving(f"providers:\n  up: {row}\n  lost: {{type: openai, api_key: '${{NO_KEY}}'}}\n") as running:
        yield running


async def tried(proxy: Proxy, name: str = "up", **body: Any) -> dict[str, Any]:
    found: dict[str, Any] = await told(proxy, "POST", f"/api/providers/{name}/test", body)
    assert KEY not in json.dumps(found)
    return found


async def test_the_list_alone_costs_nothing(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.models(["a", "b", "c"])
    for body in (None, b"", {}):
        found = await told(proxy, "POST", "/api/providers/up/test", body)
        assert (found["ok"], found["models"], found["problem"], found["chat"]) == (True, 3, "", None)
    assert upstream.chats == []
    listed = await told(proxy, "GET", "/api/providers")
    assert listed["data"][0]["models"] == 3


async def test_a_chat_of_one_token_goes_to_a_model_that_chats(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.models(["text-embedding-3", "gpt-x"])
    found = await tried(proxy, chat=True)

    assert found["ok"] is True
    assert (found["chat"]["ok"], found["chat"]["model"], found["chat"]["problem"]) == (True, "gpt-x", "")
    assert 0 <= found["chat"]["ttft_ms"] <= found["chat"]["milliseconds"]
    [seen] = upstream.chats
    assert json.loads(seen.body)["max_tokens"] == 1
    [ended] = await proxy.all_ended(1)
    assert (ended.route, ended.outcome, ended.provider) == ("test", "ok", "up")


async def test_the_newest_models_are_asked_by_the_new_name_of_the_limit(proxy: Proxy, upstream: FakeUpstream) -> None:
    refusal = error(400, {"error": {"message": "Unsupported parameter: use 'max_completion_tokens' instead."}})
    upstream.script(refusal, reply())
    assert (await tried(proxy, chat=True, model="gpt-x"))["ok"] is True
    assert json.loads(upstream.chats[1].body)["max_completion_tokens"] == 16
    assert "max_tokens" not in json.loads(upstream.chats[1].body)


FAULTS: list[tuple[Script, str]] = [
    (error(401, f"bad key {KEY}"), "upstream_authentication_failed"),
    (error(403, "not for you"), "permission_denied"),
    (error(429, "slow down"), "rate_limit_exceeded"),
    (error(500, "<html>oops</html>"), "upstream_error"),
    (answer(cut()), "upstream_unreachable"),
    (text_stream("Hello world").first(2).then(cut()), "upstream_truncated"),
    (answer(stall()), "upstream_timeout"),
    (text_stream("Hello world").first(2).then(stall()), "upstream_timeout"),
]


@pytest.mark.parametrize(("script", "code"), FAULTS, ids=[f"{n} {code}" for n, (_, code) in enumerate(FAULTS)])
async def test_a_chat_that_fails_is_told(proxy: Proxy, upstream: FakeUpstream, script: Script, code: str) -> None:
    upstream.script(script)
    found = await tried(proxy, chat=True, seconds=0.5)

    assert (found["ok"], found["models"]) == (False, 1)
    assert (found["chat"]["ok"], found["chat"]["code"]) == (False, code)
    assert found["chat"]["problem"]
    assert found["chat"]["milliseconds"] < 60_000
    upstream.script(reply())
    assert (await tried(proxy, chat=True))["ok"] is True


@pytest.mark.parametrize(
    ("listed", "code"),
    [
        (error(401, f"bad key {KEY}"), "upstream_authentication_failed"),
        (error(500), "upstream_error"),
        (answer(cut()), "upstream_unreachable"),
        (answer(stall()), "upstream_timeout"),
    ],
)
async def test_a_list_that_fails_is_told_here_and_in_the_list_of_providers(
    proxy: Proxy, upstream: FakeUpstream, listed: Any, code: str
) -> None:
    upstream.models(listed)
    found = await tried(proxy, seconds=0.5)

    assert (found["ok"], found["models"], found["code"]) == (False, None, code)
    row = (await told(proxy, "GET", "/api/providers"))["data"][0]
    assert (row["up"], row["problem"]) == (False, found["problem"])
    with_chat = await tried(proxy, chat=True, model="x", seconds=0.5)
    assert (with_chat["ok"], with_chat["chat"]["ok"], with_chat["models"]) == (True, True, None)
    upstream.models(["back"])
    assert (await tried(proxy))["ok"] is True
    assert (await told(proxy, "GET", "/api/providers"))["data"][0]["up"] is True


async def test_a_slow_answer_within_the_time_is_fine(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(text_stream().paced(0.1))
    found = await tried(proxy, chat=True, seconds=10)

    assert found["ok"] is True
    assert found["chat"]["ttft_ms"] >= 90
    assert found["chat"]["milliseconds"] >= 290


async def test_without_any_model_there_is_nobody_to_ask(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.models([])
    found = await tried(proxy, chat=True)

    assert (found["ok"], found["models"], found["chat"]["model"]) == (False, 0, None)
    assert "name one" in found["chat"]["problem"]


async def test_a_provider_that_is_left_out_is_not_asked(proxy: Proxy, upstream: FakeUpstream) -> None:
    assert (await tried(proxy, "lost", chat=True))["problem"] == "needs NO_KEY"
    await told(proxy, "PATCH", "/api/providers/up", {"enabled": False})
    before = len(upstream.requests)
    assert (await tried(proxy, chat=True))["problem"] == "switched off while the server ran"
    assert len(upstream.requests) == before


async def test_who_leaves_stops_the_test(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(answer(stall()))
    client = await RawClient.to(proxy)
    await client.send({"chat": True, "seconds": 60}, path="/api/providers/up/test")
    seen = await upstream.arrived()
    client.close()
    async with asyncio.timeout(5):
        await seen.gone()
    [ended] = await proxy.all_ended(1)
    assert ended.outcome == "cancelled"


async def test_a_server_that_stops_ends_the_test(proxy: Proxy, upstream: FakeUpstream) -> None:
    upstream.script(answer(stall()))
    client = await RawClient.to(proxy)
    await client.send({"chat": True, "seconds": 60}, path="/api/providers/up/test")
    await upstream.arrived()
    proxy.engine.interrupt()
    stopped = await client.reply()
    client.close()
    assert (stopped.status, stopped.error["code"]) == (503, "server_stopping")
    assert not proxy.engine.gateway.fleet.members["up"].running
