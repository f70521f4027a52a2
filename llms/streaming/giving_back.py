"""Memory of streams that are forgotten, given back to the system: allocators keep what is freed for what may come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, final

_WORTH: Final = 2 * 2**20
"""Bytes below which nothing is done."""
_PAUSE: Final = 1.0
"""Seconds in which more may be freed; and no sooner is it done again."""


@final
class GivingBack:
    """Count what is freed; once that is worth it and nothing runs, look for garbage and trim the heap."""

    __slots__ = ("_freed", "_is_idle", "_timer", "_trim")

    def __init__(self, is_idle: Callable[[], bool], *, trim: Callable[[], None]) -> None:
        """`trim` takes some 20 ms, in which nothing else happens."""
        self._is_idle = is_idle
        self._trim = trim
        self._freed = 0
        self._timer: asyncio.TimerHandle | None = None

    def freed(self, size: int) -> None:
        """Note that so many bytes are free."""
        self._freed += size
        if self._timer is None and self._freed >= _WORTH:
            self._timer = asyncio.get_running_loop().call_later(_PAUSE, self._give_back)

    def close(self) -> None:
        """Give nothing back any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _give_back(self) -> None:
        self._timer = None
        if self._is_idle():
            self._freed = 0
            self._trim()
        else:
            self.freed(0)


def trim() -> None:
    """Look for garbage, and have the C library return what is free, where it is one that can."""
    import ctypes
    import gc

    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return  # only glibc has it
