"""Which models a row has, what is told of them, and files that come, change and go."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from llms.providers.llama_cpp import inventory
from llms.providers.llama_cpp.gguf import read_header
from llms.providers.llama_cpp.inventory import Inventory, Item
from llms.providers.llama_cpp.listing import listed
from llms.providers.llama_cpp.load import EMBEDDED
from llms.providers.llama_cpp.options import Options
from tests.providers.llama_cpp.gguf_files import LLAMA, model, write

BERT = {key.replace("llama.", "bert."): value for key, value in LLAMA.items()} | {
    "general.architecture": "bert",
    "bert.context_length": 512,
}


def row(**options: Any) -> Inventory:
    return Inventory(Options.read(options))


def only(stock: Inventory) -> Item:
    [item] = stock.items()
    return item


def test_the_demo_is_there_without_a_word() -> None:
    stock = row()
    item = only(stock)
    assert (item.name, item.is_demo, item.problem, item.wanted.path) == ("demo", True, "", EMBEDDED)
    assert (item.wanted.n_ctx, item.wanted.slots, item.wanted.n_threads, stock.slots("demo")) == (1024, 4, 1, 4)
    assert stock.slots("other") is None


def test_a_folder_is_looked_at_again_each_time(tmp_path: Path) -> None:
    stock = row(folder=str(tmp_path))
    assert stock.items() == []
    write(tmp_path / "New.gguf")
    assert [item.name for item in stock.items()] == ["new"]
    write(tmp_path / "sub/late.gguf")
    late = stock.item("late")
    assert late is not None
    assert (late.wanted.path, late.problem, stock.slots("late")) == (str(tmp_path / "sub/late.gguf"), "", 1)
    (tmp_path / "New.gguf").unlink()
    assert [item.name for item in stock.items()] == ["late"]
    assert stock.item("new") is None
    assert stock.names() == ["late"]


def test_named_models_come_first_and_their_files_are_not_offered_twice(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.gguf")
    models = {"mine": {"path": str(tmp_path / "b.gguf"), "n_ctx": 512}, "c": {"path": EMBEDDED}}
    stock = row(folder=str(tmp_path), models=models)
    found = {item.name: item.wanted.path for item in stock.items()}
    assert found == {"mine": str(tmp_path / "b.gguf"), "c": EMBEDDED, "a": str(tmp_path / "a.gguf")}


def test_a_named_file_is_known_by_any_of_its_names(tmp_path: Path) -> None:
    write(tmp_path / "real/a.gguf")
    for number in (1, 2):
        write(tmp_path / f"real/b-{number:05}-of-00002.gguf")
    (tmp_path / "link").symlink_to("real")
    models = {
        "mine": {"path": str(tmp_path / "link/a.gguf")},
        "two": {"path": str(tmp_path / "real/b-00002-of-00002.gguf")},
    }
    for folder in ("link", "real"):
        assert [item.name for item in row(folder=str(tmp_path / folder), models=models).items()] == ["mine", "two"]


@pytest.mark.parametrize("path", ["~nobody-of-this-name/m.gguf", "a\0b.gguf", "loop.gguf"])
def test_a_path_that_leads_nowhere_harms_no_other_model(tmp_path: Path, path: str) -> None:
    (tmp_path / "loop.gguf").symlink_to("loop.gguf")
    models = {"bad": {"path": path if path.startswith("~") else str(tmp_path / path)}, "demo": {"path": EMBEDDED}}
    bad, demo = row(folder=str(tmp_path), models=models).items()
    assert (demo.problem, bad.problem[:30]) == ("", "cannot use the model file " + bad.wanted.path[:4])


@pytest.mark.parametrize("folder", ["a\0b", "~nobody-of-this-name", "/dev/null"])
def test_a_folder_that_cannot_be_one_is_told(folder: str) -> None:
    stock = row(folder=folder)
    assert stock.items() == []
    assert stock.lack.startswith("the folder ")


def test_a_folder_that_is_not_there_leaves_the_others(tmp_path: Path) -> None:
    stock = row(folder=str(tmp_path / "models"), models={"demo": {"path": EMBEDDED}})
    assert [item.name for item in stock.items()] == ["demo"]
    assert stock.lack == f"the folder {tmp_path}/models: No such file or directory"
    write(tmp_path / "models/m.gguf")
    assert [item.name for item in stock.items()] == ["demo", "m"]
    assert stock.lack == ""


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<html>", "it is no GGUF file"),
        (model()[:-5], "it is cut off"),
        (None, "it cannot be read: No such file or directory"),
    ],
)
def test_a_broken_file_is_listed_with_its_problem(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "m.gguf"
    if content is not None:
        path.write_bytes(content)
    stock = row(models={"m": {"path": str(path)}})
    item = only(stock)
    assert item.problem.startswith(f"cannot use the model file {path}: {problem}")
    assert (item.facts, item.need) == (None, None)
    write(path)
    assert only(stock).problem == ""


def test_a_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []

    def read(parts: tuple[Path, ...]) -> Any:
        reads.append(parts)
        return facts_or_reason(parts)

    facts_or_reason = inventory._facts_or_reason
    monkeypatch.setattr(inventory, "_facts_or_reason", read)
    path = write(tmp_path / "m.gguf")
    stock = row(folder=str(tmp_path))
    first = only(stock)
    assert only(stock) == first
    assert stock.item("m") == first
    assert len(reads) == 1
    write(path, {**LLAMA, "general.name": "Another"})
    os.utime(path, ns=(1, 1))
    assert only(stock) != first
    assert len(reads) == 2


def test_a_split_model_is_loaded_by_its_first_part_whichever_is_named(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path / f"big-{number:05}-of-00002.gguf", numbers=100)
    item = only(row(models={"big": {"path": str(tmp_path / "big-00002-of-00002.gguf")}}))
    assert item.wanted.path == str(tmp_path / "big-00001-of-00002.gguf")
    assert item.facts is not None
    assert item.facts.parameters == 200
    (tmp_path / "big-00002-of-00002.gguf").unlink()
    assert "its part big-00002-of-00002.gguf: it cannot be read" in only(row(folder=str(tmp_path))).problem


def test_the_window_is_no_longer_than_the_model_was_trained_for(tmp_path: Path) -> None:
    write(tmp_path / "short.gguf")
    write(tmp_path / "long.gguf", {**LLAMA, "llama.context_length": 131_072})
    write(tmp_path / "said.gguf")
    models = {"said": {"path": str(tmp_path / "said.gguf"), "n_ctx": 8192}}
    found = {item.name: item.wanted.n_ctx for item in row(folder=str(tmp_path), models=models).items()}
    assert found == {"short": 2048, "long": 4096, "said": 8192}
    models = {"e": {"path": str(tmp_path / "long.gguf"), "embedding": True}}
    assert only(row(models=models)).wanted.n_ctx == 2048


@pytest.mark.parametrize(
    ("values", "said", "embedding"),
    [(LLAMA, "auto", False), (LLAMA, True, True), (BERT, "auto", True), (BERT, False, False)],
)
def test_models_for_embeddings_are_known_by_their_file(
    tmp_path: Path, values: dict[str, Any], said: Any, embedding: bool
) -> None:
    path = write(tmp_path / "m.gguf", values)
    wanted = only(row(models={"m": {"path": str(path), "embedding": said}})).wanted
    assert wanted.embedding is embedding
    assert wanted.n_batch == (wanted.n_ctx if embedding else 64)


def test_what_the_list_tells(tmp_path: Path) -> None:
    write(tmp_path / "m.gguf")
    item = only(row(folder=str(tmp_path)))
    info = listed(item, owner="local", state="loaded", problem="", running={"gpu_layers": 7, "version": "x"})
    assert (info.id, info.owned_by) == ("m", "local")
    assert info.extra == {
        "context_window": 2048,
        "architecture": "llama",
        "quantization": "Q4_K_M",
        "parameters": 16,
        "size_bytes": (tmp_path / "m.gguf").stat().st_size,
        "license": "mit",
        "chat_template": True,
        "capabilities": ["chat"],
        "gpu_layers": 7,
        "state": "loaded",
    }
    (tmp_path / "m.gguf").write_bytes(b"rubbish")
    item = only(row(folder=str(tmp_path)))
    info = listed(item, owner="local", state="unloaded", problem=item.problem, running={})
    assert info.extra == {"context_window": 4096, "problem": item.problem, "state": "unloaded"}


def test_a_home_is_found_for_named_models_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = write(tmp_path / "m.gguf")
    item = only(row(folder="~", models={"n": {"path": "~/m.gguf"}}))
    assert (item.wanted.path, item.problem) == (str(path), "")
    assert read_header(path).tensors == 1


@pytest.mark.skipif(os.name != "posix", reason="elsewhere every name is text")
def test_a_name_that_is_no_text_keeps_no_other_model_away(tmp_path: Path) -> None:
    write(tmp_path / "good.gguf")
    try:
        (tmp_path / os.fsdecode(b"b\xffd.gguf")).write_bytes(b"junk")
    except OSError:
        pytest.skip("this disk takes only text for names")
    bad, good = row(folder=str(tmp_path)).items()
    assert (bad.name, good.name, good.problem) == ("b-d", "good", "")
    assert "b?d.gguf: it is no GGUF file" in bad.problem
    assert bad.problem.encode()
