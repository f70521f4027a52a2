"""The provider of somebody's SDK, with a client of AI Refinery's manners."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from llms.protocol.errors import (
    LlmsError,
    UpstreamAuthenticationFailed,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from llms.providers import _sdk
from llms.testing.fake_upstream import (
    Answer,
    FakeUpstream,
    Seen,
    answer,
    body,
    close,
    cut,
    error,
    event,
    pause,
    reply,
    stall,
    text_stream,
    wire,
)
from tests.providers.refinery_client import AsyncAIRefinery
from tests.providers.sdk_chats import (
    AIR,
    KEY,
    ask,
    chunks_of,
    failure_of,
    install,
    opened,
    text_of,
)


@pytest.fixture
def air(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "air", AsyncAIRefinery=AsyncAIRefinery, AIRefinery=object)


def refinery(chat: Answer | Callable[[Seen], Answer], leave: Answer | None = None) -> Callable[[Seen], Answer]:
    """Answer the constructor's question with `leave`, and chats with `chat`."""

    def answering(seen: Seen) -> Answer:
        if seen.path == "/authentication/validate":
            return leave or body({"organization_id": "org"})
        return chat(seen) if callable(chat) else chat

    return answering


def air_at(upstream: FakeUpstream) -> dict[str, Any]:
    return {"api_key": KEY, "base_url": upstream.url.removesuffix("/v1")}


@pytest.mark.usefixtures("air")
@pytest.mark.parametrize("stream", [True, False])
async def test_refinery_answers_and_every_field_is_sent(stream: bool) -> None:
    async with FakeUpstream() as upstream, opened(AIR, air_at(upstream)) as made:
        upstream.on(refinery(reply()))
        chunks = await chunks_of(made, ask(temperature=0.5, vendor=[1], timeout=9), stream=stream)
        assert text_of(chunks) == "Hello world"
        assert chunks[-1].objects[-1]["usage"]["total_tokens"] == 12
        sent = upstream.requests[1]
        assert (sent.json["temperature"], sent.json["vendor"], sent.json["extra_body"]) == (0.5, [1], {"timeout": 9})
        assert sent.headers["x-llms-hops"] == "2"
        assert sent.asked_usage is stream


@pytest.mark.usefixtures("air")
async def test_refinerys_own_extra_body_keeps_its_place() -> None:
    async with FakeUpstream() as upstream, opened(AIR, air_at(upstream)) as made:
        upstream.on(refinery(reply()))
        await chunks_of(made, ask(extra_body={"input_type": "query"}))
        assert upstream.requests[1].json["extra_body"] == {"input_type": "query"}


@pytest.mark.usefixtures("air")
async def test_a_blocking_constructor_blocks_only_its_thread_and_runs_once_for_many_chats() -> None:
    async with FakeUpstream() as upstream, opened(AIR, air_at(upstream)) as made:
        leave = body({"organization_id": "org"})
        upstream.on(refinery(reply(), leave=Answer((pause(0.3), *leave.steps), leave.framing)))
        chats = [asyncio.create_task(chunks_of(made, ask())) for _ in range(20)]
        ticks = 0
        while not any(chat.done() for chat in chats):
            await asyncio.sleep(0.01)
            ticks += 1
        answers = await asyncio.gather(*chats)
        assert [text_of(chunks) for chunks in answers] == ["Hello world"] * 20
        assert [seen.path for seen in upstream.requests].count("/authentication/validate") == 1
        assert ticks >= 10


@pytest.mark.usefixtures("air")
async def test_a_first_user_who_leaves_does_not_take_the_client_along() -> None:
    async with FakeUpstream() as upstream, opened(AIR, air_at(upstream)) as made:
        leave = body({"organization_id": "org"})
        upstream.on(refinery(reply(), leave=Answer((pause(0.2), *leave.steps), leave.framing)))
        first = asyncio.create_task(chunks_of(made, ask()))
        await upstream.arrived()
        first.cancel()
        assert text_of(await chunks_of(made, ask())) == "Hello world"
        assert [seen.path for seen in upstream.requests].count("/authentication/validate") == 1
        assert first.cancelled()


@pytest.mark.usefixtures("air")
async def test_a_closed_refinery_chat_stops_the_upstream() -> None:
    async with FakeUpstream() as upstream, opened(AIR, air_at(upstream)) as made:
        upstream.on(refinery(text_stream().first(3).then(stall())))
        chat = made.chat(ask())
        await anext(chat)
        left = time.monotonic()
        await chat.aclose()
        assert await upstream.requests[1].gone() - left < 0.1


@pytest.mark.usefixtures("air")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("script", "kind", "says"),
    [
        (error(401), UpstreamAuthenticationFailed, "providers.theirs.options.api_key"),
        (error(429, headers={"Retry-After": "3"}), UpstreamOverloaded, "Too Many Requests"),
        (error(500), UpstreamError, "Internal Server Error"),
        (answer(cut()), UpstreamUnreachable, "no connection"),
        (answer(wire(b"SSH-2.0\r\n\r\n"), close()), UpstreamProtocolError, "dialect"),
    ],
)
async def test_refinerys_bare_failures_are_ours(script: Answer, kind: type[LlmsError], says: str, stream: bool) -> None:
    async with FakeUpstream() as upstream, opened(AIR, air_at(upstream)) as made:
        upstream.on(refinery(script))
        failure = await failure_of(made, stream=stream)
        assert isinstance(failure, kind)
        assert says in failure.message
        assert failure.retry_after == (3.0 if kind is UpstreamOverloaded else None)


@pytest.mark.usefixtures("air")
async def test_refinerys_failures_in_mid_stream() -> None:
    async with FakeUpstream() as upstream, opened(AIR, air_at(upstream)) as made:
        upstream.on(refinery(text_stream().first(2).then(close())))
        assert isinstance(await failure_of(made), UpstreamTruncated)
        upstream.on(refinery(text_stream().first(2).then(event({"error": {"message": f"broken {KEY}"}}))))
        failure = await failure_of(made)
        assert isinstance(failure, UpstreamError)
        assert "broken ***" in failure.message
        upstream.on(refinery(answer(event({"choices": [{"index": "no"}]}))))
        assert isinstance(await failure_of(made), UpstreamProtocolError)
        upstream.on(refinery(body("HELO")))
        assert isinstance(await failure_of(made, stream=False), UpstreamProtocolError)


@pytest.mark.usefixtures("air")
async def test_a_refused_constructor_is_tried_again_by_the_next_chat() -> None:
    async with FakeUpstream() as upstream, opened(AIR, air_at(upstream)) as made:
        upstream.on(refinery(reply(), leave=error(401)))
        failures = await asyncio.gather(*(failure_of(made) for _ in range(3)))
        assert {type(failure) for failure in failures} == {UpstreamAuthenticationFailed}
        assert "Failed to validate API key" in failures[0].message
        assert len(upstream.requests) == 1
        upstream.on(refinery(reply()))
        assert text_of(await chunks_of(made, ask())) == "Hello world"


@pytest.mark.usefixtures("air")
async def test_a_constructor_without_an_upstream_does_not_blame_the_key_alone() -> None:
    async with FakeUpstream(refuses=True) as upstream, opened(AIR, air_at(upstream)) as made:
        failure = await failure_of(made)
        assert "base_url" in failure.message
        assert "whether the upstream is up" in failure.message


@pytest.mark.usefixtures("air")
async def test_a_constructor_that_hangs_holds_up_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sdk, "BUILD_SECONDS", 0.1)
    async with FakeUpstream() as upstream, opened(AIR, air_at(upstream)) as made:
        upstream.on(refinery(reply(), leave=answer(stall())))
        assert isinstance(await failure_of(made), UpstreamTimeout)
        monkeypatch.setattr(_sdk, "BUILD_SECONDS", 30.0)
        upstream.on(refinery(reply()))
        assert text_of(await chunks_of(made, ask())) == "Hello world"


@pytest.mark.usefixtures("air")
async def test_a_model_list_that_the_sdk_refuses_has_a_way_out() -> None:
    async with FakeUpstream() as upstream:
        upstream.on(refinery(reply()))
        async with opened(AIR, air_at(upstream)) as made:
            with pytest.raises(UpstreamProtocolError, match=r"providers\.theirs\.models"):
                await made.models()
            full = {"id": "m1", "created": 1, "object": "model", "owned_by": "o", "root": "m1", "parent": None}
            upstream.models([{**full, "permission": []}])
            assert [(model.id, model.owned_by) for model in await made.models()] == [("m1", "o")]
