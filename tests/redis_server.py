"""A real redis-server of its own for tests, which can be stopped, started again, and emptied thereby."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest


class RedisServer:
    """One redis-server on a port of its own; it keeps nothing on disk."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start it and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("this needs redis-server: apt-get install redis-server")
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        self._process = await asyncio.create_subprocess_exec(
            program, *options, "--dir", str(self._folder), stdout=asyncio.subprocess.DEVNULL, start_new_session=True
        )
        async with asyncio.timeout(10):
            while not await self._answers():
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)
            await self._process.wait()

    async def ask(self, command: bytes) -> bytes:
        """Send a command and return the first line of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(command + b"\r\n")
            return await reader.readline()
        finally:
            writer.close()

    async def _answers(self) -> bool:
        with suppress(OSError):
            return await self.ask(b"PING") == b"+PONG\r\n"
        return False


@asynccontextmanager
async def redis_server(folder: Path) -> AsyncGenerator[RedisServer, None]:
    """Run one until the test is over."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    server = RedisServer(port, folder)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
