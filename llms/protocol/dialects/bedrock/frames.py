"""AWS's binary event stream ("Event stream encoding"): frames with headers, a payload and two checksums.

A frame is its length, the length of its headers, a checksum of these two, headers, payload, and a checksum of all
before it; numbers are big-endian. A header is the length of its name, the name, a type, and here a short text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, final
from zlib import crc32

_PRELUDE: Final = struct.Struct(">III")
_NUMBER: Final = struct.Struct(">I")
_TEXT: Final = 7
_LENGTHS: Final[Mapping[int, int]] = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of the values of all types but the two that tell their length, bytes (6) and text (7)."""


class BadFrame(ValueError):
    """What came is no frame, so that nothing after it can be read either."""


class Frame(NamedTuple):
    """One message."""

    headers: Mapping[str, str]
    payload: bytes


@final
class FrameReader:
    """Cut what arrives into frames; any cut of the bytes gives the same frames."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int) -> None:
        """Take the most bytes that a frame may have."""
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are whole now; raise BadFrame, after those before it, for one that is broken."""
        self._buffer += data
        at = 0
        try:
            while at + _PRELUDE.size <= len(self._buffer):
                length, headers = self._prelude(at)
                if at + length > len(self._buffer):
                    break
                yield _frame(bytes(self._buffer[at : at + length]), headers)
                at += length
        finally:
            del self._buffer[:at]

    def _prelude(self, at: int) -> tuple[int, int]:
        """Return the length of the frame that begins here, and of its headers."""
        length, headers, checksum = _PRELUDE.unpack_from(self._buffer, at)
        if crc32(self._buffer[at : at + 8]) != checksum or length < headers + 16:
            raise BadFrame("a frame begins with a wrong checksum")
        if length > self._limit:
            raise BadFrame(f"an event is longer than {self._limit} bytes")
        return length, headers

    @property
    def idle(self) -> bool:
        """Tell whether the next byte begins a frame."""
        return not self._buffer


def _frame(data: bytes, headers: int) -> Frame:
    (checksum,) = _NUMBER.unpack_from(data, len(data) - 4)
    if crc32(data[:-4]) != checksum:
        raise BadFrame("a frame has a wrong checksum")
    start = _PRELUDE.size + headers
    return Frame(_headers(data[_PRELUDE.size : start]), data[start:-4])


def _headers(data: bytes) -> dict[str, str]:
    """Return the headers that are text."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            name = data[at + 1 : at + 1 + data[at]].decode("utf-8", "replace")
            at += 1 + data[at]
            kind = data[at]
            size = _LENGTHS.get(kind)
            at += 1 if size is not None else 3
            size = int.from_bytes(data[at - 2 : at], "big") if size is None else size
            if kind == _TEXT:
                found[name] = data[at : at + size].decode("utf-8", "replace")
            at += size
    except IndexError:
        raise BadFrame("the headers of a frame break off") from None
    return found
