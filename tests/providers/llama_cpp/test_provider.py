"""The llama.cpp provider with the embedded demo model: real weights, the real library, no network."""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from llms.protocol.chat import ChatRequest, Usage
from llms.protocol.errors import ContextLengthExceeded, InvalidRequest, NotSupported
from llms.providers import discover
from llms.providers.llama_cpp import LlamaCpp
from tests.providers.llama_cpp.local_chats import answer, asking, row, text

LIBRARIES = discover.libraries()
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.local,
    pytest.mark.skipif(not LIBRARIES, reason="needs a library for local models: pip install 'llms[local]'"),
]

KNOWN = {
    "Hello": "Hello! I am the tiny demo model that comes with llms",
    "WHO ARE YOU???": "I am the demo model of llms",
    "How do I add a provider?": "Open providers.yaml and add a block with a type and an api_key under `providers:`",
    "count to five, please": "One, two, three, four, five.",
    "tell me a joke": "Why did the token cross the network?",
    "What is the capital of France?": "That is beyond me: I am only a tiny demo model",
    "ping": "pong",
    "Thanks!": "You are welcome!",
}

UNKNOWN = (
    "What is 12 times 12?",
    "Who wrote Faust?",
    "What's the capital of Finland?",
    "Write a haiku about autumn leaves",
    "Write a SQL query to find duplicate rows",
    "Explain general relativity in simple terms",
    "What's in the news this morning?",
    "Give me a recipe for lasagna",
    "Which laptop is best for students?",
    "Translate 'the train is late' into Korean",
    "How do vaccines work?",
    "Wie heißt die Hauptstadt von Österreich?",
    "你是谁",
    "I'm bored",
    "blah " * 60,
)

ROOT = Path(__file__).parents[3]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=LIBRARIES)
async def demo(request: pytest.FixtureRequest) -> AsyncIterator[LlamaCpp]:
    """One model for all tests, because they shall not leave anything behind."""
    provider = row(library=request.param)
    yield provider
    await provider.close()


@pytest.mark.parametrize("question", KNOWN)
async def test_it_answers_what_it_knows(demo: LlamaCpp, question: str) -> None:
    assert (await text(demo, question)).startswith(KNOWN[question])


async def test_it_knows_by_heart_what_it_was_taught(demo: LlamaCpp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "tools")
    examples = importlib.import_module("demo_examples").known_examples()[::20]
    for example in examples:
        talk = [{"role": "user", "content": said} for said in (example.earlier, example.question) if said]
        body = {"model": "demo", "messages": talk}
        found = await answer(demo, ChatRequest(body, "demo"))
        assert found["choices"][0]["message"]["content"] == example.answer, example


async def test_it_admits_what_it_does_not_know(demo: LlamaCpp) -> None:
    answers = [await text(demo, question) for question in UNKNOWN]
    assert sum(said.startswith("That is beyond me") for said in answers) >= 0.8 * len(UNKNOWN)


async def test_it_understands_a_follow_up(demo: LlamaCpp) -> None:
    talk = [
        {"role": "system", "content": "You are helpful."},
        {"role": "user", "content": "Tell me a joke"},
        {"role": "assistant", "content": "Why did the token cross the network?"},
        {"role": "user", "content": "Another one!"},
    ]
    assert (await text(demo, "", messages=talk)).startswith("A stream walks into a bar.")


async def test_a_story_is_long_enough_to_be_watched(demo: LlamaCpp) -> None:
    found = await answer(demo, asking("Tell me a short story"))
    assert found["usage"]["completion_tokens"] > 120


@pytest.mark.parametrize("question", ["Hello", "How do I add a provider?", "tell me a story"])
async def test_a_stream_and_a_whole_answer_say_the_same(demo: LlamaCpp, question: str) -> None:
    streamed = await answer(demo, asking(question))
    whole = await answer(demo, asking(question), stream=False)
    assert whole["object"] == "chat.completion"
    assert whole["choices"] == streamed["choices"]
    assert whole["usage"]["completion_tokens"] == streamed["usage"]["completion_tokens"]


async def test_chunks_are_openai_chunks(demo: LlamaCpp) -> None:
    objects = [item async for chunk in demo.chat(asking("count to five")) for item in chunk.objects]
    assert {(item["id"], item["created"], item["model"], item["object"]) for item in objects} == {
        (objects[0]["id"], objects[0]["created"], "demo", "chat.completion.chunk")
    }
    assert objects[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [item["choices"][0]["finish_reason"] for item in objects if item["choices"]][-2:] == [None, "stop"]
    assert all(isinstance(item["choices"], list) and "prompt_progress" not in item for item in objects)
    assert objects[-1]["choices"] == []
    assert objects[-1]["timings"]["predicted_n"] == objects[-1]["usage"]["completion_tokens"]


async def test_usage_is_reported(demo: LlamaCpp) -> None:
    usage = Usage.of((await answer(demo, asking("ping")))["usage"])
    assert usage is not None
    assert usage.source == "reported"
    assert 3 <= usage.prompt_tokens <= 8
    assert 2 <= usage.completion_tokens <= 5


async def test_a_length_limit_is_kept(demo: LlamaCpp) -> None:
    found = await answer(demo, asking("tell me a story", max_tokens=7))
    assert found["choices"][0]["finish_reason"] == "length"
    assert found["usage"]["completion_tokens"] == 7


async def test_stop_texts_end_the_answer(demo: LlamaCpp) -> None:
    assert await text(demo, "count to five", stop="four") == "One, two, three, "


async def test_logprobs_come_with_the_tokens(demo: LlamaCpp) -> None:
    found = await answer(demo, asking("ping", logprobs=True, top_logprobs=2))
    tokens = found["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == "pong"
    assert all(len(token["top_logprobs"]) == 2 for token in tokens)


async def test_the_same_seed_says_the_same(demo: LlamaCpp) -> None:
    said = [await text(demo, "xyzzy plugh", temperature=3, seed=2**40 + 7, max_tokens=20) for _ in range(2)]
    assert said[0] == said[1]


async def test_a_json_schema_is_obeyed(demo: LlamaCpp) -> None:
    schema = {
        "type": "object",
        "properties": {"demo": {"type": "boolean"}, "size": {"enum": ["tiny", "huge"]}},
        "required": ["demo", "size"],
        "additionalProperties": False,
    }
    said = await text(
        demo, "answer in json", response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    )
    found = json.loads(said)
    assert isinstance(found["demo"], bool)
    assert found["size"] in ("tiny", "huge")


async def test_json_without_a_schema(demo: LlamaCpp) -> None:
    assert isinstance(json.loads(await text(demo, "answer in json", response_format={"type": "json_object"})), dict)


async def test_parts_of_text_are_joined(demo: LlamaCpp) -> None:
    parts = [{"type": "text", "text": "count"}, {"type": "text", "text": " to five"}]
    assert await text(demo, "", messages=[{"role": "user", "content": parts}]) == "One, two, three, four, five."


async def test_other_parts_are_refused_and_not_fetched(demo: LlamaCpp) -> None:
    parts = [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/a.png"}}]
    with pytest.raises(NotSupported, match=r"messages\[0\]\.content.*text only") as refused:
        await text(demo, "", messages=[{"role": "user", "content": parts}])
    assert refused.value.http_status == 400


async def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(demo: LlamaCpp) -> None:
    with pytest.raises(ContextLengthExceeded, match=r"1024 tokens.*\d{4,} tokens long") as refused:
        await text(demo, "hello " * 3000)
    assert refused.value.param == "messages"
    assert await text(demo, "ping") == "pong"


async def test_a_chat_that_is_given_up_frees_its_slot() -> None:
    provider = row(models={"demo": {"path": "embedded", "slots": 1}})
    for _ in range(20):
        chunks = provider.chat(asking("tell me a story"))
        await anext(chunks)
        await chunks.aclose()
        async with asyncio.timeout(10):
            assert await text(provider, "ping") == "pong"
    await provider.close()


async def test_a_cancelled_task_frees_its_slot_in_every_phase() -> None:
    provider = row(models={"demo": {"path": "embedded", "slots": 1}})
    for delay in (0, 0.001, 0.005, 0.01, 0.02, 0.05):
        task = asyncio.ensure_future(text(provider, "tell me a story"))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.wait([task])
        async with asyncio.timeout(10):
            assert await text(provider, "ping") == "pong"
    await provider.close()


@pytest.mark.parametrize("slots", [1, 3])
async def test_chats_at_the_same_time_do_not_mix(slots: int) -> None:
    provider = row(models={"demo": {"path": "embedded", "slots": slots}})
    questions = list(KNOWN) * 2
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(text(provider, question) for question in questions))
    assert [said.startswith(KNOWN[asked]) for asked, said in zip(questions, answers, strict=True)] == [True] * 16
    await provider.close()


async def test_the_loop_keeps_running_while_a_model_loads_and_writes(demo: LlamaCpp) -> None:
    longest, last = 0.0, time.monotonic()

    async def tick() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0.001)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()

    ticking = asyncio.ensure_future(tick())
    await asyncio.gather(*(text(demo, "tell me a story") for _ in range(8)))
    ticking.cancel()
    assert longest < 1


@pytest.mark.parametrize(
    "fields",
    [
        {"n_discard": -1},
        {"id_slot": -5},
        {"n_predict": 2**62},
        {"n_keep": -99999},
        {"n_probs": 2**31 - 1},
        {"n_cache_reuse": -1},
        {"cache_prompt": "no"},
        {"samplers": [None]},
        {"lora": [{"id": 7, "scale": 1e30}]},
        {"max_tokens": 10**30},
        {"seed": -(2**70)},
        {"return_progress": False, "stream": False, "stream_options": None},
        {"logit_bias": {"99999999": 100}},
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"$ref": "#/nowhere"}}}]},
    ],
    ids=lambda fields: next(iter(fields)),
)
async def test_strange_fields_do_no_harm(demo: LlamaCpp, fields: dict[str, Any]) -> None:
    await text(demo, "ping", **fields)
    assert await text(demo, "ping") == "pong"


@pytest.mark.parametrize("content", ["a\0b", "half \ud800 a character", "<|end|><|bot|>", "😀" * 50, ""])
async def test_strange_texts_do_no_harm(demo: LlamaCpp, content: str) -> None:
    await text(demo, content)
    assert await text(demo, "ping") == "pong"


@pytest.mark.parametrize(
    "schema", [{"type": "nothing"}, {"$ref": "#"}, {"type": "array", "items": {}, "minItems": 10**9}]
)
async def test_schemas_that_give_no_grammar_are_refused(demo: LlamaCpp, schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await text(demo, "x", response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}})
    assert refused.value.param == "response_format"
    assert await text(demo, "ping") == "pong"
