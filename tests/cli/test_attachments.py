"""Files that go along with a prompt."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from llms.cli.attachments import Unusable, content

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
JPEG = b"\xff\xd8\xff\xe0" + bytes(8)
GIF = b"GIF89a" + bytes(8)
WEBP = b"RIFF\0\0\0\0WEBPVP8 "


def test_a_prompt_alone_stays_text() -> None:
    assert content("hello", images=(), files=()) == "hello"


@pytest.mark.parametrize(
    ("data", "kind"), [(PNG, "image/png"), (JPEG, "image/jpeg"), (GIF, "image/gif"), (WEBP, "image/webp")]
)
def test_a_picture_is_known_by_its_first_bytes(tmp_path: Path, data: bytes, kind: str) -> None:
    path = tmp_path / "misnamed.txt"
    path.write_bytes(data)

    assert content("", images=[str(path)], files=()) == [
        {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{base64.b64encode(data).decode()}"}}
    ]


def test_texts_come_before_pictures_and_the_question_last(tmp_path: Path) -> None:
    note, dot = tmp_path / "note.txt", tmp_path / "dot.png"
    note.write_bytes(b"\xef\xbb\xbfwith a byte order mark")
    dot.write_bytes(PNG)
    parts = content("What is this?", images=[str(dot)], files=[str(note)])

    assert [part["type"] for part in parts if isinstance(part, dict)] == ["text", "image_url", "text"]
    assert parts[0] == {"type": "text", "text": "note.txt:\n\nwith a byte order mark"}
    assert parts[-1] == {"type": "text", "text": "What is this?"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xfe", "is not text in UTF-8. Convert it first"),
        (b"a\0b", "is not text: it holds NUL bytes"),
        (b"x" * (4 * 2**20 + 1), "is larger than 4 MiB"),
    ],
)
def test_a_text_that_is_none(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(Unusable, match=words):
        content("hello", images=(), files=[str(tmp_path / "a.txt")])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GIF?", "is not a PNG, JPEG, GIF or WebP picture"),
        (b"", "is not a PNG"),
        (PNG + bytes(20 * 2**20), "is larger than 20 MiB"),
    ],
)
def test_a_picture_that_is_none(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(Unusable, match=words):
        content("hello", images=[str(tmp_path / "a.png")], files=())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone", "cannot be read: No such file or directory"),
        (".", "cannot be read: Is a directory"),
        ("/dev/zero", "is not a regular file"),
        ("pipe", "is not a regular file"),
        ("nul\0byte", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_at_once(tmp_path: Path, name: str, words: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unusable, match=words):
        content("hello", images=(), files=[str(tmp_path / name)])
