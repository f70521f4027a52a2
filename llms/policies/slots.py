"""Concurrency limits of a provider and of its models, with bounded waiting lines that are fair between keys."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, final

from llms.protocol.errors import QueueFull
from llms.protocol.progress import Place, Progress

if TYPE_CHECKING:
    from llms.stores.tally import Tally

_MOST_MODELS: Final = 64
"""Idle models whose slots are remembered."""
_GUESS: Final = 1.0
"""Seconds that a request takes as long as none has ended."""

_LOOK: Final = 0.02
"""Seconds between two looks for slots that other processes gave back."""


@final
class Slots:
    """At most `concurrency` requests at once (0: no limit); the others wait, one per key in turn."""

    def __init__(self, *, name: str, concurrency: int, queue: int, tally: Tally | None = None) -> None:
        """Name the provider or target for messages; `queue` bounds how many may wait.

        With a tally both bounds hold for several processes together; each has a line of its own.
        """
        self._name = name
        self._concurrency = concurrency
        self._queue = queue
        self._busy = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._seconds: float | None = None
        self._models: dict[str, Slots] = {}
        self._tally = tally if concurrency else None
        self._look_again: asyncio.TimerHandle | None = None

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

    def take(self) -> bool:
        """Take a slot if one is free at once; tell whether."""
        if self._concurrency and (self._busy >= self._concurrency or self._waiting or not self._fits(in_line=False)):
            return False
        self._busy += 1
        return True

    async def wait(self, key: str, *, progress: Progress | None = None) -> None:
        """Wait in line for a slot; raise QueueFull, with the wait to expect, when the line is full."""
        depth = self._depth if self._tally is None else self._tally.waiting
        if depth >= self._queue:
            raise self._full(depth)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        self._tell_line()
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
        self._give()
        if self._waiting or self._tally is not None:
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
            self._give()
            self._admit()
            return
        line = self._waiting.get(key)
        if line is not None and turn in line:
            line.remove(turn)
            if not line:
                del self._waiting[key]
            self._tell_line()

    def _admit(self) -> None:
        while self._waiting and self._busy < self._concurrency:
            key, line = next(iter(self._waiting.items()))
            while line and line[0].done():
                line.popleft()
            if line and not self._fits(in_line=True):
                break
            del self._waiting[key]
            if line:
                self._busy += 1
                line.popleft().set_result(None)
            if line:
                self._waiting[key] = line
        self._tell_line()

    def _fits(self, *, in_line: bool) -> bool:
        """Count one more in where other processes leave room for it."""
        return self._tally is None or self._tally.take(self._concurrency, in_line=in_line)

    def _give(self) -> None:
        self._busy -= 1
        if self._tally is not None:
            self._tally.give()

    def _tell_line(self) -> None:
        """Tell other processes of our line, and look again soon: they do not say when they give a slot back."""
        if self._tally is None:
            return
        self._tally.line(self._depth)
        if self._look_again is not None:
            self._look_again.cancel()
            self._look_again = None
        if self._waiting:
            self._look_again = asyncio.get_running_loop().call_later(_LOOK, self._admit)
