"""Which local models are in memory: real loads of the demo model, as many of it as it takes."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from llms.config.problems import Invalid
from llms.protocol.embeddings import EmbeddingRequest
from llms.protocol.errors import Conflict, InvalidRequest, ModelNotFound, NotSupported, UpstreamUnavailable
from llms.providers import discover
from llms.providers.base import SupportsClose, SupportsEmbeddings, SupportsLoading, SupportsSlots
from llms.providers.llama_cpp import LlamaCpp, Options
from llms.providers.llama_cpp.facts import read_facts
from llms.providers.llama_cpp.load import Load
from llms.providers.llama_cpp.memory import need
from tests.providers.llama_cpp.local_chats import answer, asking, row, text

LIBRARIES = discover.libraries()
pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(not LIBRARIES, reason="needs a library for local models: pip install 'llms[local]'"),
]
DEMO = Path(__file__).parents[3] / "llms/models/demo.gguf"
NEED = need(read_facts([DEMO]), Load(path=str(DEMO), alias="m", n_ctx=1024, slots=1, n_threads=1, n_batch=64)).total
"""Bytes of the demo with one slot."""


def copies(names: str) -> dict[str, Any]:
    return {name: {"path": str(DEMO), "n_ctx": 1024} for name in names}


def in_memory(provider: LlamaCpp) -> str:
    return "".join(sorted(state.id for state in provider.loaded() if state.state == "loaded"))


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


@pytest.fixture
async def two() -> AsyncIterator[LlamaCpp]:
    """Three models, and memory for two."""
    provider = row(memory=2 * NEED, models=copies("abc"))
    yield provider
    await provider.close()


async def test_models_make_room_for_each_other(two: LlamaCpp) -> None:
    for name, expected in (("a", "a"), ("b", "ab"), ("a", "ab"), ("c", "ac")):
        assert await text(two, "ping", name) == "pong"
        assert in_memory(two) == expected


async def test_a_chat_waits_for_room_while_all_models_are_in_use() -> None:
    provider = row(memory=NEED, models=copies("ab"))
    reading = provider.chat(asking("tell me a story", "a"))
    await anext(reading)
    waiting = [asyncio.ensure_future(answer(provider, asking("ping", name))) for name in "bababa"]
    await until(lambda: [state.busy for state in provider.loaded()] == [4])
    assert in_memory(provider) == "a"
    await reading.aclose()
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*waiting)
    assert [found["model"] for found in answers] == list("bababa")
    await provider.close()


async def test_closing_refuses_those_who_wait_for_room() -> None:
    provider = row(memory=NEED, models=copies("ab"))
    reading = provider.chat(asking("tell me a story", "a"))
    await anext(reading)
    never = asyncio.ensure_future(answer(provider, asking("ping", "b")))
    await asyncio.sleep(0.05)
    await provider.close()
    with pytest.raises(UpstreamUnavailable, match="being unloaded"):
        await never
    await reading.aclose()


async def test_a_model_that_can_never_fit_is_listed_with_its_problem_and_refused() -> None:
    provider = row(memory="32MiB")
    [model] = await provider.models()
    assert "of memory (1 MiB for its file, 8 MiB for 4 x 1024 tokens of context)" in model.extra["problem"]
    with pytest.raises(UpstreamUnavailable, match=r"local/demo: it needs about \d+ MiB .* may take 32 MiB: lower its"):
        await text(provider, "ping")
    await provider.close()


async def test_an_idle_model_is_unloaded_and_loaded_again() -> None:
    provider = row(models={"demo": {"path": "embedded", "unload_after": "20ms"}})
    for _ in range(2):
        assert await text(provider, "ping") == "pong"
        await until(lambda: provider.loaded() == [])
    await provider.close()


async def test_loading_and_unloading_on_request(two: LlamaCpp) -> None:
    assert isinstance(two, SupportsLoading)
    assert two.loaded() == []
    await asyncio.gather(two.load("a"), two.load("a"))
    await two.load("b")
    [first, second] = two.loaded()
    assert (first.id, first.state, first.slots, first.busy, first.problem) == ("a", "loaded", 1, 0, "")
    assert first.pid not in (None, os.getpid(), second.pid)
    assert first.memory_bytes is not None
    assert abs(first.memory_bytes - NEED) < 0.6 * NEED
    assert first.facts["library"] in LIBRARIES
    assert first.idle_for is not None
    assert [model.extra["state"] for model in await two.models()] == ["loaded", "loaded", "unloaded"]
    await two.load("c")
    assert in_memory(two) == "bc"

    reading = two.chat(asking("tell me a story", "b"))
    await anext(reading)
    assert [(state.id, state.busy, state.idle_for) for state in two.loaded() if state.id == "b"] == [("b", 1, None)]
    with pytest.raises(Conflict, match="local/b is in use"):
        await two.unload("b")
    await reading.aclose()
    await until(lambda: all(state.idle_for is not None for state in two.loaded()))
    await two.unload("b")
    await two.unload("b")
    assert in_memory(two) == "c"
    for ask in (two.load, two.unload):
        with pytest.raises(ModelNotFound, match="it has: a, b, c"):
            await ask("nowhere")


async def test_a_folder_is_served_and_new_files_appear(tmp_path: Path) -> None:
    (tmp_path / "First.gguf").symlink_to(DEMO)
    (tmp_path / "sub").mkdir()
    copy = tmp_path / "sub/second-00001-of-00001.gguf"
    copy.write_bytes(DEMO.read_bytes())
    (tmp_path / "broken.gguf").write_bytes(DEMO.read_bytes()[:-1])
    provider = row(folder=str(tmp_path))
    models = {model.id: model.extra for model in await provider.models()}
    assert models.keys() == {"second", "broken"}, "a link that leads out of the folder is no model"
    assert models["second"]["parameters"] == 885_888
    assert models["broken"]["problem"].endswith("969,695 of at least 969,696 bytes are there; fetch it again")
    assert await text(provider, "ping", "second") == "pong"
    with pytest.raises(UpstreamUnavailable, match=r"broken\.gguf: it is cut off"):
        await text(provider, "ping", "broken")
    with pytest.raises(ModelNotFound):
        await text(provider, "ping", "late")
    (tmp_path / "Late.gguf").write_bytes(DEMO.read_bytes())
    assert await text(provider, "ping", "late") == "pong"
    assert provider.slots("late") == 1
    await provider.close()


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    provider = row(folder=str(tmp_path / "nowhere"))
    with pytest.raises(UpstreamUnavailable, match=r"local: the folder .*nowhere: No such file or directory"):
        await provider.models()
    with pytest.raises(ModelNotFound, match="it has: none"):
        await text(provider, "ping")
    await provider.close()


async def test_a_file_that_changed_is_loaded_anew(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(DEMO.read_bytes())
    provider = row(folder=str(tmp_path))
    assert await text(provider, "ping", "m") == "pong"
    [before] = provider.loaded()
    new = tmp_path / "new"
    new.write_bytes(DEMO.read_bytes())
    new.rename(path)
    assert await text(provider, "ping", "m") == "pong"
    [after] = provider.loaded()
    assert before.pid != after.pid
    await provider.close()


async def test_a_missing_file_is_named_and_can_appear_later(tmp_path: Path) -> None:
    path = tmp_path / "later.gguf"
    provider = row(models={"m": {"path": str(path), "n_ctx": 256}})
    with pytest.raises(UpstreamUnavailable, match=r"local/m: cannot use the model file .*later\.gguf: .*No such file"):
        await answer(provider, asking("ping", "m"))
    path.symlink_to(DEMO)
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


async def test_a_missing_library_is_answered_with_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("llama_cpp", "xllamacpp"):
        (tmp_path / f"{module}.py").write_text("raise ImportError('it is not here')")
    monkeypatch.syspath_prepend(tmp_path)
    provider = row()
    with pytest.raises(UpstreamUnavailable, match=r"pip install 'llms\[local\]'"):
        await text(provider, "ping")
    [state] = provider.loaded()
    assert (state.state, state.pid) == ("failed", None)
    assert "it is not here" in state.problem
    assert [model.extra["state"] for model in await provider.models()] == ["failed"]
    await provider.close()


async def test_it_lists_and_closes() -> None:
    provider = row()
    assert isinstance(provider, SupportsClose)
    [model] = await provider.models()
    assert (model.id, model.owned_by) == ("demo", "local")
    assert model.extra == {
        "label": "demo",
        "context_window": 1024,
        "architecture": "llama",
        "quantization": "Q8_0",
        "parameters": 885_888,
        "size_bytes": DEMO.stat().st_size,
        "license": "mit",
        "chat_template": True,
        "capabilities": ["chat"],
        "state": "unloaded",
    }
    assert isinstance(provider, SupportsSlots)
    assert (provider.slots("demo"), provider.slots("other")) == (4, None)
    await text(provider, "ping")
    [state] = provider.loaded()
    await provider.close()
    assert state.pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(state.pid, 0)
    with pytest.raises(UpstreamUnavailable, match="being unloaded"):
        await text(provider, "ping")


@pytest.mark.parametrize("library", LIBRARIES)
async def test_embeddings(library: str) -> None:
    models = {"e": {"path": str(DEMO), "embedding": True}, "chat": {"path": "embedded"}}
    provider = row(library=library, models=models)
    assert isinstance(provider, SupportsEmbeddings)
    inputs = ["hello there", "hello there", "tell me a joke " * 30]
    found = await provider.embed(EmbeddingRequest({}, "e", inputs))
    first, same, other = found.vectors
    assert [len(vector) for vector in found.vectors] == [128] * 3
    assert all(math.isfinite(number) for vector in found.vectors for number in vector)
    assert max(abs(a - b) for a, b in zip(first, same, strict=True)) < 1e-3
    assert max(abs(a - b) for a, b in zip(first, other, strict=True)) > 1e-2
    assert found.usage is not None
    assert found.usage.prompt_tokens > 60
    assert len((await provider.embed(EmbeddingRequest({}, "e", [[7, 8, 9]]))).vectors) == 1
    with pytest.raises(InvalidRequest, match="token ids below 1024"):
        await provider.embed(EmbeddingRequest({}, "e", [[1024]]))
    with pytest.raises(InvalidRequest):
        await provider.embed(EmbeddingRequest({}, "e", ["hello " * 3000]))
    with pytest.raises(NotSupported, match="local/chat is no model for embeddings"):
        await provider.embed(EmbeddingRequest({}, "chat", ["x"]))
    with pytest.raises(NotSupported, match="local/e makes embeddings and does not chat"):
        await text(provider, "ping", "e")
    assert [model.extra["capabilities"] for model in await provider.models()] == [["embeddings"], ["chat"]]
    await provider.close()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"library": "other"}, "xllamacpp"),
        ({"models": {}}, "at least 1"),
        ({"folder": ""}, "folder"),
        ({"models": {"m": {}}}, "path"),
        ({"models": {"m": {"path": "x", "slots": 0}}}, "slots"),
        ({"models": {"m": {"path": "x", "contxt": 5}}}, "contxt"),
        ({"models": {"m": {"path": "x", "embedding": "perhaps"}}}, "embedding"),
        ({"models": {"m": {"path": "x", "unload_after": "soon"}}}, "duration"),
        ({"memory": "lots"}, "size"),
    ],
)
def test_a_wrong_row_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        Options.read(options)


def test_the_demo_is_offered_where_neither_models_nor_a_folder_are_named() -> None:
    assert list(Options.read({}).models) == ["demo"]
    assert list(Options.read({"folder": None}).models) == ["demo"]
    assert list(Options.read({"folder": "~/models"}).models) == []
    for library in ("auto", "xllamacpp", "llama-cpp-python"):
        assert Options.read({"library": library}).chosen_library == library
