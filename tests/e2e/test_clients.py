"""The clients that people use, each as it is, in front of the proxy."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai.types.chat import ChatCompletionUserMessageParam
from pydantic import SecretStr

from llms.testing.answers import Answer, Script, chunk
from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    body,
    close,
    either,
    error,
    event,
    pause,
    reasoning_stream,
    reply,
    stall,
    text_stream,
    tool_stream,
    whole,
    whole_tools,
)
from llms.testing.seen import Seen
from tests.e2e.clients.environments import python_with
from tests.proxy import Proxy, one_upstream, serving

SAY: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "hello"}]
WEATHER: Any = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
ASKED: Any = {"include_usage": True}
LITELLM = "litellm[mcp]"
"""It cannot live beside openai 3; without that extra it fails on every request with tools."""
PROBS = {"content": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}], "refusal": None}
FAST = "max_retry_after: 1s, models: [real-model]"


@asynccontextmanager
async def before(*scripted: Script, row: str = FAST, more: str = "") -> AsyncGenerator[tuple[Proxy, FakeUpstream]]:
    """Serve a proxy in front of an upstream that answers so."""
    async with FakeUpstream() as upstream:
        upstream.script(*scripted)
        async with serving(one_upstream(upstream, row=row, more=more)) as proxy:
            yield proxy, upstream


@asynccontextmanager
async def asking(
    *scripted: Script, row: str = FAST, more: str = "", **options: Any
) -> AsyncGenerator[tuple[openai.AsyncOpenAI, FakeUpstream]]:
    """Lend OpenAI's client in front of the proxy."""
    async with (
        before(*scripted, row=row, more=more) as (proxy, upstream),
        openai.AsyncOpenAI(base_url=proxy.url, api_key="none", **options) as client,
    ):
        yield client, upstream


async def in_thread(work: Callable[[openai.OpenAI], Any], *scripted: Script, row: str = FAST) -> tuple[Any, int]:
    """Let OpenAI's blocking client work in a thread; return its result and the attempts that the upstream saw."""
    async with before(*scripted, row=row) as (proxy, upstream):

        def with_client() -> Any:
            with openai.OpenAI(base_url=proxy.url, api_key="none") as client:
                return work(client)

        return await asyncio.to_thread(with_client), len(upstream.chats)


class TestOpenAI:
    """openai, asynchronous."""

    async def test_a_stream(self) -> None:
        async with asking(text_stream("Grüße aus Köln 🎈")) as (client, _):
            stream = await client.chat.completions.create(model="m", messages=SAY, stream=True, stream_options=ASKED)
            chunks = [item async for item in stream]

        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Grüße aus Köln 🎈"
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
        assert [c.usage.completion_tokens for c in chunks if c.usage] == [5]
        assert chunks[-1].usage
        assert len({(c.id, c.created, c.model) for c in chunks}) == 1

    async def test_its_own_accumulator_takes_the_stream(self) -> None:
        async with (
            asking(tool_stream()) as (client, _),
            client.chat.completions.stream(model="m", messages=SAY, tools=[WEATHER]) as stream,
        ):
            kinds = {one.type async for one in stream}
            final = await stream.get_final_completion()

        [call] = final.choices[0].message.tool_calls or []
        assert json.loads(call.function.arguments) == {"city": "Zürich", "days": 3}
        assert final.choices[0].finish_reason == "tool_calls"
        assert "tool_calls.function.arguments.done" in kinds

    async def test_a_whole_answer(self) -> None:
        async with asking(whole("Hello world")) as (client, _):
            got = await client.chat.completions.create(model="m", messages=SAY)

        assert got.choices[0].message.content == "Hello world"
        assert got.usage
        assert got.usage.prompt_tokens_details
        assert got.usage.prompt_tokens_details.cached_tokens == 2
        assert got._request_id

    async def test_whole_tool_calls_and_the_next_turn(self) -> None:
        async with asking(whole_tools(), whole("cold")) as (client, upstream):
            first = await client.chat.completions.create(model="m", messages=SAY, tools=[WEATHER])
            said = first.choices[0].message
            [call] = said.tool_calls or []
            told: Any = [*SAY, said, {"role": "tool", "tool_call_id": call.id, "content": "-3"}]
            second = await client.chat.completions.create(model="m", messages=told, tools=[WEATHER])
            turn = upstream.chats[1].json["messages"]

        assert second.choices[0].message.content == "cold"
        assert turn[1]["tool_calls"][0]["id"] == turn[2]["tool_call_id"] == "call_0"

    async def test_two_choices_with_probabilities(self) -> None:
        def made(index: int, text: str) -> dict[str, Any]:
            item = chunk({"role": "assistant", "content": text}, index=index)
            item["choices"][0]["logprobs"] = PROBS
            return item

        both = [event(made(n, text)) for n, text in enumerate(("Hi", "Yo"))]
        ends = [event(chunk({}, "stop", index=n)) for n in (1, 0)]
        async with asking(answer(*both, *ends, event("[DONE]"))) as (client, upstream):
            stream = await client.chat.completions.create(model="m", messages=SAY, n=2, logprobs=True, stream=True)
            choices = [item.choices[0] async for item in stream]
            assert upstream.chats[0].json["n"] == 2

        assert [(c.index, c.delta.content) for c in choices[:2]] == [(0, "Hi"), (1, "Yo")]
        assert choices[0].logprobs
        assert choices[0].logprobs.content
        assert choices[0].logprobs.content[0].bytes == [72, 105]

    async def test_reasoning_and_fields_nobody_knows(self) -> None:
        async with asking(reasoning_stream("Hm. Yes.", "Done")) as (client, _):
            stream = await client.chat.completions.create(
                model="m", messages=SAY, stream=True, extra_body={"chat_template_kwargs": {"x": 1}}
            )
            extra = [(c.choices[0].delta.model_extra or {}).get("reasoning_content") async for c in stream]

        assert "".join(filter(None, extra)) == "Hm. Yes."

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, openai.BadRequestError),
            (401, openai.InternalServerError),
            (403, openai.PermissionDeniedError),
            (404, openai.NotFoundError),
            (409, openai.ConflictError),
            (413, openai.APIStatusError),
            (422, openai.UnprocessableEntityError),
            (429, openai.RateLimitError),
            (500, openai.InternalServerError),
            (503, openai.InternalServerError),
        ],
    )
    @pytest.mark.parametrize("stream", [True, False])
    async def test_errors_are_of_the_right_class(
        self, status: int, kind: type[openai.APIStatusError], stream: bool
    ) -> None:
        told = {"error": {"message": "no luck", "type": "x", "param": "messages", "code": "bad_day"}}
        async with asking(error(status, told), row="retries: 0", max_retries=0) as (client, _):
            with pytest.raises(kind) as caught:
                await client.chat.completions.create(model="m", messages=SAY, stream=stream)

        found = caught.value
        assert found.status_code == (502 if status == 401 else status)
        assert found.request_id
        assert found.code == ("upstream_authentication_failed" if status == 401 else "bad_day")
        assert isinstance(found.body, dict)
        assert found.body.keys() == {"message", "type", "param", "code"}

    async def test_an_unknown_model_is_not_found(self) -> None:
        async with asking(reply()) as (client, _):
            with pytest.raises(openai.NotFoundError, match="nobody"):
                await client.chat.completions.create(model="nobody", messages=SAY)

    @pytest.mark.parametrize("last", [close(), event({"error": {"message": "it fell over"}})], ids=["EOF", "event"])
    async def test_a_broken_stream_raises(self, last: Any) -> None:
        broken = text_stream("a b c", done=False, finish=None, usage=False).then(last)
        async with asking(broken) as (client, upstream):
            stream = await client.chat.completions.create(model="m", messages=SAY, stream=True)
            texts = []

            async def read() -> None:
                async for item in stream:
                    texts.append(item.choices[0].delta.content)

            with pytest.raises(openai.APIError, match=r"fell over|broke"):
                await read()
            assert len(upstream.chats) == 1

        assert "".join(filter(None, texts)) == "a b c"

    async def test_our_request_ids_are_the_clients(self) -> None:
        async with asking(whole()) as (client, _):
            got = await client.chat.completions.create(
                model="m", messages=SAY, extra_headers={"x-request-id": "mine-1.2_3"}
            )
            raw = await client.chat.completions.with_raw_response.create(model="m", messages=SAY)

        assert got._request_id == "mine-1.2_3"
        assert raw.headers["x-llms-provider"] == "up"

    @pytest.mark.parametrize(
        ("refusal", "attempts"),
        [
            (error(500), 3),
            (error(503), 3),
            (answer(close()), 3),
            (error(400), 1),
            (error(401), 1),
            (error(404), 1),
        ],
        ids=["500", "503", "EOF", "400", "401", "404"],
    )
    async def test_its_attempts_and_ours_are_not_multiplied(self, refusal: Answer, attempts: int) -> None:
        async with asking(refusal, row="retries: 2, models: [x]", max_retries=2) as (client, upstream):
            with pytest.raises(openai.APIStatusError):
                await client.chat.completions.create(model="m", messages=SAY)

        assert len(upstream.chats) == attempts

    async def test_what_it_is_told_to_wait_for_it_waits_for(self) -> None:
        limited = error(429, headers={"retry-after-ms": "1200"})
        async with asking(limited, reply("later"), max_retries=1) as (client, upstream):
            got = await client.chat.completions.create(model="m", messages=SAY)
            first, second = upstream.chats

        assert got.choices[0].message.content == "later"
        assert second.arrived - first.arrived >= 1.2

    async def test_a_closed_stream_stops_the_upstream(self) -> None:
        begun = text_stream("a b", done=False, finish=None, usage=False).then(stall())
        async with asking(begun) as (client, upstream):
            async with await client.chat.completions.create(model="m", messages=SAY, stream=True) as stream:
                async for item in stream:
                    if item.choices[0].delta.content == "b":
                        break
            await upstream.chats[0].gone()

    async def test_a_cancelled_call_stops_the_upstream(self) -> None:
        async with asking(answer(stall())) as (client, upstream):
            call = asyncio.create_task(client.chat.completions.create(model="m", messages=SAY))
            await upstream.arrived()
            call.cancel()
            await upstream.chats[0].gone()
            with pytest.raises(asyncio.CancelledError):
                await call

    async def test_heartbeats_are_no_chunks(self) -> None:
        slow = answer(pause(0.5), *text_stream("late", usage=False).steps)
        async with asking(slow, more="defaults: {heartbeat: 0.2s}\n") as (client, _):
            stream = await client.chat.completions.create(model="m", messages=SAY, stream=True)
            assert "".join([c.choices[0].delta.content or "" async for c in stream]) == "late"

    async def test_models_with_a_slash(self) -> None:
        async with asking(reply(), row="retries: 0") as (client, upstream):
            upstream.models(["org/one:7b", "two"])
            listed = [model.id async for model in await client.models.list()]
            got = await client.models.retrieve("up/org/one:7b")

        assert {"m", "up/org/one:7b", "up/two"} <= set(listed)
        assert (got.id, got.object) == ("up/org/one:7b", "model")


class TestBlockingOpenAI:
    """openai, blocking, in a thread of its own."""

    async def test_a_stream(self) -> None:
        def work(client: openai.OpenAI) -> str:
            with client.chat.completions.create(model="m", messages=SAY, stream=True) as stream:
                return "".join(item.choices[0].delta.content or "" for item in stream)

        assert await in_thread(work, text_stream("Hello world")) == ("Hello world", 1)

    async def test_a_whole_answer_with_tools(self) -> None:
        def work(client: openai.OpenAI) -> str:
            got = client.chat.completions.create(model="m", messages=SAY, tools=[WEATHER])
            [call] = got.choices[0].message.tool_calls or []
            return call.function.name if call.type == "function" else call.type

        assert await in_thread(work, whole_tools()) == ("get_weather", 1)

    async def test_an_error_after_our_attempts(self) -> None:
        def work(client: openai.OpenAI) -> tuple[int, str | None]:
            with pytest.raises(openai.InternalServerError) as caught:
                client.chat.completions.create(model="m", messages=SAY)
            return caught.value.status_code, caught.value.code

        assert await in_thread(work, error(503), row="retries: 1") == ((503, "upstream_overloaded"), 2)

    async def test_a_closed_stream_stops_the_upstream(self) -> None:
        def leave(url: str) -> None:
            with openai.OpenAI(base_url=url, api_key="none") as client:
                stream = client.chat.completions.create(model="m", messages=SAY, stream=True)
                next(iter(stream))
                stream.close()

        async with before(text_stream("a b", done=False, finish=None).then(stall())) as (proxy, upstream):
            await asyncio.to_thread(leave, proxy.url)
            await upstream.chats[0].gone()

    async def test_a_stream_that_breaks(self) -> None:
        def work(client: openai.OpenAI) -> str:
            stream = client.chat.completions.create(model="m", messages=SAY, stream=True)
            with stream, pytest.raises(openai.APIError) as caught:
                list(stream)
            return str(caught.value.code)

        broken = text_stream("a", done=False, finish=None).then(close())
        assert await in_thread(work, broken) == ("upstream_truncated", 1)


@tool
def get_weather(city: str, days: int) -> str:
    """Tell the weather."""
    return f"{city} {days}"


class TestLangChain:
    """ChatOpenAI of langchain-openai."""

    @staticmethod
    @asynccontextmanager
    async def model(*scripted: Script, **options: Any) -> AsyncGenerator[tuple[ChatOpenAI, FakeUpstream]]:
        async with before(*scripted) as (proxy, upstream):
            model = ChatOpenAI(model="m", base_url=proxy.url, api_key=SecretStr("none"), max_retries=0, **options)
            try:
                yield model, upstream
            finally:
                await model.root_async_client.close()
                model.root_client.close()

    async def test_a_stream_with_usage(self) -> None:
        async with self.model(text_stream("Hello world"), stream_usage=True) as (model, upstream):
            gathered: AIMessageChunk | None = None
            async for item in model.astream("hi"):
                assert isinstance(item, AIMessageChunk)
                gathered = item if gathered is None else gathered + item
            assert upstream.chats[0].asked_usage

        assert gathered is not None
        assert gathered.content == "Hello world"
        assert gathered.usage_metadata is not None
        assert gathered.usage_metadata["output_tokens"] == 5
        assert gathered.response_metadata["finish_reason"] == "stop"

    async def test_an_answer(self) -> None:
        async with self.model(either(text_stream("Hello world"), whole("Hello world"))) as (model, _):
            got = await model.ainvoke("hi")
            blocking = await asyncio.to_thread(model.invoke, "hi")

        assert got.content == blocking.content == "Hello world"
        assert got.usage_metadata is not None
        assert got.usage_metadata["input_tokens"] == 7

    @pytest.mark.parametrize("stream", [True, False])
    async def test_tools(self, stream: bool) -> None:
        async with self.model(either(tool_stream(), whole_tools()), streaming=stream) as (model, upstream):
            got = await model.bind_tools([get_weather]).ainvoke("weather?")
            assert upstream.chats[0].stream is stream

        [call] = got.tool_calls
        assert (call["name"], call["args"]) == ("get_weather", {"city": "Zürich", "days": 3})
        assert get_weather.invoke(call["args"]) == "Zürich 3"

    async def test_an_error(self) -> None:
        async with self.model(error(400, message="too odd")) as (model, _):
            with pytest.raises(openai.BadRequestError, match="too odd"):
                await model.ainvoke("hi")

    async def test_a_stream_that_breaks(self) -> None:
        broken = text_stream("a b", done=False, finish=None).then(close())
        async with self.model(broken) as (model, _):
            with pytest.raises(openai.APIError, match="broke"):
                [item async for item in model.astream("hi")]


def by_what_is_said(seen: Seen) -> Answer:
    """Answer the chats of `litellm_chats`."""
    said = seen.json["messages"][0]["content"]
    too_long = {"message": "this model's maximum context length is 9 tokens", "code": "context_length_exceeded"}
    answers: Mapping[str, Answer] = {
        "text": text_stream("Hello world") if seen.stream else whole("Hello world"),
        "tools": tool_stream(),
        "thinking": reasoning_stream("Hm. Yes.", "Done"),
        "refused": error(403, message="not for you"),
        "too long": body({"error": too_long}, status=400),
        "broken": text_stream("a b", done=False, finish=None, usage=False).then(close()),
    }
    return answers[said]


@pytest.mark.clients
@pytest.mark.timeout(900)
async def test_litellm() -> None:
    python = await asyncio.to_thread(python_with, LITELLM)
    async with before(by_what_is_said) as (proxy, upstream):
        script = Path(__file__).with_name("litellm_chats.py")
        child = await asyncio.create_subprocess_exec(
            str(python), str(script), proxy.url, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, problems = await asyncio.wait_for(child.communicate(), 60)
        assert child.returncode == 0, problems.decode()[-2000:]
        assert len(upstream.chats) == 7, "an attempt was made again"

    got = json.loads(out.splitlines()[-1])
    assert got["whole"] == {"text": "Hello world", "finish": "stop", "usage": [7, 5]}
    assert (got["stream"]["text"], got["stream"]["finish"], got["stream"]["usage"]) == ("Hello world", "stop", [7, 5])
    [[call_id, name, arguments]] = got["tools"]["calls"]
    assert (call_id, name, json.loads(arguments)) == ("call_0", "get_weather", {"city": "Zürich", "days": 3})
    assert got["tools"]["finish"] == "tool_calls"
    assert (got["thinking"]["reasoning"], got["thinking"]["text"]) == ("Hm. Yes.", "Done")
    assert got["refused"]["status"] == 403
    assert "not for you" in got["refused"]["message"]
    assert got["too long"]["class"] == "ContextWindowExceededError"
    assert got["broken"]["class"] is not None
