"""The models in memory, and whether there is room for one more: the unused make some, the longest unused first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, final

from llms.protocol.local import ModelState, Phase
from llms.providers.llama_cpp.inventory import Item
from llms.providers.llama_cpp.memory import refusal
from llms.tasks import Tasks


class Model(Protocol):
    """What is asked of a model here."""

    @property
    def is_loaded(self) -> bool:
        """Tell whether the model is in memory or on its way there."""
        ...

    @property
    def is_busy(self) -> bool:
        """Tell whether anybody uses the model or waits for it."""
        ...

    @property
    def state(self) -> Phase:
        """Return what the model is doing."""
        ...

    @property
    def trouble(self) -> str:
        """Return why it failed."""
        ...

    @property
    def pid(self) -> int | None:
        """Return its process."""
        ...

    @property
    def memory(self) -> int | None:
        """Return the bytes that its process takes."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """Return what only a loaded model knows."""
        ...

    async def unload(self) -> None:
        """Free its memory; return when it is free."""
        ...

    async def close(self) -> None:
        """Stop every request and free its memory."""
        ...


M = TypeVar("M", bound=Model)


@dataclass(slots=True, eq=False)
class Entry(Generic[M]):
    """A model that was wanted at least once; times are seconds of the room's clock."""

    item: Item
    model: M
    since: float
    used: float
    users: int = 0
    """Who holds a lease."""
    leaving: asyncio.Task[None] | None = None
    """Unloads it."""

    @property
    def holds_memory(self) -> bool:
        """Tell whether the model takes memory, or is about to."""
        return self.users > 0 or self.leaving is not None or self.model.is_loaded

    @property
    def is_idle(self) -> bool:
        """Tell whether nobody would miss the model."""
        return not self.users and self.leaving is None and not self.model.is_busy

    @property
    def size(self) -> int:
        """Return the bytes that the model needs."""
        return _size(self.item)


@final
class Room(Generic[M]):
    """The memory of one provider's models."""

    def __init__(
        self,
        build: Callable[[Item], M],
        *,
        budget: int | None,
        clock: Callable[[], float],
        on_change: Callable[[], None],
    ) -> None:
        """Take what makes a model of an item; `budget` is in bytes, None for no limit.

        `on_change` is called whenever memory became free.
        """
        self._build = build
        self._budget = budget
        self._clock = clock
        self._on_change = on_change
        self._entries: dict[str, Entry[M]] = {}
        self._tasks = Tasks()

    def problem(self, item: Item) -> str:
        """Return why an item can never be loaded; empty when it can."""
        if item.need is not None and self._budget is not None and item.need.total > self._budget:
            return refusal(item.need, self._budget, item.wanted)
        return item.problem

    def get(self, name: str) -> Entry[M] | None:
        """Return the entry of a model that was wanted before."""
        return self._entries.get(name)

    def admit(self, item: Item) -> Entry[M] | None:
        """Return the model's entry, for a user to be counted in, when there is room; otherwise begin to make some."""
        entry = self._entries.get(item.name)
        if entry is None or not entry.holds_memory:
            return self._renewed(item) if self._has_room(item) else None
        if entry.leaving is None and (entry.item == item or not entry.is_idle):
            return entry
        if entry.leaving is None:
            # Its file is another one now.
            self.evict(entry)
        return None

    def leave(self, entry: Entry[M]) -> None:
        """Count a user out."""
        entry.users -= 1
        entry.used = self._clock()

    def evict(self, entry: Entry[M]) -> asyncio.Task[None]:
        """Begin to unload a model that nobody uses; the task ends when its memory is free."""
        entry.leaving = self._tasks.spawn(self._unload(entry), name=f"unload {entry.item.name}")
        return entry.leaving

    def states(self, waiting: Mapping[str, int]) -> Iterator[ModelState]:
        """Yield what is not unloaded; `waiting` are requests by model that are not counted in yet."""
        for entry in self._entries.values():
            if entry.model.state != "unloaded":
                yield self._told(entry, waiting.get(entry.item.name, 0))

    async def close(self) -> None:
        """Let those go that are leaving, then stop and free all others."""
        leaving = [entry.leaving for entry in self._entries.values() if entry.leaving is not None]
        await asyncio.gather(*leaving, return_exceptions=True)
        await asyncio.gather(*(entry.model.close() for entry in self._entries.values()))
        await self._tasks.close()

    def _renewed(self, item: Item) -> Entry[M]:
        """Return the entry of a model that is about to be loaded."""
        now = self._clock()
        entry = self._entries.get(item.name)
        if entry is None or entry.item != item:
            if entry is not None:
                self._tasks.spawn(entry.model.close(), name=f"close {item.name}")
            entry = self._entries[item.name] = Entry(item, self._build(item), now, now)
        entry.since = now
        return entry

    def _has_room(self, item: Item) -> bool:
        """Tell whether a model fits beside the others; when it does not, begin to unload as many as it takes."""
        if self._budget is None:
            return True
        room = self._budget - _size(item)
        held = [entry for entry in self._entries.values() if entry.holds_memory]
        if sum(entry.size for entry in held) <= room:
            return True
        staying = sum(entry.size for entry in held if entry.leaving is None)
        for entry in _dispensable(held, missing=staying - room):
            self.evict(entry)
        return False

    async def _unload(self, entry: Entry[M]) -> None:
        try:
            await entry.model.unload()
        finally:
            entry.leaving = None
            self._on_change()

    def _told(self, entry: Entry[M], waiting: int) -> ModelState:
        now, model, need = self._clock(), entry.model, entry.item.need
        return ModelState(
            id=entry.item.name,
            state=model.state,
            pid=model.pid,
            memory_bytes=model.memory or (need.total if need is not None else None),
            slots=entry.item.wanted.slots,
            busy=entry.users + waiting,
            loaded_for=now - entry.since if entry.holds_memory else None,
            idle_for=None if entry.users or model.is_busy else now - entry.used,
            problem=model.trouble,
            facts=model.facts,
        )


def _dispensable(held: list[Entry[M]], *, missing: int) -> list[Entry[M]]:
    """Return idle models that free at least so many bytes, the longest unused first; none when all would not do.

    Of those that the order names, the ones are spared without which there is room, too.
    """
    chosen: list[Entry[M]] = []
    freed = 0
    for entry in sorted((entry for entry in held if entry.is_idle), key=lambda entry: entry.used):
        if freed < missing:
            chosen.append(entry)
            freed += entry.size
    if freed < missing:
        return []
    for entry in reversed(chosen.copy()):
        if freed - entry.size >= missing:
            chosen.remove(entry)
            freed -= entry.size
    return chosen


def _size(item: Item) -> int:
    return item.need.total if item.need is not None else 0
