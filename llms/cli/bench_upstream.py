"""The upstream behind the proxy that is measured: it says what the script says, as fast as it can."""

from __future__ import annotations

import asyncio
import json
from typing import Final, cast, final

from llms.cli import bench_script as script

_LENGTH: Final = b"content-length:"


@final
class Upstream(asyncio.Protocol):
    """One connection; answers one request after another."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say no more."""
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer, once a request is here."""
        self._buffer += data
        head, found, body = bytes(self._buffer).partition(b"\r\n\r\n")
        if found and len(body) >= _length(head):
            self._buffer.clear()
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        if not body:
            self._transport.write(script.fixed({"object": "list", "data": [{"id": "scripted", "object": "model"}]}))
            return
        asked = json.loads(body)
        if not asked.get("stream"):
            self._transport.write(_WHOLE)
            return
        self._transport.write(_BEGIN + _CHUNK)
        self._due = self._loop.time()
        self._go_on(asked["max_tokens"] - 1)

    def _go_on(self, left: int) -> None:
        """Say the next chunk when it is due; the times are those of a steady pace, whatever was late."""
        if not left:
            self._transport.write(_END)
            return
        self._due += script.EVERY
        self._timer = self._loop.call_at(self._due, self._say, left)

    def _say(self, left: int) -> None:
        self._transport.write(_CHUNK)
        self._go_on(left - 1)


def _length(head: bytes) -> int:
    """Return the length of the body that follows a head."""
    lines = (line for line in head.lower().split(b"\r\n") if line.startswith(_LENGTH))
    return int(next(lines, _LENGTH + b"0")[len(_LENGTH) :])


_WHOLE: Final = script.whole()
_BEGIN: Final = script.stream_begin()
_CHUNK: Final = script.stream_chunk()
_END: Final = script.stream_end()
