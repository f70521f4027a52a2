"""A TCP proxy that cuts connections: after as many bytes of an answer as the request's header `x-cut-after` says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

_CUT: Final = re.compile(rb"x-cut-after: (\d+)", re.IGNORECASE)


class FaultProxy:
    """Stand before one port of this machine."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.cuts = 0
        """Connections that were cut."""
        self._taking: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, request by request as they come, until it ends or is due to be cut."""
        out: asyncio.StreamWriter | None = None
        task = asyncio.current_task()
        assert task is not None
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)
        self._ends.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            found = _CUT.search(head)
            answers, out = await asyncio.open_connection("127.0.0.1", self.target)
            self._ends.add(out)
            out.write(head)
            passing = asyncio.create_task(_pass(reader, out))
            try:
                if await _pass(answers, writer, int(found[1]) if found else None):
                    self.cuts += 1
            finally:
                passing.cancel()
                await asyncio.gather(passing, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in (writer, out):
                if end is not None:
                    self._ends.discard(end)
                    end.transport.abort()

    async def close(self) -> None:
        """Break what is left."""
        while self._taking:
            for end in self._ends:
                end.transport.abort()
            await asyncio.wait(self._taking, timeout=0.1)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None = None) -> bool:
    """Copy bytes to the end, or up to a limit; tell whether that was reached."""
    with suppress(ConnectionError):
        while limit is None or limit > 0:
            data = await reader.read(65536 if limit is None else min(limit, 65536))
            if not data:
                return False
            writer.write(data)
            await writer.drain()
            limit = None if limit is None else limit - len(data)
        return True
    return False


@asynccontextmanager
async def fault_proxy(target: int) -> AsyncGenerator[FaultProxy, None]:
    """Run one on a free port."""
    proxy = FaultProxy(target)
    server = await asyncio.start_server(proxy.take, "127.0.0.1", 0, backlog=2048)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        await asyncio.sleep(0)
