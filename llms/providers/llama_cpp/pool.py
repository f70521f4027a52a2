"""Who may use which model: requests for models in memory go on, the others wait in line for room.

The line is first come, first served. While anybody waits, nobody overtakes: a model in constant use would otherwise
keep the others out for ever. Only requests for the model that the head of the line has just got room for go with it,
so that two models in turn are not loaded anew for each request.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, final

from llms.protocol.errors import Conflict
from llms.protocol.local import ModelState, Phase
from llms.protocol.progress import Place, Progress
from llms.providers.llama_cpp.answers import LlamaFailures
from llms.providers.llama_cpp.inventory import Item
from llms.providers.llama_cpp.load import Unloadable
from llms.providers.llama_cpp.room import Entry, M, Room


@dataclass(slots=True, eq=False)
class _Waiter(Generic[M]):
    item: Item
    turn: asyncio.Future[Entry[M]]


@final
class Pool(Generic[M]):
    """The models of one provider, lent to those who use them."""

    def __init__(
        self,
        build: Callable[[Item, Callable[[], None]], M],
        *,
        budget: int | None,
        clock: Callable[[], float],
        provider: str,
    ) -> None:
        """Take what makes a model of an item and of what it calls whenever nobody uses it any more.

        `budget` is in bytes, None for no limit; `provider` is its name for messages.
        """
        self._room = Room[M](lambda item: build(item, self.advance), budget=budget, clock=clock, on_change=self.advance)
        self._provider = provider
        self._line: deque[_Waiter[M]] = deque()
        self._closed = False

    @asynccontextmanager
    async def lease(self, item: Item, progress: Progress | None = None) -> AsyncGenerator[M, None]:
        """Hold a model so that it is not unloaded, after waiting for room; loading is the model's own business.

        Raises an LlmsError for a model that can never be loaded, and when the pool is closed.
        """
        entry = await self._enter(item, progress)
        try:
            yield entry.model
        finally:
            self._room.leave(entry)
            self.advance()

    def problem(self, item: Item) -> str:
        """Return why an item can never be loaded; empty when it can."""
        return self._room.problem(item)

    def state(self, name: str) -> Phase:
        """Return what a model is doing."""
        entry = self._room.get(name)
        return entry.model.state if entry is not None else "unloaded"

    def states(self) -> list[ModelState]:
        """Return the models that are in memory, on their way there, or failed to get there."""
        return list(self._room.states(Counter(waiter.item.name for waiter in self._line)))

    async def unload(self, name: str) -> None:
        """Free the memory of a model that nobody uses; raise Conflict while somebody does."""
        entry = self._room.get(name)
        if entry is None or not entry.holds_memory:
            return
        if entry.leaving is None and not entry.is_idle:
            raise Conflict(f"{self._provider}/{name} is in use; try again when its requests have ended")
        await asyncio.shield(entry.leaving or self._room.evict(entry))

    async def close(self) -> None:
        """Refuse those who wait, stop every model and free all memory."""
        self._closed = True
        for waiter in self._line:
            if not waiter.turn.done():
                waiter.turn.set_exception(self._failures(waiter.item).closed())
        self._line.clear()
        await self._room.close()

    def advance(self) -> None:
        """Let those in line go on for whom there is room now."""
        while self._line and not self._closed:
            item = self._line[0].item
            entry = self._room.admit(item)
            if entry is None:
                return
            for waiter in [waiter for waiter in self._line if waiter.item.name == item.name]:
                self._line.remove(waiter)
                if not waiter.turn.done():
                    entry.users += 1
                    waiter.turn.set_result(entry)

    async def _enter(self, item: Item, progress: Progress | None) -> Entry[M]:
        if problem := self.problem(item):
            raise self._failures(item).unloadable(Unloadable(problem))
        if self._closed:
            raise self._failures(item).closed()
        entry = self._room.admit(item) if not self._line else None
        if entry is None:
            return await self._wait(item, progress)
        entry.users += 1
        return entry

    async def _wait(self, item: Item, progress: Progress | None) -> Entry[M]:
        waiter = _Waiter[M](item, asyncio.get_running_loop().create_future())
        self._line.append(waiter)
        if progress is not None:
            progress.queue(lambda: Place(self._position(waiter), None))
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            self._give_up(waiter)
            raise
        finally:
            if progress is not None:
                progress.state(None)

    def _give_up(self, waiter: _Waiter[M]) -> None:
        """Leave the line, though the turn may have come at the same moment."""
        if waiter in self._line:
            self._line.remove(waiter)
        elif not waiter.turn.cancelled() and waiter.turn.exception() is None:
            self._room.leave(waiter.turn.result())
        self.advance()

    def _position(self, waiter: _Waiter[M]) -> int:
        return self._line.index(waiter) + 1 if waiter in self._line else 1

    def _failures(self, item: Item) -> LlamaFailures:
        return LlamaFailures(self._provider, item.name)
