"""From the child process to the reader of one answer: pieces as they come, an end, and how much was taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, final

from llms.providers.llama_cpp.frames import WINDOW

_ACKNOWLEDGE: Final = WINDOW // 2


@final
class Handover:
    """Carry the pieces of one answer within the event loop.

    What waits here is bounded by the window: the child sends no more until its pieces are taken.
    """

    __slots__ = (
        "_acknowledge", "_ended", "_failure", "_loop", "_pieces", "_untold", "_waiter",
        "is_given_up", "is_overdue", "number", "timer",
    )  # fmt: skip

    def __init__(self, number: int, acknowledge: Callable[[int], None]) -> None:
        """Take the chat's number, and who tells the child that so many bytes were taken."""
        self.number = number
        self._acknowledge = acknowledge
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self._untold = 0
        self._ended = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.is_given_up = False
        """Nobody reads any more."""
        self.is_overdue = False
        """The child should have stopped long ago."""
        self.timer: asyncio.TimerHandle | None = None
        """What happens next when the child does not stop."""

    async def take(self) -> list[bytes]:
        """Wait for pieces and return all there are; [] at the end; raise what it failed with."""
        while not self._pieces:
            if self._ended:
                if self._failure is not None:
                    raise self._failure
                return []
            self._waiter = self._loop.create_future()
            await self._waiter
        pieces, self._pieces = self._pieces, []
        self._untold += sum(map(len, pieces))
        if self._untold >= _ACKNOWLEDGE and not self._ended:
            self._acknowledge(self._untold)
            self._untold = 0
        return pieces

    def put(self, piece: bytes) -> None:
        """Add a piece; one for nobody is dropped."""
        if not self.is_given_up:
            self._pieces.append(piece)
            self._wake()

    def give_up(self) -> None:
        """Forget the pieces: nobody reads any more."""
        self.is_given_up = True
        self._pieces.clear()

    def end(self, failure: Exception | None = None) -> None:
        """Say that nothing more comes, and why."""
        self._ended = True
        self._failure = failure
        if self.timer is not None:
            self.timer.cancel()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
