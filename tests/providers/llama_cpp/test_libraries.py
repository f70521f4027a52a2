"""Both libraries in a real child process, with the embedded demo model."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llms.protocol.errors import ContextLengthExceeded, LlmsError, UpstreamUnavailable
from llms.providers.llama_cpp.answers import LlamaFailures, PieceReader
from llms.providers.llama_cpp.load import EMBEDDED, Load
from llms.providers.llama_cpp.model import LocalModel
from llms.providers.llama_cpp.request import library_body
from tests.providers.llama_cpp.children import PATIENCE, is_there

pytestmark = pytest.mark.local

ROOT = Path(__file__).parents[3]
LIBRARIES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"needs {name}"),
    )
    for name, module in (("xllamacpp", "xllamacpp"), ("llama-cpp-python", "llama_cpp"))
]
ANSWERS = {
    "Hello": "Hello! I am the tiny demo model",
    "count to five, please": "One, two, three, four, five.",
    "ping": "pong",
    "Thanks!": "You are welcome!",
}
FAILURES = LlamaFailures("local", "demo")


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def demo(library: str) -> AsyncIterator[LocalModel]:
    found = local(library)
    yield found
    await found.close()


def local(library: str, **more: Any) -> LocalModel:
    wanted = {"path": EMBEDDED, "alias": "demo", "n_ctx": 1024, "slots": 1, "n_threads": 1, "n_batch": 64, **more}
    return LocalModel(Load(loader=library, **wanted), unload_after=None, on_rest=lambda: None, failures=FAILURES)


def asking(question: str, **fields: Any) -> bytes:
    return library_body({"messages": [{"role": "user", "content": question}], "temperature": 0, **fields})


async def text(model: LocalModel, question: str, **fields: Any) -> str:
    reader = PieceReader(FAILURES)
    said = ""
    async for pieces in model.chat(asking(question, **fields)):
        chunk = reader.read(pieces)
        for item in chunk.objects if chunk is not None else ():
            said += "".join(choice["delta"].get("content") or "" for choice in item["choices"])
        if reader.error is not None:
            raise reader.error
    return said


async def test_it_answers(demo: LocalModel, library: str) -> None:
    for question, known in ANSWERS.items():
        assert (await text(demo, question)).startswith(known)
    assert demo.facts["library"] == library
    assert demo.facts["n_ctx"] == 1024
    assert demo.facts["version"]


async def test_slots_do_not_mix(library: str) -> None:
    model = local(library, slots=3)
    answers = await asyncio.gather(*(text(model, question) for question in [*ANSWERS] * 4))
    assert [said.startswith(known) for said, known in zip(answers, [*ANSWERS.values()] * 4, strict=True)] == [True] * 16
    await model.close()


async def test_chats_that_are_given_up_leave_the_same_process_usable(demo: LocalModel) -> None:
    assert await text(demo, "ping") == "pong"
    first = demo.pid
    for delay in (0, 0.001, 0.003, 0.01, 0.02) * 4:
        task = asyncio.ensure_future(text(demo, "tell me a story"))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.wait([task])
        async with asyncio.timeout(PATIENCE):
            assert await text(demo, "ping") == "pong"
    assert demo.pid == first


async def test_a_long_prompt_that_is_given_up_does_not_keep_the_next_one(library: str) -> None:
    model = local(library, n_ctx=16_384)
    assert await text(model, "ping") == "pong"
    first = model.pid
    for _ in range(3):
        task = asyncio.ensure_future(text(model, "hello " * 5_000))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])
        assert await text(model, "ping") == "pong"
    assert model.pid == first
    await model.close()


async def test_a_killed_process_ends_the_chat_and_the_next_one_works(demo: LocalModel) -> None:
    chat = demo.chat(asking("tell me a story"))
    await anext(chat)
    assert demo.pid is not None
    os.kill(demo.pid, signal.SIGKILL)
    with pytest.raises(UpstreamUnavailable, match="local/demo: the model's process is gone: it was killed"):
        async for _ in chat:
            pass
    assert await text(demo, "ping") == "pong"


async def test_a_prompt_that_is_too_long_is_refused(demo: LocalModel) -> None:
    with pytest.raises(ContextLengthExceeded):
        await text(demo, "hello " * 3000)
    assert await text(demo, "ping") == "pong"


async def test_unloading_while_it_writes_leaves_no_process(library: str) -> None:
    model = local(library, slots=2)
    chats = [model.chat(asking("tell me a story")) for _ in range(2)]
    for chat in chats:
        await anext(chat)
    pid = model.pid
    assert pid is not None
    await model.unload()
    assert not is_there(pid)
    for chat in chats:
        with pytest.raises(UpstreamUnavailable, match="being unloaded"):
            async for _ in chat:
                pass


async def test_it_makes_the_same_vector_of_a_text_alone_and_beside_others(library: str) -> None:
    model = local(library, embedding=True, slots=2)
    inputs: list[Any] = ["hello", "What is the capital of France?", [5, 6, 7], "hello", "a b c d e f g"]
    alone = [(await vectors(model, one))[0] for one in inputs]
    together, (asked_twice, _) = await asyncio.gather(vectors(model, *inputs), vectors(model, "hello", "ping"))
    assert len({len(vector) for vector in together}) == 1
    for vector, same in zip([*together, asked_twice], [*alone, alone[0]], strict=True):
        assert vector == pytest.approx(same, abs=1e-3)
    assert math.dist(alone[0], alone[1]) > 0.01
    with pytest.raises(LlmsError) as refused:
        await vectors(model, "hello " * 3000)
    assert refused.value.http_status == 400
    assert (await vectors(model, "hello"))[0] == pytest.approx(alone[0], abs=1e-3)
    await model.close()


async def vectors(model: LocalModel, *inputs: Any) -> list[list[float]]:
    found = json.loads(await model.embed(json.dumps({"input": inputs}).encode()))
    assert found["prompt_tokens"] >= len(inputs)
    return list(found["data"])


@pytest.mark.parametrize(
    "content", [b"", b"no model at all", b"GGUF and then rubbish", b"GGUF\x03\0\0\0" + b"\xff" * 64]
)
async def test_a_damaged_file_is_named(library: str, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(content)
    model = local(library, path=str(path))
    with pytest.raises(UpstreamUnavailable, match=r"damaged\.gguf"):
        await text(model, "ping")
    await model.close()


PORT = """
import sys, urllib.error, urllib.request
from llms.providers.llama_cpp.child.xllamacpp import load
from llms.providers.llama_cpp.load import EMBEDDED, Load
model = load(Load(path=EMBEDDED, alias="demo", n_ctx=256, slots=1, n_threads=1, n_batch=64))
address = model._server.listening_address
assert address.startswith("http://127.0.0.1:")
for path in sys.argv[1:]:
    for body in (None, b"{}"):
        try:
            urllib.request.urlopen(urllib.request.Request(f"{address}/{path}", body), timeout=10)
        except urllib.error.HTTPError as refused:
            print(refused.code)
import os
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs xllamacpp")
def test_the_port_that_xllamacpp_opens_answers_nobody() -> None:
    paths = ["v1/chat/completions", "v1/models", "props", "slots", "metrics", "tokenize", ""]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PORT, *paths], capture_output=True, text=True, check=True, timeout=60, env=environ
    )
    codes = done.stdout.split()
    assert len(codes) == 2 * len(paths)
    assert set(codes) <= {"401", "404"}
