"""Readers of a session that have everything: what comes next is handed to them at once, without waking anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import final

from llms.streaming.replay import Event, Replay

Take = Callable[[Sequence[Event]], bool]
"""Gives events to a reader at once; False, and nothing given, where that would have to wait."""


@final
class CaughtUp:
    """Those who wait for the next event and can take it as it comes; the others of a session wait for news of it."""

    __slots__ = ("_replay", "_waiting")

    def __init__(self, replay: Replay) -> None:
        """Take where the events are kept."""
        self._replay = replay
        self._waiting: list[_Reader] = []

    async def wait(self, after: int, take: Take) -> int:
        """Wait for something that cannot be taken at once; return the last event that was."""
        reader = _Reader(after, take)
        self._waiting.append(reader)
        try:
            await reader.woken
        finally:
            if reader in self._waiting:
                self._waiting.remove(reader)
        return reader.after

    def hand_on(self, after: int) -> bool:
        """Give everybody what follows an event; wake those who could not take all of it. Tell if somebody took it."""
        waiting = self._waiting
        if not waiting:
            return False
        events = self._replay.after(after)
        last = self._replay.last
        is_next = events[0].id == after + 1
        for reader in waiting[:]:
            if is_next and reader.take(events):
                reader.after = events[-1].id
            if reader.after != last:
                self._wake(reader)
        return is_next

    def wake(self) -> None:
        """Wake everybody: there is other news."""
        for reader in self._waiting[:]:
            self._wake(reader)

    def _wake(self, reader: _Reader) -> None:
        self._waiting.remove(reader)
        if not reader.woken.done():
            reader.woken.set_result(None)


@final
class _Reader:
    __slots__ = ("after", "take", "woken")

    def __init__(self, after: int, take: Take) -> None:
        self.after = after
        self.take = take
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
