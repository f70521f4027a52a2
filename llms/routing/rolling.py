"""Counts over the last seconds, in constant memory."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Final

_SLOTS: Final = 10


class Rolling:
    """Count plain and marked events of the last `seconds`, forgotten a tenth of that at a time."""

    __slots__ = ("_slots", "_until", "_width", "marked", "plain")

    def __init__(self, seconds: float) -> None:
        """Start empty."""
        self._width = seconds / _SLOTS
        self._slots: deque[list[int]] = deque()
        self._until = -inf
        """When the last slot ends."""
        self.plain = 0
        self.marked = 0

    def add(self, now: float, *, marked: bool) -> None:
        """Count one event."""
        if now >= self._until:
            self._begin_slot(now)
        if marked:
            self._slots[-1][2] += 1
            self.marked += 1
        else:
            self._slots[-1][1] += 1
            self.plain += 1

    def _begin_slot(self, now: float) -> None:
        slot = int(now / self._width)
        self._until = (slot + 1) * self._width
        self.forget(now)
        self._slots.append([slot, 0, 0])

    def forget(self, now: float) -> None:
        """Drop what is older than the window; call it before reading `plain` and `marked`."""
        oldest = int(now / self._width) - _SLOTS
        while self._slots and self._slots[0][0] <= oldest:
            _, plain, marked = self._slots.popleft()
            self.plain -= plain
            self.marked -= marked

    def clear(self) -> None:
        """Start again from nothing."""
        self._slots.clear()
        self._until = -inf
        self.plain = self.marked = 0
