"""Read the head of a GGUF file: its metadata and how large its tensors are, never the tensors themselves.

The format, all of it little endian: magic `GGUF`, u32 version, u64 number of tensors, u64 number of values; each value
as key (u64 length, bytes), u32 type, content; each tensor as name, u32 number of dimensions, u64 for each, u32 type,
u64 offset; then, at the next multiple of `general.alignment`, the tensors. An array is u32 type, u64 length, elements.

Whoever downloads models reads the files of strangers, so nothing that a file claims is believed before it fits into
the file, and what is kept of it is bounded.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, final

_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_STRING, _ARRAY = 8, 9
_SCALARS: Final[Mapping[int, str]] = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"
}  # fmt: skip
_BLOCKS: Final[Mapping[int, tuple[int, int]]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66),
    17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54),
    35: (256, 66), 39: (32, 17),
}  # fmt: skip
"""Elements and bytes of one block, by tensor type; what is newer than this table counts as nothing."""

_MOST_VALUES: Final = 2**14
_MOST_TENSORS: Final = 2**16
_MOST_TEXTS: Final = 2**21
"""Strings in all arrays together; the largest vocabularies have 2**18 tokens and twice as many merges."""
_LONGEST_NAME: Final = 2**16 - 1
_LONGEST_TEXT: Final = 1024
_LONGEST_ARRAY: Final = 1024
_MOST_KEPT: Final = 2**20
"""Bytes of metadata that are kept."""
_LONGEST_HEAD: Final = 2**28
"""Bytes that are walked over; large vocabularies take some 15 million."""
_MOST_DIMENSIONS: Final = 4
_BUFFER: Final = 2**16


class BadFile(ValueError):
    """A file that is no model, or a damaged one; the text says why, without naming the file."""


@final
@dataclass(frozen=True, slots=True)
class Left:
    """A value that was passed over: a text of so many bytes, or an array of so many elements."""

    length: int


Value = int | float | bool | str | tuple[int | float | bool, ...] | Left


@final
@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the tensors."""

    version: int
    values: Mapping[str, Value]
    tensors: int
    parameters: int
    """Elements of all tensors."""
    size: int
    """Bytes of the file."""


def read_header(path: Path) -> Header:
    """Return the head of a model file; raise BadFile with the reason."""
    try:
        # Without O_NONBLOCK, a pipe of this name would be waited for.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(handle, "rb", buffering=_BUFFER) as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise BadFile("it is no file")
            return _Reader(file, found.st_size).header()
    except OSError as failure:
        raise BadFile(f"it cannot be read: {failure.strerror or failure}") from None
    except ValueError as failure:
        raise failure if isinstance(failure, BadFile) else BadFile(f"it cannot be read: {failure}") from None


@final
class _Reader:
    """Walk through one file, never past its end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._at = 0
        self._texts = self._kept = 0

    def header(self) -> Header:
        if self._take(4) != _MAGIC:
            raise BadFile("it is no GGUF file; llama.cpp reads only those")
        version = self._version()
        tensors = self._count("tensors", least=24, most=_MOST_TENSORS)
        values = self._values(self._count("values", least=13, most=_MOST_VALUES))
        parameters, ends = 0, 0
        for _ in range(tensors):
            elements, end = self._tensor()
            parameters += elements
            ends = max(ends, end)
        whole = self._aligned(values.get("general.alignment", 32)) + ends
        if tensors and whole > self._size:
            raise BadFile(f"it is cut off: {self._size:,} of at least {whole:,} bytes are there; fetch it again")
        return Header(version, values, tensors, parameters, self._size)

    def _version(self) -> int:
        version: int = self._number("<I")
        if version and not version & 0xFFFF:
            raise BadFile("it is big endian, and only little endian files can be read")
        if version not in _VERSIONS:
            raise BadFile(f"it is of GGUF version {version}, and only {_VERSIONS[0]} and {_VERSIONS[-1]} can be read")
        return version

    def _count(self, what: str, *, least: int, most: int) -> int:
        """Read how many of something follow, each of `least` bytes at least."""
        count: int = self._number("<Q")
        if count > min(most, (self._size - self._at) // least):
            raise BadFile(f"it is damaged: it claims to have {count:,} {what}")
        return count

    def _values(self, count: int) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for _ in range(count):
            key = self._name()
            begin = self._at
            value = self._value(self._number("<I"))
            if not isinstance(value, Left):
                self._kept += self._at - begin
            self._kept += len(key) + 64
            if self._kept > _MOST_KEPT:
                raise BadFile("it has more metadata than any model needs")
            values[key] = value
        return values

    def _value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY:
            return self._array()
        number: int | float | bool = self._number(self._format(kind))
        return number

    def _text(self) -> Value:
        length = self._number("<Q")
        if length > _LONGEST_TEXT:
            self._skip(length)
            return Left(length)
        return self._take(length).decode("utf-8", "replace")

    def _array(self) -> Value:
        kind, length = self._number("<I"), self._number("<Q")
        if kind == _STRING:
            self._skip_texts(length)
            return Left(length)
        layout = self._format(kind)
        if length > _LONGEST_ARRAY:
            self._skip(length * struct.calcsize(layout))
            return Left(length)
        packed = self._take(length * struct.calcsize(layout))
        return tuple(value for (value,) in struct.iter_unpack(layout, packed))

    def _skip_texts(self, count: int) -> None:
        self._texts += count
        if self._texts > min(_MOST_TEXTS, self._size // 8):
            raise BadFile(f"it is damaged: it claims to have {self._texts:,} texts")
        for _ in range(count):
            self._skip(self._number("<Q"))

    def _tensor(self) -> tuple[int, int]:
        """Read one tensor's entry; return its elements, and where it ends, counted from the first tensor."""
        self._name()
        dimensions = self._number("<I")
        if dimensions > _MOST_DIMENSIONS:
            raise BadFile(f"it is damaged: a tensor claims to have {dimensions:,} dimensions")
        elements = 1
        for _ in range(dimensions):
            elements *= self._number("<Q")
        per_block, size = _BLOCKS.get(self._number("<I"), (1, 0))
        return elements, self._number("<Q") + elements // per_block * size

    def _name(self) -> str:
        length = self._number("<Q")
        if length > _LONGEST_NAME:
            raise BadFile(f"it is damaged: a name claims to have {length:,} bytes")
        return self._take(length).decode("utf-8", "replace")

    def _aligned(self, alignment: Value) -> int:
        """Return where the first tensor begins."""
        if not isinstance(alignment, int) or alignment < 1:
            raise BadFile("it is damaged: its alignment is no positive number")
        return -(-self._at // alignment) * alignment

    def _format(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise BadFile(f"it is damaged: a value is of the unknown type {kind:,}")
        return _SCALARS[kind]

    def _number(self, layout: str) -> Any:
        (number,) = struct.unpack(layout, self._take(struct.calcsize(layout)))
        return number

    def _take(self, length: int) -> bytes:
        self._fit(length)
        taken = self._file.read(length)
        if len(taken) < length:
            raise BadFile("it ends in the middle of its metadata; fetch it again")
        self._at += length
        return taken

    def _skip(self, length: int) -> None:
        self._fit(length)
        self._file.seek(length, os.SEEK_CUR)
        self._at += length

    def _fit(self, length: int) -> None:
        if length > self._size - self._at:
            raise BadFile("it ends in the middle of its metadata, or is damaged; fetch it again")
        if self._at + length > _LONGEST_HEAD:
            raise BadFile("it has more metadata than any model needs")
