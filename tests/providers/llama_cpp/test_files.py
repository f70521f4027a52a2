"""The model files of a folder and their names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llms.providers.llama_cpp import files
from llms.providers.llama_cpp.files import parts_of, scan


def fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(folder: Path) -> dict[str, str]:
    return {name: str(path.relative_to(folder.resolve())) for name, path in scan(folder).items()}


def test_models_are_named_like_their_files(tmp_path: Path) -> None:
    fill(tmp_path, "Qwen3-4B-Q4_K_M.gguf", "sub/b.GGUF", "a b ü*.gguf", "notes.txt", "x.gguf.part", ".hidden.gguf")
    fill(tmp_path, ".cache/c.gguf", "mmproj-model-f16.gguf", "sub/MMPROJ.gguf", "folder.gguf/inside.gguf")
    assert found(tmp_path) == {
        "a-b-ü-": "a b ü*.gguf",
        "b": "sub/b.GGUF",
        "inside": "folder.gguf/inside.gguf",
        "qwen3-4b-q4_k_m": "Qwen3-4B-Q4_K_M.gguf",
    }


def test_names_that_meet_get_their_folder_then_their_letters_then_a_number(tmp_path: Path) -> None:
    fill(tmp_path, "a.gguf", "One/a.gguf", "two/a.gguf", "two/A.gguf", "b c.gguf", "b-c.gguf", "b*c.gguf")
    assert found(tmp_path) == {
        "a": "a.gguf",
        "one/a": "One/a.gguf",
        "two/A": "two/A.gguf",
        "two/a": "two/a.gguf",
        "b-c-2": "b c.gguf",
        "b-c-3": "b*c.gguf",
        "b-c-4": "b-c.gguf",
    }


def test_a_split_model_is_one(tmp_path: Path) -> None:
    fill(tmp_path, *(f"big-{number:05}-of-00003.gguf" for number in (1, 2, 3)), "lost/part-00002-of-00002.gguf")
    fill(tmp_path, "odd-00001-of-00000.gguf")
    assert found(tmp_path) == {
        "big": "big-00001-of-00003.gguf",
        "odd": "odd-00001-of-00000.gguf",
        "part": "lost/part-00001-of-00002.gguf",
    }
    assert [path.name for path in parts_of(Path("x/big-00002-of-00003.gguf"))] == [
        "big-00001-of-00003.gguf",
        "big-00002-of-00003.gguf",
        "big-00003-of-00003.gguf",
    ]
    assert parts_of(Path("x/small.gguf")) == (Path("x/small.gguf"),)
    assert len(parts_of(Path("x-00001-of-99999.gguf"))) == 1


def test_links_count_as_long_as_they_stay_inside(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    fill(folder, "blobs/1234")
    fill(tmp_path, "secret.gguf", "elsewhere/other.gguf")
    (folder / "inside.gguf").symlink_to("blobs/1234")
    (folder / "outside.gguf").symlink_to(tmp_path / "secret.gguf")
    (folder / "broken.gguf").symlink_to("nowhere")
    (folder / "loop.gguf").symlink_to("loop.gguf")
    (folder / "folder").symlink_to(tmp_path / "elsewhere")
    (folder / "again").symlink_to(".")
    os.mkfifo(folder / "pipe.gguf")
    assert found(folder) == {"inside": "inside.gguf"}
    (tmp_path / "link").symlink_to(folder)
    assert list(scan(tmp_path / "link")) == ["inside"]


def test_there_is_an_end_to_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "1/2/3/4/near.gguf", "1/2/3/4/5/far.gguf")
    assert list(scan(tmp_path)) == ["near"]
    fill(tmp_path, *(f"{number}.gguf" for number in range(9)))
    monkeypatch.setattr(files, "_MOST_MODELS", 5)
    assert len(scan(tmp_path)) == 5
    monkeypatch.setattr(files, "_MOST_ENTRIES", 3)
    assert len(scan(tmp_path)) == 2


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "nowhere")
    fill(tmp_path, "a.gguf")
    with pytest.raises(NotADirectoryError):
        scan(tmp_path / "a.gguf")


def test_names_that_are_no_text_are_mended(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"a\xff\nb.gguf")).touch()
    assert list(scan(tmp_path)) == ["a-b"]


def test_a_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path, "models/m.gguf")
    assert scan(Path("~/models")) == {"m": tmp_path.resolve() / "models/m.gguf"}
