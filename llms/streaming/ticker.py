"""One coarse timer for everything that waits: streams and deadlines look at the time when it ticks.

A timer a request would cost more than all the rest of its accounting. Of those with nothing to do soon a tenth looks
at each tick, so that streams that are open and silent cost next to nothing.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, final

PERIOD: Final = 0.1
"""Seconds between ticks: how exact timeouts and heartbeats are."""
_TURNS: Final = 10
SOON: Final = (_TURNS + 1) * PERIOD
"""What is due within so many seconds has to be looked at in each tick."""


class Ticking(Protocol):
    """Something that wants to look at the time now and then."""

    def tick(self, now: float) -> bool:
        """Look at the time, monotonic seconds of the event loop; tell whether something is due SOON. Must not raise."""


@final
class Ticker:
    """Tick all members while there are any."""

    __slots__ = ("_rest", "_soon", "_timer", "_turn", "loop", "now")

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop of the members; None before the first."""
        self._soon: set[Ticking] = set()
        """Those that look at each tick."""
        self._rest: tuple[set[Ticking], ...] = tuple(set() for _ in range(_TURNS))
        """All others, by the turn at which they look."""
        self._turn = 0
        self._timer: asyncio.TimerHandle | None = None
        self.now = 0.0
        """The time of the last tick; true to one period while there are members."""

    def add(self, member: Ticking) -> None:
        """Tick a member from now on; again where something is due SOON that it did not know of when it looked last."""
        self._soon.add(member)
        if self._timer is None:
            self.loop = asyncio.get_running_loop()
            self.now = self.loop.time()
            self._timer = self.loop.call_later(PERIOD, self._tick)

    def discard(self, member: Ticking) -> None:
        """Tick a member no more."""
        self._soon.discard(member)
        self._rest[hash(member) % _TURNS].discard(member)

    @property
    def members(self) -> set[Ticking]:
        """Return all who look at the time."""
        return self._soon.union(*self._rest)

    def _tick(self) -> None:
        assert self.loop is not None
        self.now = now = self.loop.time()
        self._timer = self.loop.call_later(PERIOD, self._tick) if self._soon or any(self._rest) else None
        self._turn = (self._turn + 1) % _TURNS
        for member in (*self._soon, *self._rest[self._turn]):
            is_soon = member.tick(now)
            if member in self._soon:
                if not is_soon:
                    self._soon.discard(member)
                    self._rest[hash(member) % _TURNS].add(member)
            elif is_soon and member in self._rest[self._turn]:
                self._soon.add(member)
