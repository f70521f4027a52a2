"""Write small GGUF files: whole ones for tests of names and facts, and the pieces for those of damage."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TOKENS = "tokenizer.ggml.tokens"
LLAMA: Mapping[str, Any] = {
    "general.architecture": "llama",
    "general.name": "Small one",
    "general.license": "mit",
    "general.file_type": 15,
    "llama.block_count": 2,
    "llama.context_length": 2048,
    "llama.embedding_length": 64,
    "llama.feed_forward_length": 128,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    TOKENS: ["a", "b", "c"],
    "tokenizer.chat_template": "{{ messages }}",
}
"""The metadata of a small model that chats."""


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def typed(value: Any) -> bytes:
    """Return a value with its type before it."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<IQ", 10, value) if value >= 0 else struct.pack("<Iq", 11, value)
    if isinstance(value, float):
        return struct.pack("<Id", 12, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if value and isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
    return struct.pack("<IIQ", 9, 5, len(value)) + b"".join(struct.pack("<i", item) for item in value)


def tensor(name: str, shape: Sequence[int], *, kind: int = 0, offset: int = 0) -> bytes:
    """Return a tensor's entry; kind 0 is 32-bit floats."""
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def head(values: Mapping[str, Any], tensors: Sequence[bytes] = (), *, version: int = 3) -> bytes:
    """Return what stands before the tensors, not yet padded."""
    written = b"".join(text(key) + typed(value) for key, value in values.items())
    return b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values)) + written + b"".join(tensors)


def model(values: Mapping[str, Any] = LLAMA, *, numbers: int = 16, version: int = 3) -> bytes:
    """Return a whole file with one tensor of so many 32-bit floats."""
    begin = head(values, [tensor("t", [numbers])], version=version)
    return begin + bytes(-len(begin) % 32) + bytes(4 * numbers)


def write(path: Path, values: Mapping[str, Any] = LLAMA, *, numbers: int = 16) -> Path:
    """Write a whole file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model(values, numbers=numbers))
    return path
