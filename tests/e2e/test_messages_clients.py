"""Anthropic's own client, as it is, in front of the proxy: before chats that are translated, and before Messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import pytest

from llms.testing import messages
from llms.testing.answers import completion
from llms.testing.fake_upstream import (
    FakeUpstream,
    Script,
    body,
    cut,
    error,
    reasoning_stream,
    reply,
    text_stream,
    tool_stream,
)
from tests.providers.anthropic_scripts import call_block, text_block, text_reply, thinking_block
from tests.proxy import Proxy, one_upstream, serving

ASKED: dict[str, Any] = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Tells the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@asynccontextmanager
async def translated(*scripted: Script) -> AsyncGenerator[tuple[Proxy, FakeUpstream, anthropic.AsyncAnthropic]]:
    """Stand before an upstream of chats."""
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, client_of(proxy) as client:
        upstream.script(*scripted)
        yield proxy, upstream, client


@asynccontextmanager
async def native(*scripted: Script, more: str = "") -> AsyncGenerator[tuple[Proxy, FakeUpstream, Any]]:
    """Stand before an upstream of Messages."""
    async with FakeUpstream() as upstream:
        row = f'providers:\n  up: {{type: anthropic, base_url: "{upstream.url}", api_key: sk-planted-key}}\n'
        text = f"{row}models:\n  m: {{targets: [up/claude-fake]}}\n{more}"
        async with serving(text) as proxy, client_of(proxy) as client:
            upstream.script(*scripted)
            yield proxy, upstream, client


def client_of(proxy: Proxy, **options: Any) -> anthropic.AsyncAnthropic:
    address = proxy.url.removesuffix("/v1")
    return anthropic.AsyncAnthropic(base_url=address, api_key="none", max_retries=0, **options)


class TestTranslated:
    async def test_a_whole_answer(self) -> None:
        async with translated(reply("Hello world")) as (_, upstream, client):
            got = await client.messages.create(
                **ASKED, system="Be brief.", stop_sequences=["x"], extra_body={"temperature": 0.5}
            )
            (seen,) = upstream.chats

        (block,) = got.content
        assert (block.type, block.text, got.stop_reason, got.role) == ("text", "Hello world", "end_turn", "assistant")
        assert (got.usage.input_tokens, got.usage.cache_read_input_tokens, got.usage.output_tokens) == (5, 2, 5)
        assert seen.json["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ]
        assert (seen.json["stop"], seen.json["max_tokens"], seen.json["temperature"]) == (["x"], 100, 0.5)

    async def test_a_stream(self) -> None:
        async with (
            translated(reply("Hello world")) as (_, _upstream, client),
            client.messages.stream(**ASKED) as stream,
        ):
            text = "".join([piece async for piece in stream.text_stream])
            got = await stream.get_final_message()

        assert (text, got.content[0].text, got.stop_reason) == ("Hello world", "Hello world", "end_turn")
        assert (got.usage.input_tokens, got.usage.output_tokens) == (5, 5)

    @pytest.mark.parametrize("stream", [True, False])
    async def test_tools_go_both_ways(self, stream: bool) -> None:
        async with translated(_calling(stream), reply("Warm.")) as (_, upstream, client):
            first = await _asked(client, stream=stream, tools=[WEATHER], tool_choice={"type": "any"})
            (call,) = first.content
            answer = {"type": "tool_result", "tool_use_id": call.id, "content": "22 degrees"}
            turns = [*ASKED["messages"], {"role": "assistant", "content": first.content}]
            turns += [{"role": "user", "content": [answer, {"type": "text", "text": "So?"}]}]
            second = await _asked(client, stream=stream, messages=turns, tools=[WEATHER])
            asked = [seen.json for seen in upstream.chats]

        assert (call.type, call.name, call.input) == ("tool_use", "get_weather", {"city": "Zürich", "days": 3})
        assert (first.stop_reason, second.content[0].text) == ("tool_use", "Warm.")
        assert asked[0]["tool_choice"] == "required"
        assert asked[0]["tools"][0]["function"]["parameters"] == WEATHER["input_schema"]
        said, result, user = asked[1]["messages"][1:]
        assert said["tool_calls"][0]["id"] == result["tool_call_id"] == call.id
        assert json.loads(said["tool_calls"][0]["function"]["arguments"]) == call.input
        assert (result["role"], result["content"], user["content"]) == ("tool", "22 degrees", "So?")

    async def test_thinking_is_told_to_those_who_asked(self) -> None:
        thinking = {"type": "enabled", "budget_tokens": 2048}
        async with translated(reasoning_stream("Let me see.", "Yes.")) as (_, upstream, client):
            thought = await _asked(client, stream=True, max_tokens=4000, thinking=thinking)
            plain = await _asked(client, stream=True)
            asked = [seen.json.get("reasoning_effort") for seen in upstream.chats]

        assert [(block.type, getattr(block, block.type)) for block in thought.content] == [
            ("thinking", "Let me see."),
            ("text", "Yes."),
        ]
        assert [block.type for block in plain.content] == ["text"]
        assert asked == ["low", None]

    async def test_the_blocking_client(self) -> None:
        async with translated(reply("Hello world")) as (proxy, _, _client):

            def work() -> str:
                address = proxy.url.removesuffix("/v1")
                with (
                    anthropic.Anthropic(base_url=address, api_key="none") as client,
                    client.messages.stream(**ASKED) as stream,
                ):
                    return "".join(stream.text_stream)

            assert await asyncio.to_thread(work) == "Hello world"

    async def test_errors_are_anthropics(self) -> None:
        async with translated(error(429, headers={"Retry-After": "60"})) as (_, _upstream, client):
            with pytest.raises(anthropic.RateLimitError) as limited:
                await client.messages.create(**ASKED)
            with pytest.raises(anthropic.NotFoundError) as unknown:
                await client.messages.create(**{**ASKED, "model": "nobody"})
            with pytest.raises(anthropic.BadRequestError) as wrong:
                await client.messages.create(**{**ASKED, "messages": [{"role": "nobody", "content": "x"}]})

        assert limited.value.body["error"]["type"] == "rate_limit_error"  # type: ignore[index, call-overload]
        assert unknown.value.body["error"]["type"] == "not_found_error"  # type: ignore[index, call-overload]
        assert "messages[0].role" in wrong.value.message
        assert wrong.value.request_id

    async def test_a_stream_that_breaks_raises(self) -> None:
        broken = text_stream("Hello world").first(2).then(cut())
        async with translated(broken) as (_, _upstream, client):
            with pytest.raises(anthropic.APIStatusError) as raised:
                await _asked(client, stream=True)

        assert raised.value.body["error"]["type"] == "api_error"  # type: ignore[index, call-overload]

    async def test_tokens_are_estimated(self) -> None:
        async with translated(reply("never asked")) as (_, upstream, client):
            found = await client.messages.with_raw_response.count_tokens(model="m", messages=ASKED["messages"])
            assert upstream.chats == []

        assert found.headers["x-llms-estimated"] == "true"
        assert 1 <= (await found.parse()).input_tokens < 50

    async def test_server_tools_are_refused(self) -> None:
        async with translated(reply("never asked")) as (_, upstream, client):
            with pytest.raises(anthropic.BadRequestError, match=r"tools\[0\]"):
                await client.messages.create(**ASKED, tools=[{"type": "web_search_20250305", "name": "web_search"}])
            assert upstream.chats == []

    async def test_models_are_listed_in_their_form(self) -> None:
        async with translated(reply()) as (_, _upstream, client):
            listed = [model async for model in client.models.list()]
            one = await client.models.retrieve("m")

        assert "m" in [model.id for model in listed]
        assert (one.id, one.type, one.display_name) == ("m", "model", "m")


class TestNative:
    @pytest.mark.parametrize("stream", [True, False])
    async def test_the_request_goes_on_as_it_is(self, stream: bool) -> None:
        async with native(text_reply("Hello world")) as (_, upstream, client):
            asked = {**ASKED, "stream": stream, "metadata": {"user_id": "u"}}
            got = await client.beta.messages.create(**asked, betas=["one-2025", "two-2025"])
            if stream:
                assert [each.type async for each in got][-1] == "message_stop"
            (seen,) = upstream.chats

        assert seen.path == "/v1/messages"
        assert seen.json == {**asked, "model": "claude-fake"}
        assert seen.headers["anthropic-beta"] == "one-2025,two-2025"
        assert (seen.headers["anthropic-version"], seen.headers["x-api-key"]) == ("2026-10-21", "sk-planted-key")

    async def test_thinking_tools_and_usage_arrive(self) -> None:
        scripted = messages.stream(
            messages.start(tokens=9),
            thinking_block(0, ["Let me ", "see."], "signed"),
            text_block(1, ["I ", "look."]),
            call_block(2, "get_weather", '{"city": "Zürich"}', "toolu_1"),
            messages.message_event("tool_use", tokens=33),
            messages.STOP,
        )
        async with native(scripted) as (proxy, _, client):
            got = await _asked(client, stream=True, tools=[WEATHER])
            (ended,) = await proxy.all_ended(1)

        assert [block.type for block in got.content] == ["thinking", "text", "tool_use"]
        assert (got.content[0].signature, got.content[2].input) == ("signed", {"city": "Zürich"})
        assert (ended.outcome, ended.finish_reason, ended.provider) == ("ok", "tool_calls", "up")
        assert (ended.usage.prompt_tokens, ended.usage.completion_tokens) == (9, 33)

    async def test_a_chat_of_another_upstream_follows_an_overload(self) -> None:
        overload = messages.event("error", error={"type": "overloaded_error", "message": "Overloaded"})
        async with FakeUpstream() as theirs, FakeUpstream() as chats:
            theirs.script(messages.stream(overload))
            chats.script(reply("Hello"))
            text = (
                f'providers:\n  a: {{type: anthropic, base_url: "{theirs.url}", retries: 0}}\n'
                f'  b: {{type: openai_compatible, base_url: "{chats.url}"}}\n'
                "models:\n  m: {targets: [a/claude-fake, b/other]}\n"
            )
            async with serving(text) as proxy, client_of(proxy) as client:
                got = await _asked(client, stream=True)

        assert got.content[0].text == "Hello"

    async def test_what_only_anthropic_does_goes_to_the_target_that_can(self) -> None:
        async with FakeUpstream() as theirs, FakeUpstream() as chats:
            theirs.script(text_reply("Found."))
            text = (
                f'providers:\n  a: {{type: openai_compatible, base_url: "{chats.url}"}}\n'
                f'  b: {{type: anthropic, base_url: "{theirs.url}"}}\n'
                "models:\n  m: {targets: [a/other, b/claude-fake]}\n"
            )
            async with serving(text) as proxy, client_of(proxy) as client:
                tools: Any = [{"type": "web_search_20250305", "name": "web_search"}]
                got = await _asked(client, stream=True, tools=tools)

        assert (got.content[0].text, chats.chats) == ("Found.", [])

    async def test_an_error_in_the_middle_raises(self) -> None:
        overload = messages.event("error", error={"type": "overloaded_error", "message": "Overloaded"})
        async with native(messages.stream(messages.start(), text_block(0, ["Hello"]), overload)) as (_, _up, client):
            with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
                await _asked(client, stream=True)

    async def test_a_refusal_keeps_its_words(self) -> None:
        refused = messages.failure(529, "overloaded_error", "Overloaded")
        async with native(refused) as (_, _up, client):
            with pytest.raises(anthropic.InternalServerError) as raised:
                await client.messages.create(**ASKED)

        assert raised.value.status_code == 529
        assert raised.value.body["error"]["type"] == "overloaded_error"

    async def test_tokens_are_counted_by_the_upstream(self) -> None:
        async with native(body({"input_tokens": 321})) as (_, upstream, client):
            found = await client.messages.count_tokens(model="m", messages=ASKED["messages"])
            (seen,) = upstream.chats

        assert (found.input_tokens, seen.path) == (321, "/v1/messages/count_tokens")

    async def test_a_chat_client_is_translated(self) -> None:
        import openai

        async with native(text_reply("Hello world")) as (proxy, upstream, _):
            async with openai.AsyncOpenAI(base_url=proxy.url, api_key="none") as chats:
                got = await chats.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
            (seen,) = upstream.chats

        assert got.choices[0].message.content == "Hello world"
        assert (seen.path, seen.json["max_tokens"]) == ("/v1/messages", 8192)


def _calling(stream: bool) -> Script:
    if stream:
        return tool_stream()
    function = {"name": "get_weather", "arguments": '{"city": "Zürich", "days": 3}'}
    calls = [{"id": "call_0", "type": "function", "function": function}]
    return body(completion({"tool_calls": calls}, finish="tool_calls"))


async def _asked(client: anthropic.AsyncAnthropic, *, stream: bool, **more: Any) -> Any:
    if not stream:
        return await client.messages.create(**{**ASKED, **more})
    async with client.messages.stream(**{**ASKED, **more}) as events:
        return await events.get_final_message()
