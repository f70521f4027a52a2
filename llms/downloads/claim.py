"""The claim of one process on one model, and what is noted of its unfinished files for whoever goes on with them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, final

from llms.protocol import json
from llms.protocol.errors import Conflict


@final
class Claim:
    """A locked file: while it is open, nobody else may touch the model. The system lets go when a process dies."""

    def __init__(self, file: BinaryIO) -> None:
        """Take a file that is open and locked."""
        self._file = file
        self._noted = _read(file)
        self._write()

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is noted."""
        return not self._noted

    def etag(self, file: str, identity: str) -> str | None:
        """Return the validator under which a file was begun: empty where it had none, None for other content."""
        found = self._noted.get(file)
        return found[1] if found is not None and found[0] == identity else None

    def note(self, file: str, identity: str, etag: str) -> None:
        """Keep what a file is begun with."""
        self._noted[file] = (identity, etag)
        self._write()

    def forget(self, file: str) -> None:
        """Drop what is noted of a file that is finished or gone."""
        if self._noted.pop(file, None) is not None:
            self._write()

    def _write(self) -> None:
        files = [{"file": file, "identity": identity, "etag": etag} for file, (identity, etag) in self._noted.items()]
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps({"pid": os.getpid(), "files": files}))


@contextmanager
def claimed(folder: Path, name: str) -> Iterator[Claim]:
    """Hold the claim on a model; raise Conflict when another process, or another pull in this one, holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    file = _opened(path)
    while not _is_still(path, file):
        file.close()
        file = _opened(path)
    with file:
        claim = Claim(file)
        try:
            yield claim
        finally:
            if claim.is_empty:
                path.unlink(missing_ok=True)


def _opened(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    file = open(descriptor, "r+b", buffering=0)  # noqa: SIM115 - the caller holds it
    try:
        _lock(file)
    except BlockingIOError:
        with file:
            raise Conflict(f"{path.stem} is being pulled or removed by {_holder(file)}. Try again later.") from None
    return file


def _lock(file: BinaryIO) -> None:
    """Lock a file against every other opening of it, where the system can."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Tell whether a locked file is the one of that name: its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _holder(file: BinaryIO) -> str:
    try:
        return f"process {int(json.loads(file.read())['pid'])}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def _read(file: BinaryIO) -> dict[str, tuple[str, str]]:
    """Return what the last holder noted; what a crash cut off counts as nothing."""
    try:
        rows = json.loads(file.read())["files"]
        return {str(row["file"]): (str(row["identity"]), str(row["etag"])) for row in rows}
    except (ValueError, KeyError, TypeError):
        return {}
