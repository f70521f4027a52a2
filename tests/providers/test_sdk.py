"""The provider of somebody's SDK: its row, and what OpenAI's and Azure's own clients do through it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from llms.protocol.errors import (
    InvalidRequest,
    LlmsError,
    UpstreamAuthenticationFailed,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from llms.providers import registry
from llms.providers.sdk import Options
from llms.testing.fake_upstream import (
    Answer,
    FakeUpstream,
    answer,
    body,
    close,
    error,
    event,
    head,
    stall,
    text_stream,
    whole,
)
from tests.providers.sdk_chats import (
    KEY,
    OPENAI,
    ask,
    chunks_of,
    failure_of,
    openai_at,
    opened,
    piece,
    text_of,
)


@pytest.mark.parametrize(
    "client", ["", "openai", "openai:", ":AsyncOpenAI", "open ai:X", "a:b:c", "os:path;x", "a..b:C"]
)
def test_a_client_that_is_no_module_and_attribute_is_refused(client: str) -> None:
    (problem,) = registry.validate("sdk", {"client": client})
    assert problem.path == ("client",)
    assert "module:Attribute" in problem.message


def test_a_row_is_checked_without_importing_its_sdk() -> None:
    assert registry.validate("sdk", {"client": "surely_not_installed.deep:Client", "options": {"api_key": KEY}}) == []
    assert [p.path for p in registry.validate("sdk", {"options": {}, "clients": 1})] == [(), ("clients",)]


def test_no_sdk_is_imported_before_its_first_chat() -> None:
    code = (
        "import sys, time\n"
        "from llms.providers import registry\n"
        "from llms.providers.base import ProviderSettings, Resources\n"
        "options = registry.parse('sdk', {'client': 'openai:AsyncOpenAI', 'options': {'api_key': 'x'}})\n"
        "settings = ProviderSettings(name='a', type='sdk', options=options)\n"
        "registry.build(settings, Resources(http=None, pool=None, clock=time.monotonic, now=time.time))\n"
        "assert not {'openai', 'air', 'httpx2'} & set(sys.modules), 'imported too early'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_keys_do_not_show_in_the_row() -> None:
    headers = {"Authorization": f"Bearer {KEY}", "x-team": "a"}
    row = Options.read({"client": OPENAI, "options": {"api_key": KEY, "default_headers": headers, "timeout": 5}})
    assert KEY not in repr(row)
    assert KEY not in str(row.as_dict())
    assert "x-team" in repr(row)


async def test_unknown_fields_of_a_whole_answer_survive() -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": "hi", "mood": "good"},
            "finish_reason": "stop",
        }
        sent = {"id": "c1", "choices": [{**choice, "odd": [1]}], "usage": {"cost": 0.5}, "vendor": {"a": None}}
        upstream.script(body(sent, headers={"x-request-id": "theirs-1"}))
        (chunk,) = await chunks_of(made, ask(), stream=False)
        assert chunk.objects[0] == sent
        assert chunk.upstream_request_id == "theirs-1"


async def test_the_bytes_of_a_stream_are_kept() -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        data = b'{"id":"c1", "choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"new":{"a":1e2}}'
        upstream.script(answer(event(data), event("[DONE]")))
        (chunk,) = await chunks_of(made, ask())
        assert chunk.payloads() == [data]


async def test_a_stream_in_a_framing_of_its_own_is_left_to_the_sdk() -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        framed = head(200, {"Content-Type": "application/vnd.of-theirs"})
        upstream.script(answer(framed, event(piece("a", new={"x": 1})), event(piece("b")), stall()))
        chat = made.chat(ask())
        first = await anext(chat)
        assert first.objects[0] == piece("a", new={"x": 1})
        left = time.monotonic()
        await chat.aclose()
        assert await upstream.requests[0].gone() - left < 0.1


async def test_a_stream_that_is_answered_whole_is_unfolded() -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        upstream.script(whole("all at once"))
        chunks = await chunks_of(made, ask())
        assert text_of(chunks) == "all at once"
        assert chunks[-1].objects[-1]["object"] == "chat.completion.chunk"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (error(401, message=f"bad key {KEY}"), UpstreamAuthenticationFailed),
        (error(400, message=f"bad key {KEY}"), LlmsError),
        (error(500, "<html>oh</html>"), UpstreamError),
        (answer(close()), UpstreamUnreachable),
        (body("<html>hello"), UpstreamProtocolError),
        (body({"no": "choices"}), UpstreamProtocolError),
        (body({"error": {"message": KEY}}), UpstreamError),
    ],
)
async def test_failures_are_ours(script: Answer, kind: type[LlmsError], stream: bool) -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        upstream.script(script)
        assert isinstance(await failure_of(made, stream=stream), kind)


async def test_patience_and_code_of_a_refusal_are_kept() -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        content = {"error": {"message": "slow down", "code": "tokens_per_minute"}}
        upstream.script(error(429, content, {"Retry-After": "7", "x-request-id": "theirs-2"}))
        refused = await failure_of(made)
        assert isinstance(refused, UpstreamOverloaded)
        assert (refused.retry_after, refused.code, refused.http_status) == (7.0, "tokens_per_minute", 429)
        assert refused.upstream_request_id == "theirs-2"


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_cut_in_its_middle_is_truncated(stream: bool) -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        upstream.script(text_stream().first(2).then(close()))
        assert isinstance(await failure_of(made, stream=stream), UpstreamTruncated)


async def test_a_timeout_of_the_sdk_is_one_of_ours() -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream, timeout=0.05)) as made:
        upstream.script(answer(stall()))
        assert isinstance(await failure_of(made), UpstreamTimeout)


async def test_a_refused_connection_is_unreachable() -> None:
    async with FakeUpstream(refuses=True) as upstream, opened(OPENAI, openai_at(upstream)) as made:
        assert isinstance(await failure_of(made), UpstreamUnreachable)
        with pytest.raises(UpstreamUnreachable):
            await made.models()


async def test_half_a_character_in_a_request_is_the_clients_to_mend() -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        assert isinstance(await failure_of(made, user="\ud83d"), InvalidRequest)


@pytest.mark.parametrize("chunks_before", [0, 2])
async def test_a_cancelled_chat_stops_the_upstream(chunks_before: int) -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        upstream.script(text_stream().first(chunks_before).then(stall()))
        task = asyncio.create_task(chunks_of(made, ask()))
        seen = await upstream.arrived()
        await seen.silent()
        left = time.monotonic()
        task.cancel()
        assert await seen.gone() - left < 0.1
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_connections_are_used_again() -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        for _ in range(3):
            await chunks_of(made, ask())
        assert {seen.connection for seen in upstream.requests} == {1}


async def test_models_are_those_of_the_upstream_or_of_the_row() -> None:
    async with FakeUpstream() as upstream:
        upstream.models([{"id": "m1", "object": "model", "created": 5, "owned_by": "them", "context": 8}, "m2", "m1"])
        async with opened(OPENAI, openai_at(upstream)) as made:
            first, second = await made.models()
            assert (first.id, first.created, first.owned_by, first.extra) == ("m1", 5, "them", {"context": 8})
            assert second.id == "m2"
        async with opened(OPENAI, openai_at(upstream), models=["mine"]) as made:
            assert [model.id for model in await made.models()] == ["mine"]
            assert len(upstream.requests) == 1


async def test_azure_streams_and_stops() -> None:
    async with FakeUpstream() as upstream:
        options = {"api_key": KEY, "api_version": "2024-10-21", "azure_endpoint": upstream.url.removesuffix("/v1")}
        async with opened("openai:AsyncAzureOpenAI", options) as made:
            assert text_of(await chunks_of(made, ask(vendor=1))) == "Hello world"
            seen = upstream.requests[0]
            assert seen.path == "/openai/deployments/fake-model/chat/completions?api-version=2024-10-21"
            assert (seen.headers["api-key"], seen.json["vendor"]) == (KEY, 1)
            upstream.script(text_stream().first(2).then(stall()))
            chat = made.chat(ask())
            await anext(chat)
            left = time.monotonic()
            await chat.aclose()
            assert await upstream.requests[1].gone() - left < 0.1
