"""OpenAI's own client, opted in to progress by a header, reads everything as it always does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from llms.testing.answers import Answer, Script
from llms.testing.fake_upstream import FakeUpstream, error, pause, reasoning_stream, text_stream, tool_stream
from tests.gateway.slotted import TWO, Slotted, put
from tests.proxy import one_upstream, serving

SAY: Final[list[ChatCompletionUserMessageParam]] = [{"role": "user", "content": "hello"}]
WEATHER: Final[Any] = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
ASKED: Final = {"X-LLMS-Stream": "progress"}


def late(answer: Answer, seconds: float) -> Answer:
    return Answer((pause(seconds), *answer.steps), answer.framing)


@asynccontextmanager
async def asking(script: Script, *, row: str = "") -> AsyncGenerator[openai.AsyncOpenAI]:
    """Lend OpenAI's client, opted in."""
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=row)) as proxy:
        upstream.script(script)
        async with openai.AsyncOpenAI(
            base_url=proxy.url, api_key="none", default_headers=ASKED, max_retries=0
        ) as client:
            yield client


@pytest.mark.parametrize("seconds", [0.0, 0.6], ids=["quick", "late"])
@pytest.mark.parametrize("usage", [False, True])
async def test_a_stream_and_its_figures(seconds: float, usage: bool) -> None:
    async with asking(late(text_stream("Grüße aus Köln"), seconds)) as client:
        options: Any = {"stream_options": {"include_usage": True}} if usage else {}
        stream = await client.chat.completions.create(model="m", messages=SAY, stream=True, max_tokens=10, **options)
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Grüße aus Köln"
    told = [(chunk.model_extra or {})["llms"] for chunk in chunks if "llms" in (chunk.model_extra or {})]
    assert (not chunks[0].choices) == bool(seconds)
    assert told[0]["elapsed_ms"] >= seconds * 500
    assert (told[-1]["tokens"], told[-1]["max_tokens"], told[-1]["percent"]) == (5, 10, 100)
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == ([5] if usage else [])


@pytest.mark.parametrize("seconds", [0.0, 0.6], ids=["quick", "late"])
async def test_its_own_accumulator_takes_the_stream(seconds: float) -> None:
    async with (
        asking(late(tool_stream(), seconds)) as client,
        client.chat.completions.stream(model="m", messages=SAY, tools=[WEATHER]) as stream,
    ):
        kinds = {one.type async for one in stream}
        final = await stream.get_final_completion()
    [call] = final.choices[0].message.tool_calls or []
    assert call.function.name == "get_weather"
    assert final.choices[0].finish_reason == "tool_calls"
    assert "tool_calls.function.arguments.done" in kinds


async def test_thoughts_are_told_of_as_thoughts() -> None:
    async with asking(reasoning_stream("Let me think about this for quite a while.").paced(0.25)) as client:
        stream = await client.chat.completions.create(model="m", messages=SAY, stream=True)
        told = [(chunk.model_extra or {}).get("llms", {}) async for chunk in stream]
    states = [each.get("state") for each in told if each.get("state")]
    assert states == sorted(states, key=["thinking", "writing"].index)
    assert set(states) == {"thinking", "writing"}


async def test_an_early_failure_is_a_status_and_a_late_one_an_exception_of_the_stream() -> None:
    async with asking(error(400, message="no luck")) as client:
        with pytest.raises(openai.BadRequestError, match="no luck"):
            await client.chat.completions.create(model="m", messages=SAY, stream=True)
    async with asking(late(error(400, message="no luck"), 0.6)) as client:
        stream = await client.chat.completions.create(model="m", messages=SAY, stream=True)
        with pytest.raises(openai.APIError, match="no luck"):
            _ = [chunk async for chunk in stream]


async def test_a_place_in_the_line() -> None:
    async with (
        serving(TWO) as proxy,
        openai.AsyncOpenAI(base_url=proxy.url, api_key="none", default_headers=ASKED) as client,
    ):
        provider = Slotted({"one": 1})
        put(proxy, provider)

        async def told() -> list[dict[str, Any]]:
            stream = await client.chat.completions.create(model="local/one", messages=SAY, stream=True)
            found = []
            async for chunk in stream:
                found.append((chunk.model_extra or {}).get("llms", {}))
                provider.let_go()
            return found

        first = asyncio.create_task(told())
        async with asyncio.timeout(5):
            while not provider.came:
                await asyncio.sleep(0.005)
        second = await told()
        assert (second[0]["state"], second[0]["queue_position"]) == ("queued", 1)
        assert second[-1]["percent"] == (await first)[-1]["percent"] == 100
