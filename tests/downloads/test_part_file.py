"""The file on its way: no link is followed, and its digest is that of what is on the disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from llms.downloads.part_file import PartFile, sha256_of


def test_a_link_in_its_place_is_not_written_through(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"words")
    part = PartFile(tmp_path / "m.gguf")
    part.path.symlink_to(precious)
    with pytest.raises(OSError, match=r"m\.gguf\.part"):
        part.open()

    assert precious.read_bytes() == b"words"


async def test_it_grows_at_its_end_and_gets_its_name_at_once(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "models" / "m.gguf")
    for piece in (b"GGUF", b" and more"):
        with part.open() as file:
            await part.append(file, piece)
    assert (part.size, part.begins_like_a_model()) == (13, True)
    counts: list[int] = []
    assert await sha256_of(part.path, counts.append) == hashlib.sha256(b"GGUF and more").hexdigest()
    assert sum(counts) == 13
    await part.finish()

    assert [path.name for path in part.final.parent.iterdir()] == ["m.gguf"]
    assert part.size == 0
