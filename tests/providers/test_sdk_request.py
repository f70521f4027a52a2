"""What the provider of somebody's SDK has it send."""

from __future__ import annotations

from typing import Any

import pytest

from llms.protocol.errors import (
    InvalidRequest,
    UpstreamError,
)
from llms.testing.fake_upstream import (
    FakeUpstream,
    error,
    text_stream,
    whole,
)
from tests.providers.sdk_chats import (
    KEY,
    OPENAI,
    ask,
    chunks_of,
    client_of,
    failure_of,
    install,
    openai_at,
    opened,
    text_of,
)


async def test_every_field_of_the_client_is_sent_and_none_steers_the_sdk() -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        fields = {
            "temperature": 0.5,
            "tools": [{"type": "function", "function": {"name": "f", "vendor": 1}}],
            "top_k": 7,
            "vendor": {"deep": [None, 1]},
            "timeout": 0.001,
            "extra_headers": {"authorization": "Bearer evil"},
            "extra_body": {"a": 1},
            "extra_query": {"q": "1"},
            "base_url": "http://evil.invalid",
        }
        assert text_of(await chunks_of(made, ask(**fields))) == "Hello world"
        seen = upstream.requests[0]
        assert {name: seen.json[name] for name in fields} == fields
        assert seen.json["model"] == "fake-model"
        assert seen.json["stream"] is True
        assert seen.path == "/v1/chat/completions"
        assert seen.headers["authorization"] == f"Bearer {KEY}"
        assert seen.headers["x-llms-hops"] == "2"


async def test_usage_is_asked_as_the_row_says() -> None:
    async with FakeUpstream() as upstream:
        async with opened(OPENAI, openai_at(upstream)) as made:
            chunks = await chunks_of(made, ask(stream_options={"vendor": 1}))
            assert upstream.requests[-1].json["stream_options"] == {"vendor": 1, "include_usage": True}
            assert chunks[-1].objects[-1]["usage"]["prompt_tokens_details"] == {"cached_tokens": 2}
            await chunks_of(made, ask(stream_options={"include_usage": True}), stream=False)
            assert "stream_options" not in upstream.requests[-1].json
            assert upstream.requests[-1].json["stream"] is False
        async with opened(OPENAI, openai_at(upstream), stream_usage="none") as made:
            await chunks_of(made, ask())
            assert "stream_options" not in upstream.requests[-1].json


@pytest.mark.parametrize(("options", "attempts"), [({}, 1), ({"max_retries": 1}, 2)])
async def test_the_sdk_retries_only_if_the_row_says_so(options: dict[str, Any], attempts: int) -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream, **options)) as made:
        upstream.script(error(500, headers={"retry-after-ms": "1"}))
        assert isinstance(await failure_of(made), UpstreamError)
        assert len(upstream.requests) == attempts


async def test_a_field_that_the_sdk_cannot_send_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def create(*, model: str, messages: list[Any], stream: bool, temperature: float = 1) -> Any:
        return {"choices": [{"index": 0, "message": {"content": "ok"}, "finish_reason": "stop"}]}

    install(monkeypatch, "narrow", Client=client_of(create))
    async with opened("narrow:Client", {}, stream_usage="none") as made:
        assert text_of(await chunks_of(made, ask(temperature=0), stream=False)) == "ok"
        refused = await failure_of(made, stream=False, top_k=1)
        assert isinstance(refused, InvalidRequest)
        assert refused.param == "top_k"


@pytest.mark.parametrize("words", ["stream_options: extra fields not permitted", "include_usage is unknown"])
async def test_an_upstream_that_tells_no_usage_is_not_asked_again(words: str) -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        upstream.on(lambda seen: error(422, message=words) if "stream_options" in seen.json else text_stream())
        assert text_of(await chunks_of(made, ask())) == "Hello world"
        assert text_of(await chunks_of(made, ask())) == "Hello world"
        assert ["stream_options" in seen.json for seen in upstream.requests] == [True, False, False]


async def test_an_upstream_that_cannot_stream_is_asked_for_whole_answers() -> None:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        upstream.on(lambda seen: error(400, message="stream is not supported") if seen.stream else whole("all"))
        for _ in range(2):
            chunks = await chunks_of(made, ask())
            assert text_of(chunks) == "all"
            assert chunks[0].objects[0]["object"] == "chat.completion.chunk"
        assert [seen.stream for seen in upstream.requests] == [True, False, False]
