"""One coarse timer for everything that waits: streams and deadlines look at the time when it ticks.

A timer a request would cost more than all the rest of its accounting; ten ticks a second for all of them
cost nothing.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, final

PERIOD: Final = 0.1
"""Seconds between ticks: how exact timeouts and heartbeats are."""


class Ticking(Protocol):
    """Something that wants to look at the time now and then."""

    def tick(self, now: float) -> None:
        """Look at the time: monotonic seconds of the event loop. Must not raise."""


@final
class Ticker:
    """Tick all members while there are any."""

    __slots__ = ("_members", "_timer", "loop", "now")

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop of the members; None before the first."""
        self._members: set[Ticking] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.now = 0.0
        """The time of the last tick; true to one period while there are members."""

    def add(self, member: Ticking) -> None:
        """Tick a member from now on."""
        self._members.add(member)
        if self._timer is None:
            self.loop = asyncio.get_running_loop()
            self.now = self.loop.time()
            self._timer = self.loop.call_later(PERIOD, self._tick)

    def discard(self, member: Ticking) -> None:
        """Tick a member no more."""
        self._members.discard(member)

    def _tick(self) -> None:
        assert self.loop is not None
        self.now = now = self.loop.time()
        self._timer = self.loop.call_later(PERIOD, self._tick) if self._members else None
        for member in tuple(self._members):
            member.tick(now)
