"""An upstream that swallows what it is sent, and one that is flooded: nothing of a body is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"text":"ok"}'


@dataclass
class Sink:
    """What came of bodies, in bytes."""

    port: int = 0
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing of a body is read before."""
    head: bytes = b""
    size: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)
    """A head has come."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """The proxy ended a connection before its request was whole."""
    early: bytes = b""
    """Is answered as soon as the head has come."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.head = await reader.readuntil(b"\r\n\r\n")
            self.came.set()
            if self.early:
                writer.write(self.early)
                await writer.drain()
                await self._swallow(reader, None)
                return
            await self.reading.wait()
            lines = dict(line.lower().split(b": ", 1) for line in self.head.split(b"\r\n")[1:-2])
            length = lines.get(b"content-length")
            if not await self._swallow(reader, None if length is None else int(length)):
                self.left.set()
                return
            writer.write(ANSWER)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()

    async def _swallow(self, reader: asyncio.StreamReader, length: int | None) -> bool:
        """Read a body; False when it breaks off."""
        while length is None or self.size < length:
            data = await reader.read(65536)
            if not data:
                return False
            self.size += len(data)
            if length is None and data.endswith(b"0\r\n\r\n"):
                return True
        return True


@asynccontextmanager
async def sinking(*, early: bytes = b"", reads: bool = True) -> AsyncGenerator[Sink]:
    sink = Sink(early=early)
    if reads:
        sink.reading.set()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0, limit=65536)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        sink.reading.set()
        server.close()
