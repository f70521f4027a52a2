"""Concurrency limits of a provider and of its models, with bounded waiting lines that are fair between keys."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, final

from llms.protocol.errors import QueueFull
from llms.protocol.progress import Place, Progress

_MOST_MODELS: Final = 64
"""Idle models whose slots are remembered."""
_GUESS: Final = 1.0
"""Seconds that a request takes as long as none has ended."""


@final
class Slots:
    """At most `concurrency` requests at once (0: no limit); the others wait, one per key in turn."""

    def __init__(self, *, name: str, concurrency: int, queue: int) -> None:
        """Name the provider or target for messages; `queue` bounds how many may wait."""
        self._name = name
        self._concurrency = concurrency
        self._queue = queue
        self._busy = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._seconds: float | None = None
        self._models: dict[str, Slots] = {}

    def of(self, model: str, concurrency: int) -> Slots:
        """Return the slots of one of the provider's models, which has `concurrency` of its own."""
        slots = self._models.get(model)
        if slots is None:
            self._forget_idle()
            slots = Slots(name=f"{self._name}/{model}", concurrency=concurrency, queue=self._queue)
            self._models[model] = slots
        elif slots._concurrency != concurrency:
            slots._concurrency = concurrency
            slots._admit()
        return slots

    @property
    def waiting(self) -> int:
        """Return how many requests wait, those for one of the models included."""
        return self._depth + sum(slots.waiting for slots in self._models.values())

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

    async def wait(self, key: str, *, progress: Progress | None = None) -> None:
        """Wait in line for a slot; raise QueueFull, with the wait to expect, when the line is full."""
        depth = self._depth
        if depth >= self._queue:
            raise self._full(depth)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        if progress is not None:
            progress.queue(lambda: self._place(key, turn))
        try:
            await turn
        except asyncio.CancelledError:
            self._leave(key, turn)
            raise
        finally:
            if progress is not None:
                progress.state(None)

    def release(self, seconds: float | None) -> None:
        """Give a slot back after `seconds` of use, None when it was not used; the next in line runs."""
        if seconds is not None:
            known = self._seconds
            self._seconds = seconds if known is None else known + (seconds - known) * 0.1
        self._busy -= 1
        self._admit()

    def _forget_idle(self) -> None:
        """Drop the slots of models that nobody uses when there are many: ids of models may come from clients."""
        if len(self._models) >= _MOST_MODELS:
            self._models = {name: slots for name, slots in self._models.items() if slots._busy or slots._waiting}

    @property
    def _depth(self) -> int:
        return sum(len(line) for line in self._waiting.values())

    def _full(self, depth: int) -> QueueFull:
        expected = self._wait_at(depth + 1, _GUESS if self._seconds is None else self._seconds)
        error = QueueFull(
            f"{self._name}: {self._busy} requests run and {depth} wait; no more are taken",
            retry_after=min(max(1.0, expected), 60.0),
        )
        error.depth = depth
        return error

    def _place(self, key: str, turn: asyncio.Future[None]) -> Place:
        """Count who comes before a waiter: one of each key in turn, the keys in the order of their lines."""
        if turn.done():
            return Place(1, 0.0)
        rounds = self._waiting[key].index(turn)
        position = 1
        turns = rounds + 1
        for other, line in self._waiting.items():
            if other == key:
                turns = rounds
                position += rounds
            else:
                position += min(len(line), turns)
        return Place(position, None if self._seconds is None else self._wait_at(position, self._seconds))

    def _wait_at(self, position: int, seconds: float) -> float:
        return seconds * position / max(1, self._concurrency)

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
            key, line = next(iter(self._waiting.items()))
            while line and line[0].done():
                line.popleft()
            del self._waiting[key]
            if line:
                self._busy += 1
                line.popleft().set_result(None)
            if line:
                self._waiting[key] = line
