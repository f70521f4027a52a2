"""Stop strings: where an answer ends because the client said so, also when one is spread over several tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final


@final
class StopFinder:
    """Let bytes through up to the first stop string, holding back what may still become one.

    The first is the one that is complete first; of those that are complete at the same byte, the longest. So it
    does not matter how the text is split. Bytes instead of text, because a token may end within a character.
    """

    __slots__ = ("_held", "_stops", "found")

    def __init__(self, stops: Sequence[str]) -> None:
        """Take the stop strings, none of them empty."""
        self._stops = [stop.encode() for stop in stops]
        self._held = b""
        self.found = False
        """A stop string was met; there is nothing more to come."""

    def feed(self, data: bytes) -> bytes:
        """Return what can be let through."""
        if not self._stops:
            return data
        seen = self._held + data
        met = [(place + len(stop), place) for stop in self._stops if (place := seen.find(stop)) >= 0]
        if met:
            self.found = True
            self._held = b""
            return seen[: min(met)[1]]
        cut = len(seen) - self._undecided(seen)
        self._held = seen[cut:]
        return seen[:cut]

    def end(self) -> bytes:
        """Return what was held back for nothing."""
        held, self._held = self._held, b""
        return held

    def _undecided(self, seen: bytes) -> int:
        """Return the length of the longest end that a stop string begins with."""
        longest = min(max(map(len, self._stops)) - 1, len(seen))
        for length in range(longest, 0, -1):
            end = seen[-length:]
            if any(stop.startswith(end) for stop in self._stops):
                return length
        return 0
