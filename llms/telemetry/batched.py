"""Gather the lines of a log for a moment: one system call for many requests instead of one for each."""

from __future__ import annotations

import asyncio
from typing import BinaryIO, Final, final

_GATHER_SECONDS: Final = 0.05
_FULL: Final = 64 * 1024


@final
class Batched:
    """A binary stream that writes what it was given at most 50 ms later, at 64 KiB, or at `close`.

    Outside an event loop nothing is held back. A killed process loses the last moment of its log.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Write to `stream` in the end."""
        self._stream = stream
        self._lines: list[bytes] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def write(self, line: bytes) -> None:
        """Take one line; raise OSError or ValueError when the stream fails."""
        self._lines.append(line)
        self._size += len(line)
        if self._size > _FULL:
            self.close()
        elif self._timer is None:
            self._wait()

    def flush(self) -> None:
        """Do nothing: time flushes."""

    def close(self) -> None:
        """Write what is held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines, self._size = self._lines, [], 0
        if lines:
            self._stream.write(b"".join(lines))
            self._stream.flush()

    def _wait(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.close()
            return
        self._timer = loop.call_later(_GATHER_SECONDS, self._due)

    def _due(self) -> None:
        self._timer = None
        try:
            self.close()
        except (OSError, ValueError):
            return
