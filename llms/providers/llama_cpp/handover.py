"""From a worker thread to the event loop: pieces of an answer one way, the wish to stop the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import final


@final
class Handover:
    """Carry the pieces of one answer; the loop's side takes, the worker's side puts and ends.

    What waits here is bounded by the model's context window: an answer has no more pieces than it has tokens.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_end: Callable[[], None]) -> None:
        """Belong to `loop`, in which `on_end` is called when the worker is done, just before the reader is told."""
        self._loop = loop
        self._on_end = on_end
        self._pieces: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._woken = False
        self._ended = False
        self._failure: Exception | None = None
        self._stopped = False
        self.cut = False
        """The worker was stopped before its answer was whole."""

    async def take(self) -> list[bytes]:
        """Wait for pieces and return all there are; [] at the end; raise what the worker failed with."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            # In this order nothing is missed: what the worker adds from here on wakes the loop again.
            self._woken = False
            ended = self._ended
            if taken := self._drain():
                if ended:
                    self._arrived.set()
                return taken
            if ended:
                if self._failure is not None:
                    raise self._failure
                return []

    def stop(self) -> None:
        """Ask the worker to stop at its next piece."""
        self._stopped = True

    def put(self, piece: bytes) -> bool:
        """Add a piece, in the worker; return True when it shall stop."""
        if self._stopped:
            self.cut = True
            return True
        self._pieces.append(piece)
        self._wake()
        return False

    def end(self, failure: Exception | None = None) -> None:
        """Say, in the worker, that nothing more comes, and why."""
        self._failure = failure
        self._call(self._end)

    def _end(self) -> None:
        self._ended = True
        self._on_end()
        self._arrived.set()

    def _drain(self) -> list[bytes]:
        taken = []
        while self._pieces:
            taken.append(self._pieces.popleft())
        return taken

    def _wake(self) -> None:
        """Wake the loop once for all that arrives until it looks."""
        if not self._woken:
            self._woken = True
            self._call(self._arrived.set)

    def _call(self, callback: Callable[[], None]) -> None:
        """Call something in the loop; a closed loop has no reader any more."""
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            self._stopped = True
