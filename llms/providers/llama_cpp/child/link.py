"""The child's end of the pipes: messages out from any thread, messages in until the parent is gone."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Final, final

from llms.providers._frames import Frame, FrameReader, frame

_READ: Final = 2**18
_LARGEST: Final = 2**32 - 1


@final
class Link:
    """Speak with the parent; the process ends when it is gone."""

    def __init__(self, inward: int, outward: int) -> None:
        """Take two file descriptors."""
        self._in = inward
        self._out = outward
        self._lock = threading.Lock()

    @classmethod
    def take_over(cls) -> Link:
        """Keep files 0 and 1 for messages; what native code prints goes to file 2, what it reads is empty."""
        link = cls(os.dup(0), os.dup(1))
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        return link

    def frames(self) -> Iterator[Frame]:
        """Yield what the parent says until it ends or closes the pipe."""
        reader = FrameReader(_LARGEST)
        while data := os.read(self._in, _READ):
            yield from reader.feed(data)

    def send(self, kind: int, number: int, payload: bytes = b"") -> None:
        """Write a message; it is on its way when this returns, whatever native code does next."""
        with self._lock:
            self._write(frame(kind, number, payload))

    def _write(self, data: bytes) -> None:
        """Write all; a parent that does not listen any more is a parent that is gone."""
        try:
            written = os.write(self._out, data)
            while written < len(data):
                written += os.write(self._out, memoryview(data)[written:])
        except OSError:
            os._exit(0)
