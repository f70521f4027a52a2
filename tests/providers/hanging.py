"""A server that hangs on the way to an answer, and knows when who asked has left."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Self


class Hanging:
    """Read the first byte, or a head; say what there is to say, and nothing more."""

    def __init__(self, *, answers: bytes = b"", reads_head: bool = False) -> None:
        """With an answer, hang when something follows it."""
        self._answers = answers
        self._reads_head = reads_head
        self._arrived, self._gone = asyncio.Event(), asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._hang, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def is_left_by(self, setup: Any, provider: Any) -> None:
        """Ask and leave as soon as it hangs; fail unless that ends the connection."""
        asking = asyncio.create_task(setup.ask(provider))
        await self._arrived.wait()
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(5):
            await self._gone.wait()

    async def _hang(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (reader.readuntil(b"\r\n\r\n") if self._reads_head else reader.read(1))
        if self._answers:
            writer.write(self._answers)
            await reader.read(1)
        self._arrived.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        self._gone.set()
        writer.close()
