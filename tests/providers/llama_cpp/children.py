"""A scripted model in a child process, and what a test asks of it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from llms.providers.llama_cpp.answers import LlamaFailures
from llms.providers.llama_cpp.load import Load
from llms.providers.llama_cpp.model import LocalModel
from tests.providers.llama_cpp.scripted import LOADER

PATIENCE = 20.0
"""Machines are busy."""


class Rig:
    """One model in a folder of orders and notes."""

    def __init__(self, folder: Path, *, slots: int = 1, unload_after: float | None = None) -> None:
        self.folder = folder
        self.now = 0.0
        self.rests = 0
        wanted = Load(path=str(folder), alias="m", n_ctx=64, slots=slots, n_threads=1, n_batch=64, loader=LOADER)
        self.model = LocalModel(
            wanted,
            unload_after=unload_after,
            on_rest=self._rest,
            failures=LlamaFailures("p", "m"),
            clock=lambda: self.now,
        )

    def chat(self, *words: str) -> AsyncGenerator[list[bytes], None]:
        return self.model.chat(json.dumps(words).encode())

    async def said(self, *words: str) -> bytes:
        return b"".join([piece async for pieces in self.chat(*words) for piece in pieces])

    async def begun(self, *words: str) -> AsyncGenerator[list[bytes], None]:
        """Return a chat that said its first word."""
        chat = self.chat(*words)
        assert (await anext(chat))[0] == words[0].encode()
        return chat

    def order(self, word: str) -> None:
        (self.folder / "load").write_text(word)

    def go(self) -> None:
        (self.folder / "go").touch()

    @property
    def notes(self) -> list[str]:
        file = self.folder / "notes"
        return file.read_text().splitlines() if file.exists() else []

    async def noted(self, word: str, count: int = 1) -> None:
        await until(lambda: self.notes.count(word) >= count)

    @property
    def loads(self) -> int:
        return sum(note.startswith("load") for note in self.notes)

    def _rest(self) -> None:
        self.rests += 1


async def until(is_so: Callable[[], bool], *, patience: float = PATIENCE) -> None:
    async with asyncio.timeout(patience):
        while not is_so():
            await asyncio.sleep(0.005)


def is_there(pid: int) -> bool:
    """Tell whether a process is there; one that only waits to be reaped counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
