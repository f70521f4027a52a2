"""An upstream whose answers are bytes and nothing else: no framing of its own, and no end unless a test wants one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple


class Cut(NamedTuple):
    """Bytes behind which the connection ends."""

    data: bytes


class RawUpstream:
    """Read whole requests off any number of connections and answer each with the next bytes of the script."""

    def __init__(self) -> None:
        self.script: deque[bytes | Cut] = deque()
        self.asked: list[int] = []
        """The number of the connection by which each request came, 1 for the first."""
        self.connections: list[asyncio.StreamWriter] = []
        self.eager = False
        """Answer as soon as a head is there, and read no body."""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections.append(writer)
        number = len(self.connections)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                self.asked.append(number)
                if self.eager:
                    self._answer(writer)
                    return
                await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
                self._answer(writer)

    def _answer(self, writer: asyncio.StreamWriter) -> None:
        answer = self.script.popleft()
        if isinstance(answer, Cut):
            writer.write(answer.data)
            writer.close()
        else:
            writer.write(answer)


@asynccontextmanager
async def raw_upstream() -> AsyncGenerator[RawUpstream, None]:
    """Listen on a free port."""
    upstream = RawUpstream()
    server = await asyncio.start_server(upstream.take, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for writer in upstream.connections:
            writer.close()
        await asyncio.sleep(0)
