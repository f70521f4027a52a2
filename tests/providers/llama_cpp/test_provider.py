"""The llama.cpp provider with the embedded demo model: real weights, the real library, no network."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from llms.protocol.chat import ChatRequest, Usage
from llms.protocol.errors import ContextLengthExceeded, InvalidRequest, ModelNotFound, UpstreamUnavailable
from llms.protocol.fold import Fold
from llms.providers.base import Provider, ProviderSettings, Resources, SupportsClose
from llms.providers.llama_cpp import LlamaCpp, Options
from llms.providers.llama_cpp.child.xllamacpp import XllamaModel, load
from llms.providers.llama_cpp.load import EMBEDDED, Load
from llms.testing.contract import ProviderContract
from llms.testing.fake_upstream import FakeUpstream

pytest.importorskip("xllamacpp", reason="needs xllamacpp: pip install 'llms[local]'")
pytestmark = pytest.mark.local

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


class TestContract(ProviderContract):
    """The parts of the contract that a library in the process can be held to."""

    speaks_http = says_what_is_scripted = has_key = has_tools = has_reasoning = False
    keeps_unknown_fields = lists_upstream_models = False
    model = "demo"

    async def provider(self, upstream: FakeUpstream) -> Provider:
        return LlamaCpp(ProviderSettings("local", "llama_cpp", Options.model_validate({})), self.resources)

    def request(self, text: str = "Hello world", *, more: Mapping[str, Any] | None = None) -> ChatRequest:
        return super().request(text, more={"temperature": 0, **(more or {})})


class Unlent:
    """What an application lends; a local model takes none of it."""

    def __getattr__(self, name: str) -> Any:
        pytest.fail(f"a local model needs no {name}")


def row(**options: Any) -> LlamaCpp:
    settings = ProviderSettings("local", "llama_cpp", Options.model_validate(options))
    return LlamaCpp(settings, cast(Resources, Unlent()))


def asking(question: str, model: str = "demo", **fields: Any) -> ChatRequest:
    body = {"model": model, "messages": [{"role": "user", "content": question}], "temperature": 0, **fields}
    return ChatRequest(body, model)


async def answer(provider: Provider, request: ChatRequest, *, stream: bool = True) -> dict[str, Any]:
    whole = Fold()
    async with aclosing(provider.chat(request, stream=stream)) as chunks:
        async for chunk in chunks:
            if not stream:
                [completion] = chunk.objects
                return completion
            assert [json.loads(payload) for payload in chunk.payloads()] == list(chunk.objects)
            whole.add(chunk.objects)
    return whole.completion()


async def text(provider: Provider, question: str, **fields: Any) -> str:
    found = await answer(provider, asking(question, **fields))
    return str(found["choices"][0]["message"]["content"])


@pytest.fixture
async def demo() -> AsyncIterator[LlamaCpp]:
    provider = row()
    yield provider
    await provider.close()


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tell which models are in memory, in the order of their loading."""
    names: list[str] = []
    name_of: dict[int, str] = {}

    def load_and_note(wanted: Load) -> XllamaModel:
        model = load(wanted)
        name_of[id(model)] = wanted.alias
        names.append(wanted.alias)
        return model

    def close_and_note(model: XllamaModel) -> None:
        close(model)
        names.remove(name_of.pop(id(model)))

    close = XllamaModel.close
    monkeypatch.setattr("llms.providers.llama_cpp.child.xllamacpp.load", load_and_note)
    monkeypatch.setattr(XllamaModel, "close", close_and_note)
    return names


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.01)


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
    with pytest.raises(InvalidRequest, match=r"messages\[0\]\.content.*text only"):
        await text(demo, "", messages=[{"role": "user", "content": parts}])


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
        {"grammar": "root ::= root"},
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


async def test_a_missing_library_is_answered_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    provider = row()
    with pytest.raises(UpstreamUnavailable, match=r"pip install 'llms\[local\]'"):
        await text(provider, "ping")
    assert [model.id for model in await provider.models()] == ["demo"]
    await provider.close()


async def test_a_missing_file_is_named_and_can_appear_later(tmp_path: Path) -> None:
    path = tmp_path / "later.gguf"
    provider = row(models={"m": {"path": str(path), "n_ctx": 256}})
    with pytest.raises(UpstreamUnavailable, match=r"local/m: cannot read the model file .*later\.gguf: No such file"):
        await answer(provider, asking("ping", "m"))
    path.symlink_to(ROOT / "llms/models/demo.gguf")
    assert (await answer(provider, asking("ping", "m")))["model"] == "m"
    await provider.close()


@pytest.mark.parametrize(
    "content", [b"", b"no model at all", b"GGUF and then rubbish", b"GGUF\x03\0\0\0" + b"\xff" * 64]
)
async def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(content)
    provider = row(models={"m": {"path": str(path)}})
    with pytest.raises(UpstreamUnavailable, match=r"damaged\.gguf"):
        await answer(provider, asking("ping", "m"))
    await provider.close()


async def test_an_unknown_model_is_answered_with_those_of_the_row(demo: LlamaCpp) -> None:
    with pytest.raises(ModelNotFound, match="its row names: demo"):
        await answer(demo, asking("ping", "other"))


async def test_it_lists_and_closes(demo: LlamaCpp, loaded: list[str]) -> None:
    assert isinstance(demo, SupportsClose)
    [model] = await demo.models()
    assert (model.id, model.owned_by, model.extra) == ("demo", "local", {"label": "demo", "context_window": 1024})
    assert loaded == []
    await text(demo, "ping")
    assert loaded == ["demo"]
    await demo.close()
    assert loaded == []
    with pytest.raises(UpstreamUnavailable, match="being unloaded"):
        await text(demo, "ping")


async def test_models_make_room_for_each_other(loaded: list[str]) -> None:
    file = ROOT / "llms/models/demo.gguf"
    paths = {name: {"path": str(file), "n_ctx": 256} for name in ("a", "b", "c")}
    provider = row(memory=file.stat().st_size * 2, models=paths)
    for name, in_memory in (("a", "a"), ("b", "ab"), ("a", "ab"), ("c", "ac")):
        await answer(provider, asking("ping", name))
        await until(lambda wanted=in_memory: sorted(loaded) == list(wanted))
    await provider.close()


async def test_a_chat_waits_for_room_while_all_models_are_in_use() -> None:
    file = ROOT / "llms/models/demo.gguf"
    provider = row(memory=file.stat().st_size, models={name: {"path": str(file), "n_ctx": 1024} for name in "ab"})
    reading = provider.chat(asking("tell me a story", "a"))
    await anext(reading)
    waiting = [asyncio.ensure_future(answer(provider, asking("ping", name))) for name in "bababa"]
    await reading.aclose()
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*waiting)
    assert [found["model"] for found in answers] == list("bababa")

    reading = provider.chat(asking("tell me a story", "a"))
    await anext(reading)
    never = asyncio.ensure_future(answer(provider, asking("ping", "b")))
    await asyncio.sleep(0)
    await provider.close()
    with pytest.raises(UpstreamUnavailable, match="being unloaded"):
        await never
    await reading.aclose()


async def test_a_model_larger_than_the_memory_is_refused() -> None:
    provider = row(memory="1KiB")
    with pytest.raises(UpstreamUnavailable, match="larger than the row's `memory`"):
        await text(provider, "ping")


async def test_an_idle_model_is_unloaded_and_loaded_again(loaded: list[str]) -> None:
    provider = row(models={"demo": {"path": "embedded", "unload_after": "20ms"}})
    assert await text(provider, "ping") == "pong"
    await until(lambda: loaded == [])
    assert await text(provider, "ping") == "pong"
    await provider.close()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"library": "llama-cpp-python"}, "not built yet"),
        ({"library": "other"}, "xllamacpp"),
        ({"models": {}}, "at least 1"),
        ({"models": {"m": {}}}, "path"),
        ({"models": {"m": {"path": "x", "slots": 0}}}, "slots"),
        ({"models": {"m": {"path": "x", "contxt": 5}}}, "contxt"),
        ({"models": {"m": {"path": "x", "unload_after": "soon"}}}, "duration"),
        ({"memory": "lots"}, "size"),
    ],
)
def test_a_wrong_row_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Options.model_validate(options)


PROGRAM = """
import asyncio, signal, sys
from llms.providers.base import ProviderSettings
from llms.providers.llama_cpp import LlamaCpp, Options
from llms.testing.contract import ProviderContract
from llms.testing.fake_upstream import FakeUpstream
from llms.protocol.chat import ChatRequest

async def main():
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    row = Options.model_validate({"models": {"demo": {"path": "embedded"}, "bad": {"path": sys.argv[1]}}})
    provider = LlamaCpp(ProviderSettings("local", "llama_cpp", row), None)
    for model in ("demo", "bad"):
        body = {"messages": [{"role": "user", "content": "tell me a story"}]}
        try:
            async for _ in provider.chat(ChatRequest(body, model)):
                pass
        except Exception as error:
            print(type(error).__name__, flush=True)
    print("ready", flush=True)
    await stopped.wait()
    print("stopped", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_loaded_model_is_quiet_and_leaves_signals_alone(tmp_path: Path, number: signal.Signals) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF\x03\0\0\0" + b"\xff" * 64)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(bad)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "UpstreamUnavailable\n"
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("stopped\n", "", 0)


LOADS = """
from llms.providers.llama_cpp.child.xllamacpp import XllamaModel, load
from llms.providers.llama_cpp.load import EMBEDDED, Load
for _ in range(60):
    load(Load(path=EMBEDDED, alias="demo", n_ctx=256, slots=1, n_threads=1, n_batch=64)).close()
"""


def test_a_model_that_is_freed_as_soon_as_it_is_loaded_does_not_hang() -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", LOADS], check=True, timeout=60, env=environ)


@pytest.mark.parametrize("path", ["v1/chat/completions", "v1/models", "props", "slots", "metrics", "tokenize", ""])
def test_the_port_that_the_library_opens_answers_nobody(path: str) -> None:
    model = load(Load(path=EMBEDDED, alias="demo", n_ctx=256, slots=1, n_threads=1, n_batch=64))
    address = model._server.listening_address
    assert address.startswith("http://127.0.0.1:")
    for body in (None, b"{}"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(f"{address}/{path}", body), timeout=10)
        assert refused.value.code in (401, 404)
        refused.value.close()
    model.close()
