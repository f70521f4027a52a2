"""Messages between this process and a child of it: a kind, a number, and bytes, each with its length before it.

Both sides read this file, so it imports next to nothing.
"""

from __future__ import annotations

import struct
from typing import Final, final

Frame = tuple[int, int, bytes]
"""Kind (one byte), number (four bytes), payload."""

_HEAD: Final = struct.Struct("<IBI")


class BadFrame(Exception):
    """What came is no message of the other side."""


def frame(kind: int, number: int, payload: bytes = b"") -> bytes:
    """Encode one message."""
    return _HEAD.pack(len(payload), kind, number) + payload


@final
class FrameReader:
    """Cut what arrives into messages; any cut of the bytes gives the same messages."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int) -> None:
        """Take the most bytes that a payload may have."""
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Return the messages that are whole now; raise BadFrame where one claims to be too long."""
        self._buffer += data
        frames: list[Frame] = []
        at = 0
        with memoryview(self._buffer) as view:
            while at + _HEAD.size <= len(view):
                length, kind, number = _HEAD.unpack_from(view, at)
                if length > self._limit:
                    raise BadFrame(f"a message of {length} bytes")
                end = at + _HEAD.size + length
                if end > len(view):
                    break
                frames.append((kind, number, bytes(view[at + _HEAD.size : end])))
                at = end
        del self._buffer[:at]
        return frames
