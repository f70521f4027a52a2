"""OpenAI's own client in front of Gemini, through the whole proxy."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from llms.testing.answers import Answer
from llms.testing.fake_upstream import FakeUpstream, answer, body, event, stall
from llms.testing.seen import Seen
from tests.providers.gemini_answers import called, listed, refused, said, streamed, telling, text, thought
from tests.proxy import Proxy, serving

QUESTION: Any = [{"role": "user", "content": "What is the weather?"}]
TOOLS: Any = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


def found_by_key(upstream: FakeUpstream) -> Any:
    """Serve what a key in the environment offers, and nothing else."""
    environ = {"GEMINI_API_KEY": "planted-key-1", "GEMINI_BASE_URL": upstream.url.replace("/v1", "/v1beta")}
    return serving("discover: true", environ=environ)


def client(proxy: Proxy) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=proxy.url, api_key="none", max_retries=0)


async def test_a_call_goes_round_though_the_client_loses_its_signature() -> None:
    look = called("look", {"city": "Zürich"}, signature="signed", call_id="c1")
    async with FakeUpstream() as upstream, found_by_key(upstream) as proxy, client(proxy) as ask:
        upstream.script(streamed(said(thought("hm")), said(look), said(finish="STOP")))
        stream = await ask.chat.completions.create(
            model="gemini/gemini-3-flash", messages=QUESTION, tools=TOOLS, stream=True, reasoning_effort="low",
            stream_options={"include_usage": True},
        )  # fmt: skip
        chunks = [chunk async for chunk in stream]
        (call,) = [held for chunk in chunks for choice in chunk.choices for held in choice.delta.tool_calls or ()]
        assert call.function is not None
        history = [
            *QUESTION,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": call.id, "type": "function", "function": call.function.model_dump()}],
            },
            {"role": "tool", "tool_call_id": call.id, "content": "rain"},
        ]
        upstream.script(telling("It rains."))
        whole = await ask.chat.completions.create(model="gemini/gemini-3-flash", messages=history, tools=TOOLS)
        asked = upstream.chats[1].json["contents"]

    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == [
        "tool_calls"
    ]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 12
    assert asked[1]["parts"] == [look]
    assert asked[2]["parts"][0]["functionResponse"]["response"] == {"output": "rain"}
    assert whole.choices[0].message.content == "It rains."
    assert [ended.usage.completion_tokens for ended in await proxy.all_ended(2) if ended.usage] == [5, 5]


async def test_models_are_listed_and_found_by_their_bare_id() -> None:
    async with FakeUpstream() as upstream:
        upstream.models(listed(["gemini-3-flash"]))
        upstream.script(telling("Hi"))
        async with found_by_key(upstream) as proxy, client(proxy) as ask:
            told = [model.id async for model in await ask.models.list()]
            answered = await ask.chat.completions.create(model="gemini-3-flash", messages=QUESTION)

    assert "gemini/gemini-3-flash" in told
    assert answered.choices[0].message.content == "Hi"


async def test_a_stream_that_breaks_off_is_an_error() -> None:
    async with FakeUpstream() as upstream, found_by_key(upstream) as proxy, client(proxy) as ask:
        upstream.script(streamed(said(text("It is"))))
        stream = await ask.chat.completions.create(model="gemini/g", messages=QUESTION, stream=True)
        with pytest.raises(openai.APIError) as caught:
            async for _ in stream:
                pass

    assert caught.value.code == "upstream_truncated"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_model_that_fails_before_it_answers_is_asked_again(stream: bool) -> None:
    broken = said(finish="MALFORMED_FUNCTION_CALL")
    async with FakeUpstream() as upstream, found_by_key(upstream) as proxy, client(proxy) as ask:
        upstream.script(lambda seen: streamed(broken) if stream else body(broken), telling("Hi"))
        answered: Any = await ask.chat.completions.create(model="gemini/g", messages=QUESTION, stream=stream)
        texts = [chunk.choices[0].delta.content async for chunk in answered] if stream else []
        said_in_the_end = "".join(filter(None, texts)) if stream else answered.choices[0].message.content

    assert said_in_the_end == "Hi"
    assert len(upstream.chats) == 2


async def test_errors_keep_their_words_and_never_the_key() -> None:
    async with FakeUpstream() as upstream, found_by_key(upstream) as proxy, client(proxy) as ask:
        for scripted, status, code in (
            (refused(400, "bad planted-key-1", {"reason": "API_KEY_INVALID"}), 502, "upstream_authentication_failed"),
            (body({"promptFeedback": {"blockReason": "SAFETY"}}), 400, "content_filter"),
            (refused(404, "models/g is not found"), 404, "model_not_found"),
        ):
            upstream.script(scripted)
            with pytest.raises(openai.APIStatusError) as caught:
                await ask.chat.completions.create(model="gemini/g", messages=QUESTION)
            assert (caught.value.status_code, caught.value.code) == (status, code)
            assert "planted-key-1" not in str(caught.value)


async def test_vectors_come_in_the_form_that_the_client_wants() -> None:
    def vectors(seen: Seen) -> Answer:
        return body({"embeddings": [{"values": [0.5, -1.0]} for _ in seen.json["requests"]]})

    async with FakeUpstream() as upstream, found_by_key(upstream) as proxy, client(proxy) as ask:
        upstream.on(vectors)
        told = await ask.embeddings.create(model="gemini/e", input=["a"] * 101)

    assert [row.embedding for row in told.data] == [[0.5, -1.0]] * 101
    assert sorted(len(seen.json["requests"]) for seen in upstream.chats) == [1, 100]


async def test_a_client_that_leaves_stops_the_upstream() -> None:
    async with FakeUpstream() as upstream, found_by_key(upstream) as proxy, client(proxy) as ask:
        upstream.script(answer(event(said(text("It is"))), stall()))
        stream = await ask.chat.completions.create(model="gemini/g", messages=QUESTION, stream=True)
        await anext(aiter(stream))
        seen = await upstream.arrived()
        await stream.close()
        await seen.gone()
