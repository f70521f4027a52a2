"""What strangers call files stays inside of one folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.downloads.names import Part, checked_name, checked_path, file_names, is_name, part_of
from llms.protocol.errors import InvalidRequest

HOSTILE = [
    "",
    ".",
    "..",
    ".hidden",
    "../up",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "C:evil",
    "a:stream",
    "con",
    "NUL",
    "com1",
    "LPT9.gguf",
    "aux.tar",
    "a\0b",
    "a\nb",
    "a\x1b[2J",
    "a b",
    "-rf",
    "~root",
    "ä",
    "a" * 121,
    "trailing.",
    "a\u202eb",
    "*",
    "part-00001-of-00002",
    "part-00001-of-00001",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leads_elsewhere(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(InvalidRequest, match="cannot be the name") as refused:
        checked_name(name)
    assert refused.value.message.isprintable()


@given(st.text(max_size=150))
def test_whatever_passes_is_one_visible_file_in_the_folder(text: str) -> None:
    if is_name(text):
        path = Path("/models") / f"{text}.gguf"
        assert path.parent == Path("/models")
        assert path.name == f"{text}.gguf"
        assert not path.name.startswith(".")
        assert text.isprintable()


@pytest.mark.parametrize("name", ["a", "Qwen2.5-7B-Instruct-Q4_K_M", "gemma+x", "0.5b", "console", "com10"])
def test_usual_names_pass_with_and_without_ending(name: str) -> None:
    assert checked_name(name) == checked_name(f"{name}.gguf") == checked_name(f"{name}.GGUF") == name


@pytest.mark.parametrize(
    "path", ["../a.gguf", "a/../../b.gguf", "/a.gguf", "a//b.gguf", "a\\b.gguf", "C:/a", "a\x1b", "a/."]
)
def test_paths_of_a_repository_lead_down_only(path: str) -> None:
    with pytest.raises(InvalidRequest, match="which is refused"):
        checked_path(path)


def test_paths_with_folders_are_usual() -> None:
    assert checked_path("Q4_K_M/a-00001-of-00002.gguf") == "Q4_K_M/a-00001-of-00002.gguf"


def test_parts_are_told_by_their_names() -> None:
    assert part_of("a.gguf") == Part("a")
    assert part_of("a-00002-of-00003.gguf") == Part("a", 2, 3)
    assert [part_of(name) for name in file_names("a", 3)] == [Part("a", number, 3) for number in (1, 2, 3)]
    assert file_names("a", 1) == ("a.gguf",)


def test_a_part_of_nothing_is_a_whole_file() -> None:
    assert part_of("a-00001-of-00000.gguf") == Part("a-00001-of-00000")
