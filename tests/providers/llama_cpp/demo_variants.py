"""The demo model with other metadata, so that one small file stands for many kinds of models."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from tests.providers.llama_cpp.gguf_files import text

DEMO = Path(__file__).parents[3] / "llms/models/demo.gguf"
TEMPLATE = "tokenizer.chat_template"
_COUNTS = 24
"""Bytes of the magic, the version and two counts."""
_ALIGNMENT = 32
_UINT32, _STRING = 4, 8


def variant(folder: Path, values: Mapping[str, str | int | None]) -> Path:
    """Write a copy with these values set, and without those that are None; return its path."""
    data = DEMO.read_bytes()
    for key in values:
        # A value of another name is as good as none, and everything stays where it was.
        data = data.replace(text(key), text(key[:-1] + "~"))
    added = b"".join(_value(key, value) for key, value in values.items() if value is not None)
    count = sum(value is not None for value in values.values())
    filler = text("filler") + struct.pack("<I", _STRING)
    room = -(len(added) + len(filler) + 8) % _ALIGNMENT
    added += filler + text("x" * room)
    [known] = struct.unpack_from("<Q", data, _COUNTS - 8)
    path = folder / "variant.gguf"
    path.write_bytes(data[: _COUNTS - 8] + struct.pack("<Q", known + count + 1) + added + data[_COUNTS:])
    return path


def _value(key: str, value: str | int) -> bytes:
    if isinstance(value, int):
        return text(key) + struct.pack("<II", _UINT32, value)
    return text(key) + struct.pack("<I", _STRING) + text(value)
