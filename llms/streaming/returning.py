"""Which resumable streams were taken up again, and how they ended: of the newest of this process."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Final, NamedTuple, final

_MOST: Final = 20_000
"""Streams that are remembered."""
_RETURNED, _WHOLE, _BROKEN = 1, 2, 4


class Rates(NamedTuple):
    """Shares of some streams, from 0 to 1; None of none."""

    reconnection: float | None
    """Streams that a client took up again."""
    recovery: float | None
    """Of those, the ones that came to a whole end."""


@final
class Returning:
    """Remember streams by their numbers and work out rates.

    What is remembered of a stream outlives it by far. So it is no object of its own, which would keep the memory
    around it from going back to the system.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take a monotonic clock, in seconds."""
        self._clock = clock
        self._count = 0
        self._began = array("d")
        self._fates = bytearray()

    def begin(self) -> int:
        """Remember a stream that begins; return its number."""
        number = self._count
        self._count += 1
        if number < _MOST:
            self._began.append(self._clock())
            self._fates.append(0)
        else:
            self._began[number % _MOST] = self._clock()
            self._fates[number % _MOST] = 0
        return number

    def returned(self, number: int) -> None:
        """Note that a client took a stream up again."""
        self._note(number, _RETURNED)

    def ended(self, number: int, *, whole: bool) -> None:
        """Note how a stream ended."""
        self._note(number, _WHOLE if whole else _BROKEN)

    def rates(self, seconds: float) -> Rates:
        """Return the rates of the streams that began in the last seconds."""
        since = self._clock() - seconds
        recent = [fate for began, fate in zip(self._began, self._fates, strict=True) if began >= since]
        returned = [fate for fate in recent if fate & _RETURNED]
        ended = [fate for fate in returned if fate & (_WHOLE | _BROKEN)]
        whole = sum(fate & _WHOLE != 0 for fate in ended)
        return Rates(len(returned) / len(recent) if recent else None, whole / len(ended) if ended else None)

    def _note(self, number: int, fate: int) -> None:
        if self._count - number <= _MOST:
            self._fates[number % _MOST] |= fate
