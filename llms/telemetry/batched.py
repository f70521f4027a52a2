"""Gather what a log tells for a moment: rendered together, and written by one system call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import BinaryIO, Final, cast, final

from llms.protocol.events import RequestEnded

_GATHER_SECONDS: Final = 0.05
_FULL: Final = 64 * 1024
_USUAL_LINE: Final = 512


@final
class Batched:
    """A binary stream that writes what it was given at most 50 ms later, at 64 KiB, or at `close`, in its order.

    Outside an event loop nothing is held back. A killed process loses the last moment of its log; a stream that
    fails loses what was held back.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Write to `stream` in the end."""
        self._stream = stream
        self._held: list[bytes | RequestEnded] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self.render: Callable[[Sequence[RequestEnded]], bytes] = lambda ended: b""
        """Returns the lines of requests; the log says how."""

    def write(self, line: bytes) -> None:
        """Take one line."""
        self._hold(line, len(line))

    def tell(self, ended: RequestEnded) -> None:
        """Take a request; its line is rendered when it is written."""
        self._hold(ended, _USUAL_LINE)

    def flush(self) -> None:
        """Do nothing: time flushes."""

    def close(self) -> None:
        """Write what is held back; raise OSError or ValueError when the stream fails."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held, self._size = self._held, [], 0
        if held:
            self._stream.write(b"".join(self._lines(held)))
            self._stream.flush()

    def _lines(self, held: Iterable[bytes | RequestEnded]) -> Iterator[bytes]:
        for kind, run in groupby(held, type):
            if kind is RequestEnded:
                yield self.render(cast(list[RequestEnded], [*run]))
            else:
                yield from cast(Iterator[bytes], run)

    def _hold(self, what: bytes | RequestEnded, size: int) -> None:
        self._held.append(what)
        self._size += size
        if self._size > _FULL:
            self.settle()
        elif self._timer is None:
            self._wait()

    def _wait(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.settle()
            return
        self._timer = loop.call_later(_GATHER_SECONDS, self.settle)

    def settle(self) -> None:
        """Write what is held back, now; what the stream does not take is lost."""
        try:
            self.close()
        except (OSError, ValueError):
            return
