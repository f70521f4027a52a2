"""A real `llms serve` in a process of its own: configuration in, addresses, log and exit code out."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.proxy import RawClient, Reply

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
"""Machines are busy."""


@dataclass
class Process:
    """One running server."""

    process: asyncio.subprocess.Process
    folder: Path
    """Holds its providers.yaml, its data and its log."""
    port: int = 0
    announced: str = ""
    """What it printed until its addresses were told."""
    _more: list[bytes] = field(default_factory=list)
    _reading: asyncio.Task[None] | None = None

    @property
    def printed(self) -> str:
        """Return all that it printed so far."""
        return self.announced + b"".join(self._more).decode()

    @property
    def log(self) -> str:
        """Return its log so far."""
        return (self.folder / "log").read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return the lines of its log, decoded."""
        return [json.loads(line) for line in self.log.splitlines()]

    async def logged(self, event: str, count: int = 1, *, patience: float = 15.0) -> dict[str, Any]:
        """Wait for the line number `count` of an event and return it."""
        async with asyncio.timeout(patience):
            while len(found := [line for line in self.events if line["event"] == event]) < count:
                await asyncio.sleep(0.02)
        return found[count - 1]

    def configure(self, text: str) -> None:
        """Replace the configuration file at one blow."""
        new = self.folder / "providers.yaml.new"
        new.write_text(text)
        new.replace(self.folder / "providers.yaml")

    async def client(self) -> RawClient:
        """Connect."""
        return RawClient(*await asyncio.open_connection("127.0.0.1", self.port))

    async def ask(
        self, body: Any, *, headers: Mapping[str, str] | None = None, path: str = "/v1/chat/completions"
    ) -> Reply:
        """Send one POST on a connection of its own and return the answer."""
        client = await self.client()
        try:
            await client.send(body, headers=headers, path=path)
            return await client.reply(patience=20)
        finally:
            client.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def ended(self, *, patience: float = 20.0) -> int:
        """Wait for the end and return the exit code."""
        async with asyncio.timeout(patience):
            return await self.process.wait()


@asynccontextmanager
async def running(
    text: str,
    folder: Path,
    *flags: str,
    environ: Mapping[str, str] | None = None,
    command: Sequence[str] = (sys.executable, "-m", "llms"),
) -> AsyncGenerator[Process, None]:
    """Start the server on a free port and wait until it told its addresses; kill it at the end."""
    folder.mkdir(exist_ok=True)
    (folder / "providers.yaml").write_text(text)
    surroundings = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LLMS_DATA_DIR": str(folder / "data"),
        "PYTHONPATH": str(ROOT),
        **(environ or {}),
    }
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            *("serve", "--port", "0", "--no-discover", "--config", "providers.yaml", *flags),
            cwd=folder,
            env=surroundings,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    server = Process(process, folder)
    try:
        await _announced(server)
        server._reading = asyncio.create_task(_drain(server))
        yield server
    finally:
        await _end(server)


async def _announced(server: Process) -> None:
    assert server.process.stdout is not None
    async with asyncio.timeout(START_SECONDS):
        while not (found := re.search(r"API +http://[^\s/]+:(\d+)/v1\n(?:.*\n)*?.*curl .*\n", server.announced)):
            line = await server.process.stdout.readline()
            assert line, f"the server ended: {server.printed}\n{server.log}"
            server.announced += line.decode()
    server.port = int(found[1])


async def _drain(server: Process) -> None:
    assert server.process.stdout is not None
    while data := await server.process.stdout.read(65536):
        server._more.append(data)


async def _end(server: Process) -> None:
    """Kill the process and those that it started (they may be in groups of their own)."""
    if server.process.returncode is None:
        for pid in [*children_of(server.process.pid), server.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        await server.process.wait()
    if server._reading is not None:
        await server._reading


def children_of(pid: int) -> list[int]:
    """Return the running children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
