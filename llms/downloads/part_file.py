"""A file on its way: it grows under a name of its own and gets its real one when all of it is there and right."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, final

from llms.downloads.blocking import in_thread

MAGIC: Final = b"GGUF"
_BLOCK: Final = 2**22
"""Bytes hashed between two chances to stop."""


@final
class PartFile:
    """The `.part` beside a file's final place."""

    def __init__(self, final: Path) -> None:
        """Open nothing yet."""
        self.final = final
        self.path = final.with_name(final.name + ".part")

    @property
    def size(self) -> int:
        """Return the bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def begins_like_a_model(self) -> bool:
        """Tell whether the first bytes are those of GGUF."""
        with self.path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC

    def open(self) -> BinaryIO:
        """Open it for more bytes at its end; a link in its place is not followed."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return open(os.open(self.path, flags, 0o644), "ab")

    async def append(self, file: BinaryIO, data: bytes) -> None:
        """Write at the end of what `open` returned; raise OSError."""
        await in_thread(partial(_write, file, data))

    def adopt(self, path: Path) -> None:
        """Take over a file that came otherwise."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, self.path)

    def remove(self) -> None:
        """Throw away what is there."""
        self.path.unlink(missing_ok=True)

    async def finish(self) -> None:
        """Give the file its name, on the disk for good."""
        await in_thread(self._finish)

    def _finish(self) -> None:
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(self.path, self.final)
        _sync_folder(self.final.parent)


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()


async def sha256_of(path: Path, report: Callable[[int], None]) -> str:
    """Return the digest of a file in hexadecimal digits; `report` hears of each block's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while count := await in_thread(partial(_add, file, digest.update)):
            report(count)
    return digest.hexdigest()


def _add(file: BinaryIO, update: Callable[[bytes], None]) -> int:
    block = file.read(_BLOCK)
    update(block)
    return len(block)


def _sync_folder(folder: Path) -> None:
    """Write out the names of a folder, where the system can open one."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
