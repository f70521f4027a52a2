"""How much of what was written for a client it has not taken: what waits here, and in the system's own buffer.

The system asks for more only when a third of its buffer is free, which is a megabyte: a client that reads a kilobyte a
second takes a quarter of an hour for that, and looks as if it took nothing.
"""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType
from typing import Final, Self, final

from aiohttp import web

from llms.streaming.ticker import Ticker

try:
    import fcntl
    import termios
except ImportError:  # not everywhere
    _QUEUED = None
else:
    _QUEUED = getattr(termios, "TIOCOUTQ", None)


STALL_SECONDS: Final = 300.0
"""A client that takes nothing for this long is cut."""


@final
class Taking:
    """Look now and then whether a client takes what waits for it; cut one that does not."""

    def __init__(self, request: web.Request, ticker: Ticker) -> None:
        """Take whose client is watched."""
        self._transport = request.transport
        self._ticker = ticker
        self._left = 0
        self._since = 0.0

    def __enter__(self) -> Self:
        self._ticker.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ticker.discard(self)

    def tick(self, now: float) -> bool:
        """Look; nothing is due soon."""
        if self._transport is None or self._transport.is_closing():
            return False
        left = untaken(self._transport)
        if not left or left != self._left:
            self._left, self._since = left, now
        elif now - self._since > STALL_SECONDS:
            self._transport.abort()
        return False


def untaken(transport: asyncio.Transport) -> int:
    """Return the bytes."""
    return transport.get_write_buffer_size() + _in_system(transport)


def _in_system(transport: asyncio.Transport) -> int:
    sock = transport.get_extra_info("socket")
    if sock is None or _QUEUED is None:
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(sock.fileno(), _QUEUED, bytes(4)), sys.byteorder)
    except OSError:
        return 0
