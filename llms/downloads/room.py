"""Room on the disk, and the errors of one that cannot take a file."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

from llms.protocol.errors import InternalError, LlmsError

Free = Callable[[Path], int]
"""Returns the free bytes where a folder is."""


def free_bytes(folder: Path) -> int:
    """Return the free bytes where a folder is, or will be."""
    while not folder.is_dir():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def require_room(folder: Path, needed: int, *, free: Free) -> None:
    """Raise an LlmsError with both figures when a folder cannot take so many more bytes."""
    there = free(folder)
    if needed > there:
        raise _full(f"{in_words(needed)} are needed and {in_words(there)} are free in {folder}; make room there.")


def unwritable(failure: OSError, folder: Path) -> LlmsError:
    """Return the error for a file that could not be written."""
    if failure.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full(f"The disk is full: {folder}. What came is kept; make room and pull again.")
    return InternalError(f"{failure.filename or folder}: {failure.strerror or failure}.")


def in_words(size: int) -> str:
    """Return a number of bytes as people read it: `98.4 MB`."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def _full(message: str) -> LlmsError:
    return LlmsError(message, code="insufficient_storage", status=507)
