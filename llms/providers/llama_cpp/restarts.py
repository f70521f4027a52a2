"""How long to leave a model alone whose process dies while it loads: longer each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

_LONGEST: Final = 30.0
_MOST_DOUBLINGS: Final = 10


@final
class Restarts:
    """Count the loads in a row that ended with the process: 1, 2, 4 … 30 seconds of rest after them."""

    __slots__ = ("_clock", "_crashes", "_until")

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take a clock of monotonic seconds."""
        self._clock = clock
        self._crashes = 0
        self._until = 0.0

    @property
    def wait(self) -> float:
        """Return the seconds until the next load may begin."""
        return max(0.0, self._until - self._clock()) if self._crashes else 0.0

    def crashed(self) -> None:
        """Note a load that ended with the process."""
        self._until = self._clock() + min(_LONGEST, 2.0 ** min(self._crashes, _MOST_DOUBLINGS))
        self._crashes += 1

    def went_well(self) -> None:
        """Note a load that ended in order, be it with a refusal."""
        self._crashes = 0
