"""A plain request of which the head is here and not all of the body."""

from __future__ import annotations

import asyncio
from typing import final

from llms.server.plain_head import PlainHead


@final
class PlainUpload:
    """Gather the body, read by read, for as long as the `timer` runs."""

    __slots__ = ("_size", "_timer", "head", "missing", "pieces")

    def __init__(self, head: PlainHead, size: int, data: bytes, missing: int, timer: asyncio.TimerHandle) -> None:
        """Take the first read, which begins with a head of `size` bytes, and the number of bytes still to come."""
        self.head = head
        self.missing = missing
        """Less than zero where more came than the body."""
        self.pieces = [data]
        """All that came."""
        self._size = size
        self._timer = timer

    def add(self, data: bytes) -> None:
        """Take the next read."""
        self.pieces.append(data)
        self.missing -= len(data)

    def body(self) -> bytes:
        """Return the body, which is whole."""
        first, *others = self.pieces
        return b"".join((memoryview(first)[self._size :], *others))

    def end(self) -> None:
        """Stop the timer."""
        self._timer.cancel()
