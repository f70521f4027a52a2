"""A TCP proxy between a client and a server that cuts or stalls its connections at any byte."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Final, Self

CUT: Final = "cut"
STALL: Final = "stall"
END: Final = "end"
Fault = tuple[str, int]
"""What happens after how many bytes that the server sent: `cut` resets, `end` closes in order, `stall` falls silent."""


class FaultProxy:
    """Pass bytes on; each connection has the next of the planned faults, and later ones have none."""

    def __init__(self, port: int) -> None:
        """Take the port of the server."""
        self.faults: deque[Fault | None] = deque()
        self.sent: list[bytearray] = []
        """What went to the client, by connection."""
        self._target = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def plan(self, *faults: Fault | None) -> None:
        """Set the faults of the next connections."""
        self.faults = deque(faults)

    def redirect(self, port: int) -> None:
        """Lead to another server from now on, and drop what leads to the old one."""
        self._target = port
        self.drop()

    def drop(self) -> None:
        """Break every connection that stands."""
        for task in self._tasks:
            task.cancel()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None):
        assert self._server is not None
        await asyncio.sleep(0)
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # closed transports say goodbye in the next turn of the loop

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self.faults.popleft() if self.faults else None
        sent = bytearray()
        self.sent.append(sent)
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        up = asyncio.create_task(_pump(reader, back))
        try:
            await self._down(there, writer, sent, fault)
        except ConnectionError:
            pass
        finally:
            up.cancel()
            back.transport.abort()
            writer.close()

    async def _down(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytearray, fault: Fault | None
    ) -> None:
        while data := await there.read(65536):
            if fault is not None and len(sent) + len(data) >= fault[1]:
                rest = data[: fault[1] - len(sent)]
                writer.write(rest)
                sent += rest
                await writer.drain()
                if fault[0] == STALL:
                    await asyncio.sleep(3600)
                if fault[0] == CUT:
                    writer.transport.abort()
                return
            sent += data
            writer.write(data)
            await writer.drain()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except ConnectionError:
        pass
    writer.close()
