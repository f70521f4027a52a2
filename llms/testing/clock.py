"""A clock that stands still until a test moves it."""

from __future__ import annotations

from typing import final


@final
class Clock:
    """Seconds that only `advance` and `set` change; hand `clock.now` to whatever asks for the time."""

    __slots__ = ("_now",)

    def __init__(self, now: float = 1_000.0) -> None:
        """Start at `now`, in seconds."""
        self._now = now

    def now(self) -> float:
        """Return the time, in seconds."""
        return self._now

    def __call__(self) -> float:
        """Return the time, so that the clock itself may be handed over as a `() -> float`."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Move forward by `seconds` and return the new time; ValueError when that would be backward."""
        if seconds < 0:
            raise ValueError(f"a clock does not run backward (by {-seconds:g} s): use set() for a jump")
        self._now += seconds
        return self._now

    def set(self, now: float) -> None:
        """Jump to `now`, backward too, as the wall clock of a machine may."""
        self._now = now
