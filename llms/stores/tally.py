"""How many slots of one provider the workers of a server hold together: a few numbers in memory that all of them share.

Each worker writes its own row only, and takes a slot under a lock of the file. A lock goes with its process, and the
parent clears the row of a worker that died: nothing stays taken.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

_BUSY, _WAITING, _SINCE, _SEEN = range(4)
"""A row: slots that are held; requests in line; since when the line waits for its next slot; when it last looked."""
_ROW: Final = 4
_CELL: Final = 8
_LOST: Final = 1_000_000_000
"""Nanoseconds after which a line that did not look is passed over: its worker hangs, or is gone."""


@final
class Tally:
    """One worker's hand on the numbers. Lines take turns: whose got a slot last, waits longest for the next."""

    def __init__(self, path: Path, *, place: int, count: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """Map the file, made where there is none; `clock` counts nanoseconds for all processes alike."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        weakref.finalize(self, os.close, self._file)
        _make_room(self._file, size := count * _ROW * _CELL)
        self._cells = memoryview(mmap.mmap(self._file, size)).cast("q")
        self._own = place * _ROW
        self._clock = clock

    @property
    def waiting(self) -> int:
        """Return how many requests wait in the lines of all workers."""
        return sum(self._cells[_WAITING::_ROW])

    def take(self, limit: int, *, in_line: bool) -> bool:
        """Take a slot unless `limit` are held, or the line of another worker is before ours; tell whether.

        A request that is not `in_line` comes after all that are.
        """
        cells, own, now = self._cells, self._own, self._clock()
        with self._locked():
            since = cells[own + _SINCE] if in_line else now
            if sum(cells[_BUSY::_ROW]) >= limit or self._is_before(since, now):
                return False
            cells[own + _BUSY] += 1
        if in_line:
            cells[own + _SINCE] = now
        return True

    def give(self) -> None:
        """Give a slot back."""
        self._cells[self._own + _BUSY] -= 1

    def line(self, depth: int) -> None:
        """Note how many requests wait in our line, and that somebody looks after it."""
        cells, own, now = self._cells, self._own, self._clock()
        cells[own + _WAITING] = depth
        cells[own + _SEEN] = now
        if not depth or not cells[own + _SINCE]:
            cells[own + _SINCE] = now if depth else 0

    def _is_before(self, since: int, now: int) -> bool:
        """Tell whether another line that somebody looks after waits longer."""
        cells = self._cells
        return any(
            0 < cells[row + _SINCE] < since and now - cells[row + _SEEN] < _LOST
            for row in range(0, len(cells), _ROW)
            if row != self._own
        )

    @contextmanager
    def _locked(self) -> Generator[None, None, None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def _make_room(file: int, size: int) -> None:
    """Give a file its size, with its place on the disk: a page that finds none when it is written ends the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)


def clear(path: Path, *, place: int) -> None:
    """Forget what a worker that died held, and its line."""
    with path.open("r+b") as file:
        file.seek(place * _ROW * _CELL)
        file.write(bytes(_ROW * _CELL))
