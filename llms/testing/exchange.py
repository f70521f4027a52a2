"""The upstream's side of one request: HTTP framing, writes that wait for the reader, ways to break off."""

from __future__ import annotations

import asyncio
import contextlib
import http
import socket
from collections.abc import Iterator, Mapping
from typing import Literal, final

from llms.testing.seen import Seen

Framing = Literal["chunked", "close", "length"]
"""How a body tells its end: HTTP chunks, the end of the connection, a Content-Length."""

_STREAM_HEADERS = {"Content-Type": "text/event-stream"}


@final
class Exchange:
    """Write one answer; what the client's departure means is the connection's business."""

    def __init__(
        self, transport: asyncio.Transport, seen: Seen, *, framing: Framing, size: int, writable: asyncio.Event
    ) -> None:
        """Take the bytes of the whole body in `size`; `writable` is clear while the socket is full."""
        self._transport = transport
        self._seen = seen
        self._framing = framing
        self._size = size
        self._writable = writable
        self._held: list[bytes] | None = None
        self._headed = False
        self._bare = False
        self.over = False
        """Nothing more may be played."""

    async def head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send the status line and headers."""
        self._headed = True
        given = {name.lower() for name in headers or {}}
        sent = {**{k: v for k, v in self._headers().items() if k.lower() not in given}, **(headers or {})}
        try:
            reason = http.HTTPStatus(status).phrase
        except ValueError:
            reason = "Unnamed"
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        await self.wire("\r\n".join(lines).encode("latin-1"))

    def _headers(self) -> dict[str, str]:
        if self._framing == "chunked":
            return {**_STREAM_HEADERS, "Transfer-Encoding": "chunked"}
        if self._framing == "length":
            return {**_STREAM_HEADERS, "Content-Length": str(self._size)}
        return {**_STREAM_HEADERS, "Connection": "close"}

    async def body(self, data: bytes) -> None:
        """Send bytes of the body in the answer's framing."""
        if not self._headed:
            await self.head()
        if self._framing == "chunked":
            data = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        await self.wire(data)

    async def bare(self, data: bytes) -> None:
        """Send bytes without framing; where no head was sent before, the whole answer is taken to be such bytes."""
        self._bare = self._bare or not self._headed
        self._headed = True
        await self.wire(data)

    async def wire(self, data: bytes) -> None:
        """Send bytes as they are, or keep them for a joined write."""
        if self._held is not None:
            self._held.append(data)
        else:
            await self.write([data])

    @contextlib.contextmanager
    def holding(self) -> Iterator[list[bytes]]:
        """Collect what is sent meanwhile instead of sending it."""
        outer, held = self._held, list[bytes]()
        self._held = held
        try:
            yield held
        finally:
            self._held = outer

    async def write(self, parts: list[bytes], *, bytewise: bool = False) -> None:
        """Send collected bytes in one write, or each byte in its own."""
        data = b"".join(parts)
        pieces = [data[i : i + 1] for i in range(len(data))] if bytewise else [data]
        for piece in pieces:
            if self._held is not None:
                self._held.append(piece)
                continue
            self._transport.write(piece)
            await self._writable.wait()
            if bytewise:
                await asyncio.sleep(0)

    async def end(self) -> None:
        """End the body properly."""
        if not self._headed:
            await self.head()
        if self._framing == "chunked" and not self._bare:
            await self.wire(b"0\r\n\r\n")

    async def half_chunk(self, size: int) -> None:
        """Announce a chunk of `size` bytes and send half of it."""
        if not self._headed:
            await self.head()
        await self.wire(b"%x\r\n%b" % (size, b"data: ".ljust(size // 2, b"x")))

    async def stall(self) -> None:
        """Send nothing more; ends only by being cancelled when the client leaves."""
        self._seen.note_silent()
        await asyncio.get_running_loop().create_future()

    def stop(self, how: str) -> None:
        """Play no more, and close or reset the connection as the last step says."""
        self.over = True
        if how == "cut":
            self._seen.note_finished()
            self._reset()
        elif how in ("close", "half_chunk") or self._framing == "close":
            self._seen.note_finished()
            self._transport.close()

    def _reset(self) -> None:
        # The option belongs to the open socket, so setting it on a copy of the descriptor is enough; event
        # loops other than asyncio's hand out no socket that could be asked.
        descriptor = self._transport.get_extra_info("socket").fileno()
        with socket.socket(fileno=socket.dup(descriptor)) as copy:
            copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self._transport.abort()
