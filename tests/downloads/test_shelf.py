"""What lies in the folder, and taking it away."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from llms.downloads.room import free_bytes, in_words, unwritable
from llms.downloads.shelf import Shelf
from llms.protocol.errors import InvalidRequest


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    found = Shelf(tmp_path)
    found.folder.mkdir()
    for name in ("a.gguf", "B-q8.gguf", "big-00001-of-00002.gguf", "big-00002-of-00002.gguf", "half.gguf.part"):
        (found.folder / name).write_bytes(b"GGUF")
    return found


def test_whole_models_are_listed_with_their_files(shelf: Shelf) -> None:
    for name in (".hidden.gguf", "words.txt", "odd name.gguf", "gone-00001-of-00002.gguf"):
        (shelf.folder / name).write_bytes(b"GGUF")
    (shelf.folder / "link.gguf").symlink_to("/etc/passwd")
    (shelf.folder / "folder.gguf").mkdir()

    assert [(model.name, len(model.files), model.size) for model in shelf.models()] == [
        ("B-q8", 1, 4),
        ("a", 1, 4),
        ("big", 2, 8),
    ]


def test_without_a_folder_there_is_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "none")

    assert shelf.models() == []
    assert shelf.find("a") is None
    assert shelf.remove("a") == 0


def test_a_model_is_found_in_any_letters_its_own_first(shelf: Shelf) -> None:
    (shelf.folder / "b-Q8.gguf").write_bytes(b"GGUF")
    for wanted, name in (("A", "a"), ("B-q8", "B-q8"), ("b-Q8", "b-Q8")):
        found = shelf.find(wanted)
        assert found is not None
        assert found.name == name
    assert shelf.find("half") is None


def test_removing_takes_all_files_and_what_is_unfinished(shelf: Shelf) -> None:
    (shelf.folder / "a.gguf.part").write_bytes(b"GG")
    with shelf.claim("a") as claim:
        claim.note("a.gguf", "x", '"1"')

    assert (shelf.remove("A"), shelf.remove("big"), shelf.remove("half"), shelf.remove("gone")) == (2, 2, 1, 0)
    assert [path.name for path in shelf.folder.iterdir()] == ["B-q8.gguf"]
    assert not list(shelf.pulls.iterdir())


def test_parts_that_stand_alone_can_be_removed(shelf: Shelf) -> None:
    (shelf.folder / "big-00001-of-00002.gguf").unlink()

    assert shelf.remove("big") == 1


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../a", "..", "", "a\0"])
def test_nothing_elsewhere_is_removed(shelf: Shelf, name: str) -> None:
    with pytest.raises(InvalidRequest):
        shelf.remove(name)

    assert len(list(shelf.folder.iterdir())) == 5


def test_room_is_measured_where_the_folder_will_be(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "there") > 0


@pytest.mark.parametrize(("size", "words"), [(7, "7 bytes"), (98_362_432, "98.4 MB"), (4_100_000_000, "4.1 GB")])
def test_sizes_in_words(size: int, words: str) -> None:
    assert in_words(size) == words


def test_what_the_disk_refuses_is_told(tmp_path: Path) -> None:
    full = unwritable(OSError(errno.ENOSPC, "No space left on device"), tmp_path)
    other = unwritable(PermissionError(errno.EACCES, "Permission denied", "/x/m.gguf.part"), tmp_path)

    assert (full.http_status, full.code) == (507, "insufficient_storage")
    assert "pull again" in full.message
    assert other.message == "/x/m.gguf.part: Permission denied."


def test_a_file_that_counts_no_parts_is_one_model(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.folder.mkdir()
    path = shelf.folder / "odd-00001-of-00000.gguf"
    path.write_bytes(b"GGUF")

    assert [(model.name, model.files) for model in shelf.models()] == [("odd-00001-of-00000", (path,))]
