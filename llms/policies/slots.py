"""Concurrency limit of a provider, with a bounded waiting queue that is fair between keys."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import final

from llms.protocol.errors import QueueFull


@final
class Slots:
    """At most `concurrency` requests at once (0: no limit); the others wait, one per key in turn."""

    def __init__(self, *, name: str, concurrency: int, queue: int) -> None:
        """Name the provider for messages; `queue` bounds how many may wait."""
        self._name = name
        self._concurrency = concurrency
        self._queue = queue
        self._busy = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._seconds = 1.0

    @property
    def waiting(self) -> int:
        """Return how many requests wait."""
        return sum(len(line) for line in self._waiting.values())

    @property
    def busy(self) -> int:
        """Return how many requests run."""
        return self._busy

    @property
    def free(self) -> bool:
        """Tell whether a request would run at once."""
        return not self._concurrency or (self._busy < self._concurrency and not self._waiting)

    def take(self) -> None:
        """Take a slot that is known to be free."""
        self._busy += 1

    async def wait(self, key: str) -> None:
        """Wait in line for a slot; raise QueueFull, with the wait to expect, when the line is full."""
        depth = self.waiting
        if depth >= self._queue:
            expected = max(1.0, self._seconds * (depth + 1) / max(1, self._concurrency))
            raise QueueFull(
                f"{self._name}: {self._busy} requests run and {depth} wait; no more are taken",
                retry_after=min(expected, 60.0),
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._leave(key, turn)
            raise

    def release(self, seconds: float) -> None:
        """Give a slot back after `seconds` of use; the next in line runs."""
        self._seconds += (seconds - self._seconds) * 0.1
        self._busy -= 1
        self._admit()

    def _leave(self, key: str, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            self._busy -= 1
            self._admit()
            return
        line = self._waiting.get(key)
        if line is not None and turn in line:
            line.remove(turn)
            if not line:
                del self._waiting[key]

    def _admit(self) -> None:
        while self._waiting and self._busy < self._concurrency:
            key = next(iter(self._waiting))
            line = self._waiting.pop(key)
            turn = line.popleft()
            if line:
                self._waiting[key] = line
            if not turn.done():
                self._busy += 1
                turn.set_result(None)
